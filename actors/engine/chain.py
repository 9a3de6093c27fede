"""A chain: one subscription of a strategy, for one symbol."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reactivex import abc

from pipeline.checked import FAULTS
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import Trade
from pipeline.externals import Externals
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Source
from pipeline.probe import BurstEnded, Probe
from pipeline.strategy import Strategy, Streams


class Chain:
    """A strategy as it is subscribed for one symbol: the ticks that it hears, its time, and what it shows.

    `on_signal` is called with what it emits, `on_fault` with what it raises, and the chain's owner may change both.
    Frames and bursts are shown to `on_frame` and `on_burst` while it is `live`: neither in a rehearsal, nor once
    another strategy is in its place.
    """

    def __init__(
        self,
        strategy: Strategy,
        clock: InputClock,
        index: int,
        on_signal: Callable[[Any], None],
        on_fault: Callable[[Any], None],
        on_frame: Callable[[Frame], None] | None,
        on_burst: Callable[[BurstEnded], None],
        externals: Externals,
    ) -> None:
        self.strategy = strategy
        self.live = True
        self.on_signal = on_signal
        self.on_fault = on_fault
        self.ticks: Source[Trade] = Source()
        self.probe = Probe(self._show_frame if on_frame is not None else None, self._show_burst)
        self.clock = SymbolClock(clock, index, self._fail, self.probe, externals)
        self._on_frame = on_frame
        self._on_burst = on_burst
        self._subscription: abc.DisposableBase | None = None

    def subscribe(self, streams: Streams) -> None:
        """Subscribe the strategy: its windows begin to warm up. What that raises goes to `on_fault`."""
        self.probe.begin()
        try:
            signals = self.strategy.signals(streams)
            self._subscription = signals.subscribe(self._say, self._fail, scheduler=self.clock)
        except FAULTS as error:  # an author's composition may raise anything; it costs that symbol only
            self._fail(error)

    def unsubscribe(self) -> None:
        """Stop it, and hear nothing of it any more."""
        self.ticks = Source()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(*FAULTS):  # it is stopped already: what it raises at its end changes nothing
                subscription.dispose()
        self.probe.frame = None  # the conditions of a strategy that is stopped are not asked

    def finish(self) -> None:
        """End its stream of ticks: a burst that still runs is counted."""
        self.clock.guarded(self.ticks.on_completed)
        if self._subscription is not None:
            self.clock.guarded(self._subscription.dispose)

    def hear(self, tick: Trade) -> None:
        """Take a tick, where the caller does not catch what that raises."""
        with self.clock.clock.working_for(self.clock.symbol_index):
            self.clock.guarded(lambda: self.ticks.on_next(tick))

    def _say(self, said: Any) -> None:
        self.on_signal(said)

    def _fail(self, error: Any) -> None:
        self.on_fault(error)

    def _show_frame(self, frame: Frame) -> None:
        if self.live and self._on_frame is not None:
            self._on_frame(frame)

    def _show_burst(self, burst: BurstEnded) -> None:
        if self.live:
            self._on_burst(burst)
