"""Upkeep of the journal on disk: a copy while it is written, a look at its health, and the removal of old runs."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from actors.gateway.sqlite_journal import JournalUnusable, check_rows, check_version, damages, read_books

_MOST_COMPLAINTS = 5  # of a damaged file; one is enough to know


class Health(msgspec.Struct, frozen=True):
    """What a look at a journal found."""

    version: int  # of its schema
    complaints: tuple[str, ...]  # SQLite's own, or rows that are not what was written; none if it is sound
    runs: int
    facts: int
    books: tuple[str, ...]


class Pruned(msgspec.Struct, frozen=True):
    """What of a journal is old, or was removed."""

    runs: int
    facts: int
    kept_for_positions: int  # old runs that tell how a position came about that is still open


def _open(path: Path, mode: str) -> sqlite3.Connection:
    if not path.is_file():
        raise JournalUnusable(f"there is no journal {path}: `microbot run` writes one")
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)


def examine(path: Path) -> Health:
    """Look at a journal without writing to it, also while a bot does; its indices are compared as well.

    Raises JournalUnusable if it is none, of a newer version, or if its books cannot be read.
    """
    try:
        with closing(_open(path, "ro")) as connection:
            connection.execute("BEGIN")  # all of one moment
            version = check_version(connection, path)
            if found := tuple(itertools.islice(damages(connection, "integrity_check"), _MOST_COMPLAINTS)):
                return Health(version, found, 0, 0, ())
            runs, facts = (
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] if version else 0
                for table in ("runs", "facts")
            )
    except sqlite3.Error as error:
        raise JournalUnusable(f"the journal {path} cannot be read ({error})") from None
    return Health(version, (), runs, facts, tuple(sorted(read_books(path))))


def back_up(path: Path, copy: Path) -> int:
    """Copy a journal as it is at one moment, also while a bot writes; return the copy's size in bytes.

    The copy appears under its name when it is whole and sound. Raises FileExistsError, OSError or JournalUnusable.
    """
    part = copy.with_name(copy.name + ".part")
    with copy.open("xb"):
        pass  # the name is ours: nothing is ever written over
    try:
        part.unlink(missing_ok=True)
        with closing(_open(path, "ro")) as source, closing(sqlite3.connect(part)) as target:
            check_version(source, path)
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
            complaint = next(damages(target, "integrity_check"), "")
        if complaint:
            raise JournalUnusable(f"the journal {path} is damaged ({complaint}): there is nothing sound to copy")
        part.replace(copy)
    except BaseException as error:
        for path_left in (copy, part):
            with suppress(OSError):
                path_left.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise JournalUnusable(f"the journal {path} cannot be copied to {copy} ({error})") from None
        raise
    return copy.stat().st_size


def prune(path: Path, before: int, *, remove: bool = True) -> Pruned:
    """Remove the runs that ended before a time (wall clock, ns) with all that is told of them; the books stay.

    Without `remove` they are counted only. No bot may run meanwhile: it would have to wait for the disk. Raises
    JournalUnusable.
    """
    try:
        with closing(_open(path, "rw" if remove else "ro")) as connection:
            check_version(connection, path)
            if remove:
                check_rows(connection, path)
            old, kept = _old_runs(connection, path, before)
            of_old = [(run,) for run in old]
            count = "SELECT count(*) FROM facts WHERE run = ?"
            facts = sum(connection.execute(count, run).fetchone()[0] for run in of_old)
            if remove:
                _remove(connection, of_old)
    except sqlite3.Error as error:
        raise JournalUnusable(f"the journal {path} cannot be {'pruned' if remove else 'read'} ({error})") from None
    return Pruned(len(old), facts, kept)


def _remove(connection: sqlite3.Connection, runs: list[tuple[int]]) -> None:
    """Remove runs, with the rows that belong to them in whatever tables later versions add, save the books."""
    tables = connection.execute(
        "SELECT tables.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns "
        "WHERE tables.type = 'table' AND columns.name = 'run' AND tables.name != 'books'"
    ).fetchall()
    connection.execute("BEGIN IMMEDIATE")
    for (table,) in tables:
        connection.executemany(f'DELETE FROM "{table}" WHERE run = ?', runs)
    connection.executemany("DELETE FROM runs WHERE id = ?", runs)
    connection.execute("COMMIT")
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _old_runs(connection: sqlite3.Connection, path: Path, before: int) -> tuple[list[int], int]:
    """Return the runs to remove, and how many are as old but stay.

    One bot at a time runs on a journal: a run is over when the next one starts, so the newest is never old. A run in
    which a position was open that a book still holds stays: it tells why.
    """
    runs = connection.execute("SELECT id, started_ts FROM runs ORDER BY id").fetchall()
    old = {run for (run, _), (_, ended) in itertools.pairwise(runs) if ended < before}
    needed: set[int] = set()
    for book in read_books(path).values():
        for held in book.positions:
            query = "SELECT DISTINCT run FROM facts WHERE kind = 'position_opened' AND ts = ? AND symbol = ?"
            needed |= {run for (run,) in connection.execute(query, (held.entry_ts, held.symbol))}
    return sorted(old - needed), len(old & needed)
