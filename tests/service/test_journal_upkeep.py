"""Upkeep of the journal: old runs go and nothing else does, a copy is whole, and damage is seen."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.gateway import sqlite_journal
from actors.gateway.journal import Run
from actors.gateway.sqlite_journal import JournalUnusable, SqliteJournal, read
from pipeline.events import SECOND
from service.journal_views.journal_upkeep import back_up, examine, prune
from tests.support.journals import damage, of_version_1, version_of
from tests.support.market import START, trade
from tests.support.sessions import Session

DAY = 86_400 * SECOND


def journal_of(path: Path, *, opened_in: int) -> Path:
    """Write a journal of four runs, a day apart, with a position that was entered in one of them and is still open."""
    opened = SqliteJournal(path, "simulated", durable=False)
    session = Session()
    for number in range(4):
        opened.begin(Run(START + number * DAY, "1", "s", "v", True, "paper", {}))
        if number == opened_in:
            session.feed(trade(number, 100, says="LONG"))
        else:
            session.feed(trade(number, 100, symbol="B", says="LONG"), trade(number + 0.5, 102, symbol="B"))
        opened.append(number, session.facts, session.core.book())
        session.facts.clear()
    opened.close()
    return path


def runs_of(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [run for (run,) in connection.execute("SELECT id FROM runs ORDER BY id")]


def test_runs_that_ended_before_a_time_go_and_the_book_stays_to_the_byte(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "j.db", opened_in=3)
    with closing(sqlite3.connect(path)) as connection:
        book = connection.execute("SELECT * FROM books").fetchall()
        facts = connection.execute("SELECT * FROM facts WHERE run > 2").fetchall()
    before = START + 2 * DAY + 1  # the second run was over when the third began, a moment ago
    counted = prune(path, before, remove=False)
    assert (counted.runs, runs_of(path)) == (2, [1, 2, 3, 4])  # counting removes nothing
    assert prune(path, before) == counted
    assert runs_of(path) == [3, 4]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM books").fetchall() == book
        assert connection.execute("SELECT * FROM facts").fetchall() == facts
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert prune(path, before).runs == 0


def test_another_venue_s_book_outlives_the_run_that_wrote_it_last(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    session = Session().feed(trade(0, 100))
    for number, name in enumerate(("alpaca paper", "simulated", "simulated")):
        opened = SqliteJournal(path, name, durable=False)
        opened.begin(Run(START + number * DAY, "1", "s", "v", True, "paper", {}))
        opened.append(number, session.facts, session.core.book())
        opened.close()
    prune(path, START + 100 * DAY)
    assert runs_of(path) == [3]
    opened = SqliteJournal(path, "alpaca paper", durable=False)
    assert opened.last_book() == session.core.book()
    opened.close()


def test_a_run_stays_in_which_a_position_was_entered_that_is_still_open(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "j.db", opened_in=1)
    pruned = prune(path, START + 100 * DAY)
    assert runs_of(path) == [2, 4]  # and the newest, which nobody knows to be over
    assert (pruned.runs, pruned.kept_for_positions) == (2, 1)
    assert next(row["symbol"] for row in read(path, ["position_opened"])) == "A"


def test_the_file_gets_smaller(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    opened = SqliteJournal(path, "simulated", durable=False)
    for number in range(2):
        opened.begin(Run(START + number * DAY, "1", "s", "v", True, "paper", {"long": "x" * 100_000}))
    opened.close()
    before = path.stat().st_size
    prune(path, START + 100 * DAY)
    assert path.stat().st_size < before - 90_000


def test_tables_that_a_later_version_adds_are_pruned_with_their_runs(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "j.db", opened_in=3)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE later (run INTEGER, body TEXT)")
        connection.executemany("INSERT INTO later VALUES (?, 'x')", [(1,), (4,)])
        connection.commit()
    prune(path, START + 2 * DAY)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT run FROM later").fetchall() == [(4,)]


def test_a_copy_is_made_while_the_journal_is_written_and_holds_what_was_written(tmp_path: Path) -> None:
    opened = SqliteJournal(tmp_path / "j.db", "simulated", durable=False)
    opened.begin(Run(START, "1", "s", "v", True, "paper", {}))
    session = Session().feed(trade(0, 100, says="LONG"))
    opened.append(1, session.facts, session.core.book())
    copy = tmp_path / "copy.db"
    assert back_up(tmp_path / "j.db", copy) == copy.stat().st_size > 0
    opened.append(2, session.facts)  # it goes on as if nothing had been
    opened.close()
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]
    again = SqliteJournal(copy, "simulated", durable=False)
    assert again.last_book() == session.core.book()
    again.close()
    assert len(list(read(copy, ["signal"]))) == 1


def test_nothing_is_written_over_and_nothing_half_is_left_behind(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "j.db", opened_in=3)
    (tmp_path / "mine").write_text("my diary")
    with pytest.raises(FileExistsError):
        back_up(path, tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "my diary"
    with pytest.raises(JournalUnusable, match="there is no journal"):
        back_up(tmp_path / "none.db", tmp_path / "copy")
    damage(path, 3)
    with pytest.raises(JournalUnusable):
        back_up(path, tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))


def test_a_sound_journal_is_found_sound_and_a_damaged_page_is_found(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "j.db", opened_in=3)
    health = examine(path)
    assert (health.complaints, health.runs, health.books) == ((), 4, ("simulated",))
    assert health.version == len(sqlite_journal._SCRIPTS)
    for page in (2, 3, 4):
        damaged = journal_of(tmp_path / f"{page}.db", opened_in=3)
        damage(damaged, page)
        assert complaint(damaged)


def complaint(path: Path) -> str:
    """Return what is said of a damaged journal: SQLite finds some damage by looking, and stumbles over other."""
    try:
        return "; ".join(examine(path).complaints)
    except JournalUnusable as error:
        return str(error)


def test_a_newer_journal_is_neither_examined_nor_pruned_nor_copied(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "j.db", opened_in=3)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    for use in (lambda: examine(path), lambda: prune(path, START), lambda: back_up(path, tmp_path / "copy")):
        with pytest.raises(JournalUnusable, match="newer microbot"):
            use()
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("steps", range(len(sqlite_journal._SCRIPTS)))
def test_every_older_version_is_brought_up_to_date(steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal as each earlier version would make it, empty or with what version 1 wrote, opens as today's."""
    path = tmp_path / "j.db"
    if steps:
        of_version_1(path)
        with monkeypatch.context() as older:
            older.setattr(sqlite_journal, "_SCRIPTS", sqlite_journal._SCRIPTS[:steps])
            SqliteJournal(path, "simulated", durable=False).close()
        assert version_of(path) == steps
    opened = SqliteJournal(path, "simulated", durable=False)
    book = opened.last_book()
    opened.close()
    assert version_of(path) == len(sqlite_journal._SCRIPTS)
    assert [held.symbol for held in book.positions] == ["AAPL"] if book is not None else steps == 0
    assert examine(path).complaints == ()


def test_the_journal_of_version_1_is_brought_up_to_date_with_all_it_tells(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / "j.db")
    assert version_of(path) == 1
    told = list(read(path, ["position_closed", "position_opened"]))  # it can be read as it is
    opened = SqliteJournal(path, "simulated", durable=False)
    book = opened.last_book()
    opened.close()
    assert version_of(path) == len(sqlite_journal._SCRIPTS)
    assert list(read(path, ["position_closed", "position_opened"])) == told
    assert book is not None
    [held] = book.positions
    assert (held.symbol, held.side, held.decision, held.entry_ts) == ("AAPL", "SHORT", "148", 1795521303651630002)
