"""Bookkeeping: when a session takes up the book of the one before."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from actors.book import Book
from actors.engine.core import Core, CoreSettings
from actors.messages import Command, FeedChanged, FeedState, MarketHours
from actors.orders import AccountReport
from pipeline.events import SECOND, Clock
from pipeline.strategy import momentum_burst
from service.errors import NotNow, UserError
from service.live.bookkeeping import Bookkeeping
from service.options import RunOptions
from service.venues import Venue

SETTINGS = CoreSettings()


def with_a_book(folder: Path, ts: int) -> Bookkeeping:
    """Let one session write a book down, and return the bookkeeping of the next."""
    core = Core(SETTINGS, momentum_burst(SETTINGS.strategy))
    core.run([Clock(ts)])
    first = Bookkeeping(RunOptions(data_dir=folder), lambda: 7)
    first.journal.begin(first.run("test", "nowhere", "paper", SETTINGS, None))
    first.journal.append(1, [], core.book())
    first.close()
    return Bookkeeping(RunOptions(data_dir=folder), lambda: 8)


def ignored(sentence: str) -> None: ...


def test_a_book_is_taken_up_once_as_soon_as_the_venue_tells_its_time(tmp_path: Path) -> None:
    books = with_a_book(tmp_path, 100 * SECOND)
    assert books.due([FeedChanged(FeedState.CONNECTING)], 0, ignored) is None
    assert isinstance(books.due([FeedChanged(FeedState.LIVE)], 101 * SECOND, ignored), Book)
    assert books.due([Clock(102 * SECOND)], 102 * SECOND, ignored) is None
    books.close()


def test_a_command_that_comes_before_the_first_time_meets_the_book(tmp_path: Path) -> None:
    """What it sets would be written over the old book, and then overruled by it."""
    books = with_a_book(tmp_path, 100 * SECOND)
    assert isinstance(books.due([Command("halt")], 0, ignored), Book)
    assert not books.pending
    books.close()


@pytest.mark.parametrize("off", [-86_400, 86_400])
def test_what_another_clock_says_neither_takes_a_book_up_nor_drops_it(tmp_path: Path, off: int) -> None:
    books = with_a_book(tmp_path, 100_000 * SECOND)
    ts = (100_000 + off) * SECOND
    assert books.due([MarketHours((), ts)], 0, ignored) is None
    assert books.pending
    account = AccountReport(ts, "PA1", Decimal(1), Decimal(1), Decimal(1), (), ())
    assert isinstance(books.due([account], 0, ignored), Book)  # it must not meet an empty book
    books.close()


def test_a_book_of_a_later_time_is_another_markets(tmp_path: Path) -> None:
    books = with_a_book(tmp_path, 100 * SECOND)
    said: list[str] = []
    assert books.due([Clock(50 * SECOND)], 50 * SECOND, said.append) is None
    assert "a new one is begun" in said[0]
    books.close()


def test_a_start_after_a_gap_in_the_journal_says_once_that_the_book_may_be_older(tmp_path: Path) -> None:
    books = with_a_book(tmp_path, 100 * SECOND)
    assert books.tell_gap() == ""
    books.keep_gap("the disk is full")
    books.close()
    of_another = Bookkeeping(RunOptions(data_dir=tmp_path, venue=Venue.ALPACA))
    assert of_another.tell_gap() == ""
    of_another.close()
    again = Bookkeeping(RunOptions(data_dir=tmp_path))
    said = again.tell_gap()
    assert "(the disk is full)" in said
    assert "may be older than what was done" in said
    assert again.tell_gap() == ""
    again.close()


def test_where_the_disk_has_no_room_for_a_reason_the_gap_is_known_all_the_same(tmp_path: Path) -> None:
    books = with_a_book(tmp_path, 100 * SECOND)
    books.keep_gap("")
    assert "(it could not be written)" in books.tell_gap()
    books.close()


def test_a_new_book_is_not_said_to_be_older(tmp_path: Path) -> None:
    books = with_a_book(tmp_path, 100 * SECOND)
    books.keep_gap("the disk is full")
    books.close()
    fresh = Bookkeeping(RunOptions(data_dir=tmp_path, fresh=True))
    assert fresh.tell_gap() == ""
    fresh.close()
    again = Bookkeeping(RunOptions(data_dir=tmp_path))
    assert again.tell_gap() == ""
    again.close()


@pytest.mark.parametrize(
    ("code", "may_pass"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR, True),
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_READONLY, False),
        (sqlite3.SQLITE_CORRUPT, False),
    ],
)
def test_a_journal_without_room_is_tried_again_by_who_starts_the_bot_and_a_damaged_one_is_not(
    code: int, may_pass: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("no")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(UserError) as refused:
        Bookkeeping(RunOptions(data_dir=tmp_path))
    assert isinstance(refused.value, NotNow) is may_pass
