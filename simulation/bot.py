"""One life of the bot: the real core and admission, fed by the agenda instead of sockets."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from actors.brokers.outbox import Outbox
from actors.core import Core, CoreSettings, Input
from actors.messages import Command, FeedChanged, FeedState, Report
from mock_exchange.events import Event, Trade as Print
from pipeline.admission import Admission, AdmissionSettings
from pipeline.events import SECOND, Clock, Gap, Quote, Trade
from pipeline.strategy import momentum_burst
from pipeline.venue_clock import VenueClock
from simulation.agenda import Agenda
from simulation.audit import Audit
from simulation.broker import Broker
from simulation.faults import NONE, Faults
from simulation.venue import Venue

HOUR = 3600 * SECOND


class Bot:
    """A process that runs until it is killed; what it was fed is its log."""

    def __init__(
        self, agenda: Agenda, venue: Venue, faults: Faults, random: Random, settings: CoreSettings, number: int
    ) -> None:
        self.log: list[Input] = []
        self.book = f"mb-sim-{number}"
        self._agenda = agenda
        self._faults = faults
        self._random = random
        self._outbox = Outbox()
        self.strategy = momentum_burst(settings.strategy)
        self.core = Core(
            settings,
            self.strategy,
            lambda fact: self.audit.see(fact),
            book=self.book,
            broker=self._outbox,
            style=settings.orders,
        )
        self.audit = Audit(self.core, Decimal(str(settings.risk.position_size)))
        self.broker = Broker(agenda, venue, faults, random, self._on_report)
        self._clock = VenueClock()
        self._clock.declare(agenda.now, 1.0, agenda.now)
        self._admission = Admission(AdmissionSettings(), self._clock, venue.symbols)
        self._feeding = False
        self.dead = False

    def start(self) -> None:
        """Start: the broker connects, and so does the feed."""
        self.take([FeedChanged(FeedState.CONNECTING, self._agenda.now)])
        self.broker.start()
        self._agenda.after(0.05, self.connect_feed)
        self._tick_clock()

    def kill(self) -> None:
        """Let the process be gone, in the middle of whatever it does."""
        self.dead = True
        self.broker.cut()

    def take(self, inputs: Sequence[Input]) -> None:
        """Feed inputs, and let out what they lead to."""
        if self.dead:
            return
        self.log += inputs
        for event in inputs:
            self.core.run([event])
            self.audit.step()
        for effect in self._outbox.take():
            self.broker.send(effect)

    def calm(self) -> None:
        """From now on nothing goes wrong on the way."""
        self._faults = NONE
        self.broker.calm()

    def command(self, name: str) -> None:
        """Give it a command."""
        self.take([Command(name, self._agenda.now, "somebody")])

    # ------------------------------------------------------------------------------------------------- the feed

    def connect_feed(self) -> None:
        """Let the market data be there again, with a gap where it was not."""
        if not self._feeding:
            self._feeding = True
            now = self._agenda.now
            self.take([FeedChanged(FeedState.LIVE, now), Gap(now, None, "reconnect")])

    def disconnect_feed(self) -> None:
        """Let the market data be gone."""
        if self._feeding:
            self._feeding = False
            self.take([FeedChanged(FeedState.DOWN, self._agenda.now, "cut")])

    def hear(self, events: Sequence[Event]) -> None:
        """Hear of the market, with the faults of the way."""
        if not self._feeding or self.dead:
            return
        heard: list[Trade | Quote] = []
        chance = self._random.random
        for event in events:
            if chance() < self._faults.lost_tick:
                continue
            told = _told(event)
            if chance() < self._faults.bad_tick:
                told = self._spoiled(told)
            heard += [told] * (2 if chance() < self._faults.double_tick else 1)
        self.take(self._admission.admit(heard, self._agenda.now))

    def _spoiled(self, event: Trade | Quote) -> Trade | Quote:
        if isinstance(event, Quote):
            return Quote(event.symbol, event.ts, event.ask, event.bid)
        if self._random.random() < 0.5:
            return Trade(event.symbol, event.ts, event.price * 10, event.size, event.bid, event.ask)
        return Trade(event.symbol, event.ts + self._random.choice((-HOUR, HOUR)), event.price, event.size)

    def _tick_clock(self) -> None:
        if not self.dead:
            if self._agenda.now > self.core.now:
                self.take([Clock(self._agenda.now)])
            self._agenda.after(0.1, self._tick_clock)

    def _on_report(self, reports: list[Report]) -> None:
        self.take(reports)


def _told(event: Event) -> Trade | Quote:
    if isinstance(event, Print):
        return Trade(event.symbol, event.ts, event.price, event.size, event.bid, event.ask, event.id)
    return Quote(event.symbol, event.ts, event.bid, event.ask)
