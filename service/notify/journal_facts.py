"""The journal as the notifier reads it: the facts behind a cursor, the book, and the run, also while a bot writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.book import Book
from actors.gateway.sqlite_journal import open_to_read
from actors.messages import (
    AccountOpened,
    ChainFailed,
    ChainRemoved,
    DayStarted,
    Fact,
    GateActed,
    OrderFilled,
    PositionClosed,
    StateChanged,
    StrategyHalted,
)
from pipeline.events import SECOND

_WANTED = (
    *(OrderFilled, PositionClosed, StateChanged, GateActed, StrategyHalted, ChainFailed, ChainRemoved),
    *(DayStarted, AccountOpened),
)
_KINDS = tuple(str(kind.__struct_config__.tag) for kind in _WANTED)
_MOST_FACTS = 2_000  # of one reading


class Cursor(msgspec.Struct, frozen=True):
    """How far the journal was read: the last fact, and what proves that it is still the same journal."""

    fact: int = 0
    run: int = 0
    started_ts: int = 0  # of that run


class _Risk(msgspec.Struct, frozen=True):
    daily_loss_limit: float = 0.0


class _Settings(msgspec.Struct, frozen=True):
    risk: _Risk = _Risk()


class Read(NamedTuple):
    """A fact, and where it stands."""

    run: int
    input: int
    ts: int  # the venue's, ns
    fact: Fact


class Reading(NamedTuple):
    """What is behind a cursor."""

    facts: list[Read]
    cursor: Cursor
    run: int  # the newest one
    book: Book | None  # the one written last
    replaced: bool  # whether another journal took the place of the one that the cursor was of
    loss_share: float  # of a day's first equity, at which that run ends the day, below zero; 0: none is known
    live: bool | None  # whether that run is about real money; None without a run


def read(path: Path, cursor: Cursor | None, from_run: int | None = None, read_at: float = 0.0) -> Reading | None:
    """Read what is behind a cursor, a bounded number of facts; None where there is no journal to be read.

    Without a cursor, what is behind the beginning of `from_run`; without that as well, nothing: from here on. Of a
    journal that took the place of another (a new one, or a backup), what is of runs that began after `read_at`, seconds
    since 1970, when the other one was read last.
    """
    if not path.is_file():
        return None
    try:
        with closing(open_to_read(path)) as connection:
            return _read(connection, cursor, from_run, round(read_at * SECOND))
    except (sqlite3.Error, msgspec.MsgspecError):  # it is being made, or damaged: `doctor` says so
        return None


def run_before(path: Path, ts: int) -> int:
    """Return the newest run that began before a time (ns since 1970); 0 if there is none, or none can be read."""
    try:
        with closing(open_to_read(path)) as connection:
            found = connection.execute("SELECT ifnull(max(id), 0) FROM runs WHERE started_ts < ?", (ts,)).fetchone()
            return int(found[0])
    except sqlite3.Error:
        return 0


def _read(connection: sqlite3.Connection, cursor: Cursor | None, from_run: int | None, read_at: int) -> Reading:
    newest, last = connection.execute(
        "SELECT (SELECT ifnull(max(id), 0) FROM runs), (SELECT ifnull(max(id), 0) FROM facts)"
    ).fetchone()
    replaced = cursor is not None and (last < cursor.fact or not _is_same(connection, cursor))
    if replaced:
        query = "SELECT ifnull(max(facts.id), 0) FROM facts JOIN runs ON runs.id = facts.run WHERE started_ts < ?"
        cursor = Cursor(connection.execute(query, (read_at,)).fetchone()[0])
    elif cursor is None:
        start = last
        if from_run is not None:
            query = "SELECT ifnull(max(id), 0) FROM facts WHERE run < ?"
            start = connection.execute(query, (from_run,)).fetchone()[0]
        cursor = Cursor(start)
    assert cursor is not None
    marks = ", ".join("?" * len(_KINDS))
    rows = connection.execute(
        f"SELECT id, run, input, ts, body FROM facts WHERE id > ? AND kind IN ({marks}) ORDER BY id LIMIT ?",
        (cursor.fact, *_KINDS, _MOST_FACTS),
    ).fetchall()
    reached = rows[-1][0] if len(rows) == _MOST_FACTS else max(last, cursor.fact)
    started = connection.execute("SELECT started_ts, paper, settings FROM runs WHERE id = ?", (newest,)).fetchone()
    row = connection.execute("SELECT body FROM books ORDER BY run DESC, input DESC LIMIT 1").fetchone()
    book = msgspec.json.decode(row[0], type=Book) if row is not None else None
    share = msgspec.json.decode(started[2], type=_Settings).risk.daily_loss_limit if started else 0.0
    cursor = Cursor(reached, newest, started[0] if started else 0)
    return Reading(list(_facts(rows)), cursor, newest, book, replaced, share, not started[1] if started else None)


def _facts(rows: list[tuple[int, int, int, int, str]]) -> Iterator[Read]:
    for _, run, number, ts, body in rows:
        try:
            yield Read(run, number, ts, msgspec.json.decode(body, type=Fact))
        except msgspec.MsgspecError:  # of another version: it is nothing that this one could tell
            continue


def _is_same(connection: sqlite3.Connection, cursor: Cursor) -> bool:
    """Whether this is the journal that the cursor is of; a run that was pruned proves nothing."""
    found = connection.execute("SELECT started_ts FROM runs WHERE id = ?", (cursor.run,)).fetchone()
    return found is None or found[0] == cursor.started_ts
