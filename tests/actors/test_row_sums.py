"""The sums of the journal's rows: a bit that flips, wherever it is, is never read back as true."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.book import Book
from actors.gateway.journal import TradeTicks
from actors.gateway.sqlite_journal import VERSION, JournalUnusable, SqliteJournal, read, read_books, story
from actors.orders import OrderRejected
from service.journal_views.journal_upkeep import back_up, examine, prune
from tests.actors.test_sqlite_journal import RUN, rejected
from tests.support.journals import of_version_1, version_of
from tests.support.market import START, at, trade
from tests.support.sessions import Session

KINDS = ("order_rejected", "signal", "position_opened", "position_closed", "order_filled")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of two runs with a book, a trade's ticks, and facts on several pages."""
    path = tmp_path_factory.mktemp("sound") / "j.db"
    session = Session().feed(trade(0, 100, says="LONG"))
    session.feed(trade(1, 102))
    for _ in range(2):
        opened = SqliteJournal(path, "simulated", durable=False)
        opened.begin(RUN)
        opened.append(1, session.facts, session.core.book())
        opened.append(2, [TradeTicks("1", "A", 1, [(START, 100.0, 1.0, None, None)])])
        for number in range(3, 40):
            opened.append(number, [rejected(number), rejected(number + 1)])
        opened.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def all_of(path: Path) -> list[Any]:
    """Read whatever can be read, in each of the ways in which it is."""
    decision = next(fact["decision"] for fact in read(path, ("signal",)))
    return [list(read(path, KINDS)), list(read(path, KINDS, at(1))), read_books(path), story(path, decision)]


def begun(path: Path) -> Book | None:
    """Start on a journal as a bot does."""
    opened = SqliteJournal(path, "simulated", durable=False)
    try:
        return opened.last_book()
    finally:
        opened.close()


def said_or(read_it: Callable[[], Any]) -> Any:
    """Return what is read, or None if it is said that it cannot be."""
    try:
        return read_it()
    except JournalUnusable:
        return None


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_is_never_read_back_as_true(seed: int, sound: Path, tmp_path: Path) -> None:
    whole, book, size = all_of(sound), begun(sound), sound.stat().st_size
    dice = random.Random(seed)
    found = 0
    for number in range(40):
        path = Path(shutil.copy(sound, tmp_path / f"{number}.db"))
        with path.open("r+b") as file:
            place = dice.randrange(size)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << dice.randrange(8)]))
        told, started = said_or(lambda path=path: all_of(path)), said_or(lambda path=path: begun(path))  # type: ignore[misc]
        assert told in (None, whole), (seed, number, place)
        assert started in (None, book), (seed, number, place)
        found += told is None
    assert found  # the rest fell where nothing is


def places_of(path: Path, text: bytes) -> list[int]:
    data, found = path.read_bytes(), [-1]
    while (place := data.find(text, found[-1] + 1)) >= 0:
        found.append(place)
    return found[1:]


SPOILT = (b'"o7"', b"momentum_burst", b'"equity"')
"""Texts that stand in rows only, and in no index."""


@pytest.mark.parametrize("text", SPOILT, ids=bytes.decode)
def test_a_flipped_bit_in_a_row_is_found_by_whoever_looks(text: bytes, sound: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    for number, place in enumerate(places_of(sound, text)[:3]):
        path = Path(shutil.copy(sound, tmp_path / f"{number}.db"))
        with path.open("r+b") as file:
            file.seek(place + 1)
            byte = file.read(1)[0]
            file.seek(place + 1)
            file.write(bytes([byte ^ 1]))
        uses: tuple[Callable[[], object], ...] = (
            lambda path=path: all_of(path),  # type: ignore[misc]
            lambda path=path: begun(path),  # type: ignore[misc]
            lambda path=path: back_up(path, copy),  # type: ignore[misc]
            lambda path=path: prune(path, 1),  # type: ignore[misc]
        )
        for use in uses:
            with pytest.raises(JournalUnusable):
                use()
        assert not copy.exists()
        assert said_or(lambda path=path: examine(path).complaints) != ()  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE facts SET ts = ts + 1 WHERE id = 5",
        "UPDATE facts SET decision = 'x' WHERE id = 5",
        "DELETE FROM facts WHERE id = 5",
        "UPDATE facts SET id = 100000 WHERE id = 5",
        "UPDATE books SET input = 7",
        "UPDATE books SET name = 'alpaca live'",
        "UPDATE runs SET settings = '{}' WHERE id = 1",
        "UPDATE ticks SET symbol = 'B'",
        "UPDATE facts SET sum = NULL WHERE id = 5",
    ],
)
def test_a_row_that_was_changed_or_is_missing_is_found(change: str, sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(sound, tmp_path / "j.db"))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(change)
    with pytest.raises(JournalUnusable, match=r"is damaged .*not what was written"):
        all_of(path)
    with pytest.raises(JournalUnusable, match=r"is damaged .*not what was written"):
        begun(path)


def test_what_cannot_be_written_leaves_the_sums_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    opened = SqliteJournal(path, "simulated", durable=False)
    opened.begin(RUN)
    opened.append(1, [rejected(1)])
    pages = opened._connection.execute("PRAGMA page_count").fetchone()[0]
    opened._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(OSError, match="cannot be written"):
        opened.append(2, [OrderRejected("o", "A", at(2), "x" * 100_000)])
    opened._connection.execute(f"PRAGMA max_page_count={pages + 1000}")
    opened.append(3, [rejected(3)])
    opened.close()
    assert [fact["order"] for fact in read(path, KINDS)] == ["o1", "o3"]


def test_what_earlier_versions_wrote_is_read_and_summed_at_the_next_start(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / "j.db")
    before = list(read(path, KINDS))
    assert before
    assert begun(path) is not None
    assert version_of(path) == VERSION
    assert list(read(path, KINDS)) == before
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("SELECT count(*) FROM facts WHERE sum IS NULL").fetchone() == (0,)
        connection.execute("UPDATE facts SET symbol = 'X' WHERE id = 1")
    with pytest.raises(JournalUnusable, match="not what was written"):
        begun(path)
