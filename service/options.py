"""What a session is started with, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from actors.feeds.addresses import shown
from service.errors import UserError
from service.venues import Venue

SIMULATED, REHEARSAL = "simulated", "rehearsal"
"""Names of journals beside those of accounts."""


class RunOptions(msgspec.Struct, frozen=True):
    """What the command line says beyond the settings."""

    feed: str | None = None  # ws://..., wss://... or tape:FILE; None starts the mock exchange
    venue: Venue | None = None  # a venue's own feed, instead of `feed`
    url: str | None = None  # in place of the venue's own address
    rehearse: bool = False  # start a mock exchange, and use it in the venue's place
    speed: float = 1.0  # of a tape
    symbols: tuple[str, ...] = ()  # none: whatever the feed brings
    strategy: str | None = None  # FILE.py:NAME
    record: Path | None = None  # None: in the archive
    recorded: bool = True
    duration_s: float | None = None
    watchdog_s: float | None = None  # real seconds that the loop may be stuck before the process ends by itself
    on_exit: str | None = None  # "flatten" or "keep"; None: flatten what is simulated, ask or keep at a broker
    ask: Callable[[str, Callable[[], bool]], str] | None = None  # puts a question to the person, unless it is late
    live: bool = False  # real money
    account: str | None = None  # the number of the only one to trade in; of --live asked for, where it is not given
    open_browser: bool = False
    data_dir: Path = Path("data")
    fail_fast: bool = False  # end with the first failure of a strategy
    watch: bool = False  # replace the strategy when its file is saved
    fresh: bool = False  # begin a new book, and keep the old one's history
    of_check: tuple[str, ...] = ()  # what of the command line `microbot check` wants as well

    def check(self) -> None:
        """Raise UserError where two options exclude each other, or one has no meaning."""
        if self.duration_s is not None and not 0 < self.duration_s < float("inf"):
            raise UserError(f"--duration wants a number of seconds above 0, not {self.duration_s:g}")
        if self.watchdog_s is not None and not 1 <= self.watchdog_s <= 3600:
            raise UserError(f"--watchdog wants a number of seconds from 1 to 3600, not {self.watchdog_s:g}")
        if not 0 < self.speed < float("inf"):
            raise UserError(f"--speed wants a number above 0, not {self.speed:g}")
        if self.venue is not None and self.feed is not None:
            raise UserError("--venue and --feed exclude each other: choose one")
        if self.url is not None and self.venue is None:
            raise UserError("--url goes with --venue: name the venue that is spoken there")
        if self.rehearse and (self.venue is not Venue.ALPACA or self.url is not None):
            raise UserError("--rehearse goes with --venue alpaca, and without --url")
        if not self.recorded and self.record is not None:
            raise UserError("--record and --no-record exclude each other: choose one")
        if self.live and (self.venue is not Venue.ALPACA or self.url is not None or self.rehearse):
            raise UserError("--live goes with --venue alpaca alone: everything else is on paper anyway")
        if self.watch and self.strategy is None:
            raise UserError("--watch goes with --strategy: it is that file which is watched")
        if self.watch and self.live:
            raise UserError("--watch and --live exclude each other: what trades real money is not replaced in flight")
        if self.account is not None and self.venue is not Venue.ALPACA:
            raise UserError("--account goes with --venue alpaca: nothing else trades in an account")
        if self.account == "":
            raise UserError("--account wants the number of the account, and it is empty")
        if self.live and self.ask is None and self.account is None:
            raise UserError(
                "--live asks for the number of the account: start it on a terminal, or give it with --account NUMBER"
            )


class Outcome(msgspec.Struct, frozen=True):
    """How a session ended."""

    summary: dict[str, object]
    open_positions: tuple[str, ...]  # symbols left open
    record: Path | None
    record_failure: str = ""  # why the recording is not whole
    failure: str = ""  # of the core, or of a feed that cannot go on; empty after an orderly stop
    refused: bool = False  # it failed by what it was told, and would again
    sessions: int = 1  # that were recorded, one after the other


def book_name(options: RunOptions) -> str:
    """Name the book of a session by where it trades. A rehearsal's exchange is another each time: it has no past."""
    if options.venue is not Venue.ALPACA:
        return SIMULATED
    if options.rehearse:
        return REHEARSAL
    return f"alpaca {shown(options.url) if options.url else 'live' if options.live else 'paper'}"
