"""The parts of a run that others are made from: what the process has, what everything stands on, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import msgspec

from actors.engine.core import Core
from actors.gateway.gate import Gate
from actors.gateway.journal import Run
from actors.gateway.kill_switch import KillSwitch
from actors.messages import Fact, StrategySource
from pipeline.admission import Admission
from pipeline.strategy import Strategies
from pipeline.venue_clock import VenueClock
from service.data_folder.running import Claim
from service.live.bookkeeping import Bookkeeping
from service.live.brokerage import Brokerage
from service.live.children import Processes, UrgentPipe
from service.live.commands import Mailbox
from service.live.halt_file import HaltFile
from service.live.reload import StrategyInForce
from service.live.stopping import Ending, Stopping, StuckExit
from service.live.timekeeping import RunningClock, Timekeeper
from service.options import RunOptions
from service.recorded.recordings import Recordings
from service.settings import Settings
from service.venues import Venue


class Host(NamedTuple):
    """What the process has before there is anything to run in it: where it is seen, and how it ends."""

    say: Callable[[str], None]  # to the terminal
    claimed: Claim  # the data folder
    secret: str  # of the dashboard; empty where there is none
    ending: Ending
    stopping: Stopping
    stuck: StuckExit


class Groundwork(NamedTuple):
    """What every other part stands on: time, the journal, the way to the loop, and the other processes."""

    clock: VenueClock
    admission: Admission
    timekeeper: Timekeeper
    running_s: RunningClock
    mailbox: Mailbox
    books: Bookkeeping
    processes: Processes
    urgent: UrgentPipe
    random: Random  # jitter of reconnects only: it decides nothing


class WayOut(NamedTuple):
    """What the core's effects go through, and what can stop them."""

    brokerage: Brokerage | None
    session_id: str  # what the first session's order ids begin with
    switch: KillSwitch
    gate: Gate
    halt_file: HaltFile


class Plan(msgspec.Struct, frozen=True):
    """What a run is to do, before any part of it is made."""

    settings: Settings
    options: RunOptions
    strategy: Strategies
    source: StrategySource | None  # of the strategy, where it is watched
    environment: Mapping[str, str]  # where keys and addresses to notify are
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


@dataclass(frozen=True)
class SessionParts:
    """Makes what each session of a run has of its own; `session_id` is what its order ids begin with."""

    plan: Plan
    venue: str  # as people call it
    books: Bookkeeping
    recordings: Recordings | None
    brokerage: Brokerage | None
    in_force: StrategyInForce

    def core(self, session_id: str, on_fact: Callable[[Fact], None]) -> Core:
        """Return a core that has heard of nothing yet."""
        plan, settings = self.plan, self.plan.settings
        debug = "DEBUG" in (settings.log.level, settings.log.file_level)
        broker = self.brokerage.outbox if self.brokerage is not None else None
        return plan.core(
            settings.core,
            self.in_force.strategy,
            on_fact,
            book=session_id,
            debug=debug,
            broker=broker,
            reloading=self.in_force.reloading(),
        )

    def run(self, session_id: str) -> Run:
        """Return what the journal says of the session that is recorded now."""
        recorder, plan = self.recordings.current if self.recordings is not None else None, self.plan
        options, strategies = plan.options, self.in_force.strategy
        return self.books.run(
            ", ".join((*strategies.named, options.strategy or strategies.rest.name)),
            self.venue,
            session_id,
            plan.settings.core,
            recorder.path if recorder is not None else None,
            strategies,
        )
