"""Bookkeeping: a session's journal, the book of the last session that this one goes on with, and names of books."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors.book import Book
from actors.engine.core import CoreSettings, Input
from actors.execution.messages import OrderNews
from actors.gateway.journal import Journal, MemoryJournal, Run
from actors.gateway.kept_trades import KeptTrades
from actors.gateway.sqlite_journal import JournalUnusable, SqliteJournal
from actors.messages import Command, SymbolCommand
from actors.orders import AccountReport
from pipeline.events import SECOND
from pipeline.strategy import Strategies, Strategy
from service.data_folder import JOURNAL
from service.errors import NotNow, UserError
from service.live import halt_file
from service.live.sources import TAPE
from service.options import REHEARSAL, SIMULATED, RunOptions, book_name
from service.settings import as_layer
from service.venues import Venue
from service.version import VERSION

_URGENT = Command | SymbolCommand | AccountReport | OrderNews
"""Commands, and a broker's news of orders and of the account."""

_OLDER_NS = 5 * SECOND  # venue time that may have been told after the book was written


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
        self._name = ""  # of the book; empty where no journal is on the disk
        self._gap = ""  # the file that says that the journal does not hold everything
        if options.feed is not None and options.feed.startswith(TAPE):
            self.journal: Journal = MemoryJournal()
            return
        self._name = name = book_name(options)
        self._gap = f"journal_gap_{re.sub('[^a-z0-9]+', '_', name.lower())}"
        try:
            path = options.data_dir / JOURNAL
            self.journal = self._on_disk = SqliteJournal(path, name, durable=name != SIMULATED)
            if not options.fresh and name != REHEARSAL:
                self._book = self._on_disk.last_book()
        except JournalUnusable as error:
            raise (NotNow if error.may_pass else UserError)(str(error)) from None

    def kept_trades(self, most: int) -> KeptTrades:
        """Return the newest finished trades of earlier sessions in the same account. Raises UserError.

        A rehearsal's exchange is another each time: it has none.
        """
        if self._on_disk is None or self._name == REHEARSAL:
            return KeptTrades()
        try:
            return self._on_disk.kept_trades(most, at_broker=self._name != SIMULATED)
        except JournalUnusable as error:
            raise UserError(str(error)) from None

    def begin(self, run: Run) -> None:
        """Note in the journal what this session is. Raises NotNow if that fails."""
        try:
            self.journal.begin(run)
        except OSError as error:
            raise NotNow(f"{error}: is the disk full?") from None

    def keep_gap(self, why: str) -> None:
        """Note, for the next start, that the journal does not hold all that is done; a full disk has room for that."""
        if self._on_disk is not None:
            halt_file.keep(self._options.data_dir, self._gap, why)

    def tell_gap(self) -> str:
        """Say once that the book may be older than what was done; empty if nothing, or if a new one is begun."""
        if self._on_disk is None:
            return ""
        why = halt_file.reason_of(self._options.data_dir, self._gap, "it could not be written")
        if why is None:
            return ""
        with contextlib.suppress(OSError):  # then it is said again
            halt_file.file_of(self._options.data_dir, self._gap).unlink(missing_ok=True)
        if self._book is None:
            return ""
        then = (
            "what was closed then may be closed here again (`microbot logs` tells what was, --fresh begins a new book)"
            if self._options.venue is not Venue.ALPACA
            else "the account says what is held"
        )
        return (
            f"the journal does not hold all of the last session ({why}), so the book that this one goes on with may "
            f"be older than what was done: {then}"
        )

    def run(
        self,
        strategy: str,
        venue: str,
        book: str,
        settings: CoreSettings,
        recording: Path | None,
        strategies: Strategies | None = None,
    ) -> Run:
        """Return what the journal says of a session that starts now; `book` is what its order ids begin with.

        What parameters its `strategies` declare stands beside the settings, for `explain`: under `parameters`, and of
        those of [strategies.NAME] under `parameters_of`, by name.
        """
        declared = _declared(strategies) if strategies is not None else {}
        return Run(
            started_ts=self._wall_ns(),
            version=VERSION,
            strategy=strategy,
            venue=venue,
            paper=not self._options.live,
            name=book,
            settings=as_layer(settings) | declared,
            recording=str(recording.absolute()) if recording is not None else "",
        )

    @property
    def run_number(self) -> int | None:
        """The number that the journal gives this run, or will; None without a journal on disk."""
        return self._on_disk.run if self._on_disk is not None else None

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

    def due(self, inputs: Sequence[Input], now: int, say: Callable[[str], None]) -> Book | None:
        """Return the book once, as soon as the venue's time is known; None before, and if it is of a later time.

        `now` is that time (ns), 0 while it is not known. A command, and a broker's news of orders or of the account,
        wait for no time, and must not meet an empty book: what they lead to would be written over the old one.
        """
        book = self._book
        if book is None or not (now or any(isinstance(event, _URGENT) for event in inputs)):
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

    def file_trouble(self) -> str:
        """Say what another program did to the journal's file; empty if nothing, or if there is none."""
        return self._on_disk.look() if self._on_disk is not None else ""

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()


def _declared(strategies: Strategies) -> dict[str, Any]:
    """Return the parameters that strategies declare, as a run notes them; only those of strategies that have any."""
    named = {name: _of_one(strategy) for name, strategy in strategies.named.items()}
    found = {"parameters": _of_one(strategies.rest), "parameters_of": {name: of for name, of in named.items() if of}}
    return {key: declared for key, declared in found.items() if declared}


def _of_one(strategy: Strategy) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(parameter) for parameter in strategy.parameters.declared.values()]


def new_book(root: str, last: str, now: float) -> str:
    """Name the book of a process that starts; `last` is the name of the last one's, `now` seconds since 1970.

    >>> new_book("mb-0", "", 0.0), new_book("mb-0", "mb-0-19700101T000000", 0.9)
    ('mb-0-19700101T000000', 'mb-0-19700101T000000x2')
    """
    return next_book(last if last.startswith(f"{root}-") else f"{root}-", now)


def next_book(book: str, now: float) -> str:
    """Name the book of the session that goes on from another: by its start, and never like the one before.

    >>> next_book("paper", 0.0), next_book("paper-19700101T000000", 0.0), next_book("mb-0-19700101T000000x2", 0.9)
    ('paper-19700101T000000', 'paper-19700101T000000x2', 'mb-0-19700101T000000x3')
    """
    root, _, last = book.rpartition("-")
    start = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    before, _, number = last.partition("x")
    return f"{root or book}-{start}" + (f"x{int(number or 1) + 1}" if root and before == start else "")
