"""Bookkeeping: a session's journal, and the book of the last session that this one goes on with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from actors.book import Book
from actors.core import CoreSettings, Input
from actors.feeds.addresses import shown
from actors.journal import Journal, MemoryJournal, Run
from actors.messages import Command
from actors.sqlite_journal import JournalUnusable, SqliteJournal
from pipeline.events import SECOND
from service.books.history import JOURNAL
from service.errors import UserError
from service.live.sources import TAPE
from service.options import RunOptions
from service.venues import Venue

_OLDER_NS = 5 * SECOND  # venue time that may have been told after the book was written


SIMULATED, REHEARSAL = "simulated", "rehearsal"


def book_name(options: RunOptions) -> str:
    """Name the book of a session by where it trades. A rehearsal's exchange is another each time: it has no past."""
    if options.venue is not Venue.ALPACA:
        return SIMULATED
    if options.rehearse:
        return REHEARSAL
    return f"alpaca {shown(options.url) if options.url else 'live' if options.live else 'paper'}"


class Bookkeeping:
    """The journal of one session, and what it holds to go on with. A tape's time is another: it has neither.

    Books are kept apart by venue: that of simulated fills, and one for each account's address. Raises UserError for a
    journal that cannot be used. `wall_ns` is the machine's clock, ns.
    """

    def __init__(self, options: RunOptions, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._options = options
        self._wall_ns = wall_ns
        self._on_disk: SqliteJournal | None = None
        self._book: Book | None = None  # until it is taken up
        if options.feed is not None and options.feed.startswith(TAPE):
            self.journal: Journal = MemoryJournal()
            return
        name = book_name(options)
        try:
            path = options.data_dir / JOURNAL
            self.journal = self._on_disk = SqliteJournal(path, name, durable=name != SIMULATED)
            if not options.fresh and name != REHEARSAL:
                self._book = self._on_disk.last_book()
        except JournalUnusable as error:
            raise UserError(str(error)) from None

    def begin(self, run: Run) -> None:
        """Note in the journal what this session is. Raises UserError if that fails."""
        try:
            self.journal.begin(run)
        except OSError as error:
            raise UserError(f"{error}: is the disk full?") from None

    def run(self, strategy: str, venue: str, book: str, settings: CoreSettings, recording: Path | None) -> Run:
        """Say what a session that starts now is; `book` is what its order ids begin with."""
        return Run(
            started_ts=self._wall_ns(),
            version=version("microbot"),
            strategy=strategy,
            venue=venue,
            paper=not self._options.live,
            name=book,
            settings=msgspec.to_builtins(settings),
            recording=str(recording.absolute()) if recording is not None else "",
        )

    @property
    def pending(self) -> bool:
        """Whether there is a book that is not taken up yet."""
        return self._book is not None

    @property
    def last_name(self) -> str:
        """What the last session's order ids began with; empty if there was none."""
        return self._book.name if self._book is not None else ""

    @property
    def last_ts(self) -> int:
        """The venue's time at the end of the last session, ns; 0 if there was none."""
        return self._book.ts if self._book is not None else 0

    def due(self, inputs: Sequence[Input], say: Callable[[str], None]) -> Book | None:
        """Return the book once, as soon as inputs tell the venue's time; None before, and if it is of a later time.

        A command waits for no time, and must not meet an empty book: what it sets would be written over the old one.
        """
        now = max((getattr(event, "ts", 0) for event in inputs), default=0)
        book = self._book
        if book is None or not (now or any(isinstance(event, Command) for event in inputs)):
            return None
        self._book = None
        if 0 < now < book.ts - _OLDER_NS:
            say(
                "the venue's time is before that of the last session's book: a new one is begun "
                "(the old one's history stays in the journal)"
            )
            return None
        held = [position.symbol for position in book.positions]
        if held:
            say(f"resumed: {', '.join(held)}")
        if unwatched := [symbol for symbol in held if self._options.symbols and symbol not in self._options.symbols]:
            say(f"not among --symbols, so without prices until they are: {', '.join(unwatched)}")
        return book

    def close(self) -> None:
        """Let go of the journal."""
        self.journal.close()
