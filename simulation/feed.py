"""The feed's twin: what `actors/feeds` does on a socket, in virtual time, and the faults of the way to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from actors.feeds.backoff import BackOff
from actors.feeds.stale import LOOKS
from actors.feeds.websocket import FeedSettings
from actors.messages import FeedChanged, FeedState, MarketHours
from mock_exchange.events import Event, Trade as Print
from pipeline.admission import Admission, AdmissionSettings
from pipeline.events import SECOND, Gap, Quote, Refused, Trade
from pipeline.venue_clock import VenueClock
from simulation.place import Place
from simulation.refusals import Refusals

HOUR = 3600 * SECOND
_CONNECTING_S = 0.05


class Feed:
    """One connection at a time, back after every loss. Where fills are simulated, the venue declares its time, as the
    mock exchange's simple push does; else the machine's wall clock is what is expected."""

    def __init__(self, place: Place, take: Callable[[list[Any]], None]) -> None:
        machine = place.machine
        self.state = FeedState.CONNECTING
        self.connected = False
        self.mute = False  # connected, and nothing comes
        self.clock = VenueClock()
        self._greeted = place.scenario.simulated
        if not self._greeted:
            self.clock.expect(machine.wall_ns(), machine.monotonic_ns())
        self._settings = FeedSettings()
        self._place = place
        self._scheduler = place.scheduler
        self._machine = machine
        self._take = take
        self.admission = Admission(AdmissionSettings(), self.clock, place.venue.symbols)
        self.monotonic: Callable[[], int] = machine.monotonic_ns  # as the code that takes in market data reads it
        self._back_off = BackOff(
            self._settings.first_delay_s, self._settings.most_delay_s, place.chance.stream("jitter of the feed")
        )
        self._refusals = Refusals(place.scheduler, "feed")
        self._connection = 0
        self._heard = False
        self._had_data = False
        self._gap = False
        self._cut = False
        self._hours: MarketHours | None = None  # None: data are always expected

    def expect(self, hours: MarketHours) -> None:
        """Take silence for what it is while the market is closed."""
        self._hours = hours

    def _expects_news(self) -> bool:
        now, hours = self.now(), self._hours
        return hours is None or any(opens <= now < closes for opens, closes in hours.sessions)

    def now(self) -> int:
        """Venue time as the bot knows it, ns; 0 as long as it does not."""
        return self.clock.now(self._machine.monotonic_ns()) or 0

    def start(self) -> None:
        """Connect."""
        self._take([FeedChanged(FeedState.CONNECTING, self.now())])
        self._scheduler.after(_CONNECTING_S, self._connect)

    def cut(self) -> None:
        """Stop for good: the bot's process is gone."""
        self._cut = True

    # ------------------------------------------------------------------------------------------------- connections

    def _connect(self) -> None:
        if self._cut or self.connected:
            return
        if self._scheduler.now < self._place.venue.refuses_until:
            self._refusals.count()
            self._lost("connection limit exceeded (406)")
            return
        self._refusals.over()
        self.connected = True
        self.mute = self._heard = False
        self._connection += 1
        if self._greeted:
            self.clock.declare(self._scheduler.now, 1.0, self._machine.monotonic_ns())
        self._watch(self._connection, 0)

    def disconnect(self, reason: str) -> None:
        """Drop the connection; it comes back by itself."""
        if self.connected:
            self.connected = False
            self._lost(reason)

    def _lost(self, reason: str) -> None:
        self._gap = self._had_data
        self._change(FeedState.DOWN, reason)
        self._scheduler.after(self._back_off.next(), self._try_again)

    def _try_again(self) -> None:
        if not self._cut:
            self._change(FeedState.CONNECTING)
            self._connect()

    def _watch(self, connection: int, mute: int) -> None:
        """Look, now and then, whether anything was heard: without it the feed is stale, and at last dropped."""
        if self._cut or not self.connected or connection != self._connection:
            return
        mute = 0 if self._heard or not self._expects_news() else mute + 1
        self._heard = False
        settings = self._settings
        if mute == LOOKS + 1 and self.state is FeedState.LIVE:
            self._change(FeedState.STALE, "mute")
        if mute > LOOKS * settings.silent_after_s / settings.stale_after_s:
            self.disconnect("mute")
        else:
            self._scheduler.after(settings.stale_after_s / LOOKS, lambda: self._watch(connection, mute))

    def _change(self, state: FeedState, reason: str = "") -> None:
        if state is not self.state or reason:
            self.state = state
            self._take([FeedChanged(state, self.now(), reason)])

    # ------------------------------------------------------------------------------------------------- what comes

    def deliver_events(self, events: Sequence[Event]) -> None:
        """Hear of the market, with the faults of the way."""
        if not self.connected or self._cut or self.mute:
            return
        heard: list[Trade | Quote] = []
        occurs, faults = self._place.chance.occurs, self._place.scenario.faults
        for event in events:
            if occurs("lost_tick", faults.lost_tick, "a tick is lost"):
                continue
            told = _told(event)
            if spoil := occurs("bad_tick", faults.bad_tick, "a tick is absurd"):
                if isinstance(told, Quote):
                    told = Quote(told.symbol, told.ts, told.ask, told.bid)
                elif spoil.random() < 0.5:
                    told = Trade(told.symbol, told.ts, told.price * 10, told.size, told.bid, told.ask)
                else:
                    told = Trade(told.symbol, told.ts + spoil.choice((-HOUR, HOUR)), told.price, told.size)
            if late := occurs("late_tick", faults.late_tick, "a tick comes late"):
                connection = self._connection
                self._scheduler.after(late.uniform(0, 3), lambda t=told, c=connection: self._arrive_late(t, c))  # type: ignore[misc]
                continue
            heard.append(told)
            if occurs("double_tick", faults.double_tick, "a tick comes twice"):
                heard.append(told)
        self._arrive(heard)

    def _arrive_late(self, told: Trade | Quote, connection: int) -> None:
        if self.connected and not self.mute and connection == self._connection:
            self._arrive([told])

    def _arrive(self, events: Sequence[Trade | Quote]) -> None:
        if not events or self._cut:
            return
        self._heard = True
        inputs = self.admission.admit(events, self.monotonic())
        if self.state is not FeedState.LIVE and any(event.__class__ is not Refused for event in inputs):
            self._back_off.reset()
            self._had_data = True
            if self._gap:
                self._gap = False
                self._take([Gap(self.now(), None, "reconnected")])
            self._change(FeedState.LIVE)
        if inputs:
            self._take(inputs)


def _told(event: Event) -> Trade | Quote:
    if isinstance(event, Print):
        return Trade(event.symbol, event.ts, event.price, event.size, event.bid, event.ask, event.id)
    return Quote(event.symbol, event.ts, event.bid, event.ask)
