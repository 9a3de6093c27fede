"""The rehearsal of a strategy that is to take another's place: it hears what was, and what it says is dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any

from actors.engine.boundary import admit_signal
from actors.engine.chain import Chain
from actors.engine.streams import SymbolStreams
from actors.engine.symbol_context import SymbolContext
from pipeline.checked import WrongValue, shown
from pipeline.clock import InputClock
from pipeline.events import Quote, Trade
from pipeline.strategy import Strategy

MarketData = Trade | Quote


class RehearsalFailed(Exception):
    """A strategy raised while it was warmed up; `fault` is what, `symbol` whose chain it was."""

    def __init__(self, symbol: str, fault: BaseException) -> None:
        super().__init__(f"{symbol}: {fault}")
        self.symbol = symbol
        self.fault = fault


class _Rehearsal:
    """One symbol's new chain, and what it has heard so far. `faults` takes what it raises."""

    def __init__(
        self, context: SymbolContext, strategy: Strategy, clock: InputClock, faults: list[tuple[str, BaseException]]
    ) -> None:
        self.chain = context.new_chain(strategy)
        self.chain.live, self.chain.on_signal, self.chain.on_fault = False, self._check, self._fail
        self._context = context
        self._clock = clock
        self._faults = faults
        self._last_ts = 0
        self._price = 0.0
        self._bid: float | None = None  # of the quote in force
        self._subscribed = False

    def subscribe(self) -> None:
        """Subscribe the chain, unless it is already."""
        if not self._subscribed:
            self._subscribed = True
            with self._clock.working_for(self._context.index):
                self.chain.subscribe(self._context.heard_by(self.chain))

    def hear(self, event: MarketData) -> None:
        """Take an event as the core takes it: time, then who listens, then the chain."""
        if event.ts > self._clock.now:
            self._clock.advance(event.ts)
        self.subscribe()
        if isinstance(event, Quote):
            if 0 < event.bid <= event.ask < inf:
                self._bid = event.bid
                self._context.streams.quotes.on_next(event)
        else:
            self._hear_trade(event)

    def _hear_trade(self, tick: Trade) -> None:
        self._last_ts = tick.ts
        self._price = tick.price
        if tick.bid is not None and tick.ask is not None and 0 < tick.bid <= tick.ask < inf:
            self._bid = tick.bid
        if self._context.streams.heard:
            self._context.streams.tell(tick, quoted=tick.bid is not None and tick.bid == self._bid)
        self.chain.hear(tick)

    def _check(self, said: Any) -> None:
        """Hold what the strategy says against what it is about; nothing acts on it."""
        admit_signal(said, self._context.symbol, self._clock.now, self._last_ts, self._price)

    def _fail(self, error: Any) -> None:
        if not isinstance(error, BaseException):
            error = WrongValue(f"a stream ended with {shown(error)}, which is no exception")
        self._faults.append((self._context.symbol, error))


def rehearsed(
    strategy: Strategy,
    contexts: Mapping[str, SymbolContext],
    streams: Sequence[SymbolStreams],
    clock: InputClock,
    events: Sequence[MarketData],
) -> dict[str, Chain]:
    """Return a chain of the strategy for each context, subscribed and warm, as if it had run since `events` began.

    Each is subscribed at its symbol's first event, and timers fire on the way, as they would have. `streams` are all
    that there are: who listened to them hears none of this. Raises RehearsalFailed with the first fault.
    """
    faults: list[tuple[str, BaseException]] = []
    rehearsals = {symbol: _Rehearsal(context, strategy, clock, faults) for symbol, context in contexts.items()}
    try:
        with clock.rehearsing(events[0].ts if events else clock.now) as now, _unheard(streams):
            for event in events:
                if (rehearsal := rehearsals.get(event.symbol)) is None:
                    continue
                rehearsal.hear(event)
                _raise_first(faults)
            clock.advance(now)
            for rehearsal in rehearsals.values():
                rehearsal.subscribe()
            _raise_first(faults)
    except RehearsalFailed:
        for rehearsal in rehearsals.values():
            rehearsal.chain.unsubscribe()
        raise
    return {symbol: rehearsal.chain for symbol, rehearsal in rehearsals.items()}


def _raise_first(faults: list[tuple[str, BaseException]]) -> None:
    if faults:
        raise RehearsalFailed(*faults[0])


@contextmanager
def _unheard(streams: Sequence[SymbolStreams]) -> Iterator[None]:
    """Set aside who listens to streams while the block runs; who subscribes meanwhile comes behind them."""
    aside = [(source, source.set_aside()) for each in streams for source in (each.quotes, each.ticks)]
    try:
        yield
    finally:
        for source, observers in aside:
            source.take_back(observers)
