"""The plan of a run: what is to be traded where, by which strategy; and what each of its sessions is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from actors.engine.core import Core
from actors.gateway.journal import Run
from actors.messages import Fact
from pipeline.strategy import Strategy
from service.live.bookkeeping import Bookkeeping
from service.live.brokerage import Brokerage
from service.options import RunOptions
from service.recorded.recordings import Recordings
from service.recorded.replay import PAPER
from service.settings import Settings
from service.venues import Venue


class Plan(msgspec.Struct, frozen=True):
    """What a run is to do, before any part of it is made."""

    settings: Settings
    options: RunOptions
    strategy: Strategy
    environment: Mapping[str, str]  # where keys are
    feed: str | None  # the address of a feed, or a tape; None at a venue that has its own
    core: type[Core] = Core  # a test or a measurement may look at what it does

    @property
    def at_broker(self) -> bool:
        """Whether orders go to a venue, real money or not."""
        return self.options.venue is Venue.ALPACA

    @property
    def calendar(self) -> str | None:
        """The calendar whose hours hold; None where the market never closes, as far as the bot knows."""
        return self.settings.hours.wanted(real=self.options.url is None) if self.at_broker else None

    @property
    def own_exchange(self) -> bool:
        """Whether the run starts a mock exchange: to be fed by it, or to trade there in a venue's place."""
        return self.options.rehearse or (self.options.feed is None and self.options.venue is None)


class SessionParts:
    """Makes what each session of a run has of its own; `book` is what its order ids begin with."""

    def __init__(
        self, plan: Plan, venue: str, books: Bookkeeping, recordings: Recordings | None, brokerage: Brokerage | None
    ) -> None:
        self.plan = plan
        self._venue = venue
        self._books = books
        self._recordings = recordings
        self._brokerage = brokerage
        self.first_book = brokerage.book if brokerage is not None else PAPER

    def core(self, book: str, on_fact: Callable[[Fact], None]) -> Core:
        """Return a core that has heard of nothing yet."""
        plan, settings = self.plan, self.plan.settings
        debug = "DEBUG" in (settings.log.level, settings.log.file_level)
        broker = self._brokerage.outbox if self._brokerage is not None else None
        return plan.core(settings.core, plan.strategy, on_fact, book=book, debug=debug, broker=broker)

    def run(self, book: str) -> Run:
        """Return what the journal says of the session that is recorded now."""
        recorder = self._recordings.current if self._recordings is not None else None
        return self._books.run(
            self.plan.options.strategy or self.plan.strategy.name,
            self._venue,
            book,
            self.plan.settings.core,
            recorder.path if recorder is not None else None,
        )
