"""The disk: a journal in a folder that outlives the bot, as it was when the bot was killed; and how it fails."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from actors.book import Book
from actors.gateway.journal import Entry, Journal, Run
from actors.gateway.kill_switch import FLATTEN, HALT
from service.data_folder import JOURNAL
from service.live.halt_file import file_of

MEMORY = Path("/dev/shm")
"""A disk in memory, where there is one: a commit then costs no more than its own work."""


class Disk:
    """A folder for each life of the bot. A new life's begins with the last one's files, as they were at its end."""

    def __init__(self) -> None:
        self.full_until = 0  # venue time, ns
        self._root = Path(tempfile.mkdtemp(prefix="microbot-sim-", dir=MEMORY if MEMORY.is_dir() else None))
        self._lives = 0
        self.folder = self._root / "0"
        self.folder.mkdir()

    def survive(self) -> None:
        """Keep what a killed process leaves: its files as they are, the write-ahead log not yet folded in.

        The process itself still has them open; what it does now happens to files that are not read again.
        """
        old = self.folder
        self._lives += 1
        self.folder = self._root / str(self._lives)
        self.folder.mkdir()
        for name in (JOURNAL, f"{JOURNAL}-wal", *(file_of(old, name).name for name in (HALT, FLATTEN))):
            if (old / name).exists():
                shutil.copyfile(old / name, self.folder / name)

    def rows(self) -> list[tuple[object, ...]]:
        """Read all that the journal holds."""
        with closing(sqlite3.connect(f"file:{self.folder / JOURNAL}?mode=ro", uri=True)) as connection:
            return [
                (table, *row)
                for table in ("runs", "facts", "books")
                for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1")
            ]

    def remove(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._root, ignore_errors=True)


class WatchedJournal:
    """The journal, and who looks on: before and after each append something may happen.

    Raises OSError while the disk is full, as the journal itself does.
    """

    def __init__(
        self,
        journal: Journal,
        full: Callable[[], bool],
        before: Callable[[], None],
        on_appended: Callable[[Sequence[Entry], Book | None], None],
        on_failed: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._full = full
        self._before = before
        self._on_appended = on_appended
        self._on_failed = on_failed

    def begin(self, run: Run) -> None:
        self._write(loses_book=True)
        self._journal.begin(run)

    def append(self, number: int, facts: Sequence[Entry], book: Book | None = None) -> None:
        self._before()
        self._write(loses_book=book is not None)
        self._journal.append(number, facts, book)
        self._on_appended(facts, book)

    def _write(self, *, loses_book: bool) -> None:
        if self._full():
            if loses_book:
                self._on_failed()
            raise OSError(errno.ENOSPC, "the journal cannot be written: database or disk is full")

    def close(self) -> None:
        self._journal.close()
