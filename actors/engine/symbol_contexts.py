"""The contexts of all symbols that the core has heard of, and the strategies that were removed from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UNSET

from actors.engine.rehearsal import MarketData, rehearsed
from actors.engine.strategy_instance import InstanceState
from actors.engine.streams import SymbolStreams
from actors.engine.symbol_context import SymbolContext
from actors.messages import RemoveChain, RestartChain
from pipeline.checked import text
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import LONGEST_SYMBOL, NEW_LEVEL, NEW_TIME, Gap
from pipeline.strategy import Strategy, Streams


class SymbolContexts:
    """Opens a symbol's context at its first input, and carries out what concerns contexts only.

    `make(symbol, index)` makes one; indexes count up from 0 in the order in which symbols are heard of. Whatever runs
    an author's code does so under `clock.working_for(index)`, so that a slow one can be named.
    """

    def __init__(self, clock: InputClock, make: Callable[[str, int], SymbolContext]) -> None:
        self.by_symbol: dict[str, SymbolContext] = {}
        self._clock = clock
        self._make = make
        self._symbols: list[str] = []  # by index, that of a context that is being made among them
        self._removals: dict[str, RemoveChain] = {}  # of symbols that are not heard of yet
        self._streams: dict[str, SymbolStreams] = {}

    def symbol(self, index: int) -> str:
        """Return the symbol with that index; from any thread."""
        return self._symbols[index]

    def open(self, symbol: str) -> SymbolContext:
        """Return the context of a symbol, made now if this is its first input."""
        if (context := self.by_symbol.get(symbol)) is not None:
            return context
        index = len(self.by_symbol)
        self._symbols.append(symbol)
        with self._clock.working_for(index):
            context = self.by_symbol[symbol] = self._make(symbol, index)
        if (removal := self._removals.pop(symbol, None)) is not None:
            context.remove(removal.reason)
        return context

    def streams(self, symbol: str) -> SymbolStreams:
        """Return what a symbol's streams are, also of one that is not heard of yet."""
        return self._streams.setdefault(symbol, SymbolStreams())

    def market(self, symbol: str, clock: SymbolClock) -> Streams:
        """Return a symbol's streams as the strategy of `clock` hears them. Raises ValueError for no symbol."""
        if not 0 < len(text("market: a symbol is", symbol)) <= LONGEST_SYMBOL:
            raise ValueError(f'market("SPY") takes a symbol, not {symbol!r}')
        return self.streams(symbol).of(clock, None, lambda other: self.market(other, clock))

    def change(self, event: RemoveChain | RestartChain) -> None:
        """Remove or restart a symbol's strategy; a removal holds also for a symbol that is not heard of yet."""
        context = self.by_symbol.get(event.symbol)
        if context is None:
            self._removals.pop(event.symbol, None)
            if isinstance(event, RemoveChain):  # nothing to stop yet, but to keep from starting
                self._removals[event.symbol] = event
        else:
            with self._clock.working_for(context.index):
                if isinstance(event, RemoveChain):
                    context.remove(event.reason)
                else:
                    context.instance.restart()

    def succeed(self, strategy: Strategy, events: Sequence[MarketData]) -> None:
        """Put a strategy in the place of every symbol's, once it has heard `events`. Raises RehearsalFailed.

        It runs everywhere then, also where the one before it had failed or was removed.
        """
        contexts = self.by_symbol
        chains = rehearsed(strategy, contexts, list(self._streams.values()), self._clock, events)
        for symbol, chain in chains.items():
            with self._clock.working_for(contexts[symbol].index):
                contexts[symbol].succeed(chain)
        self._removals.clear()

    def removals(self, now: int) -> tuple[RemoveChain, ...]:
        """Return the removals that hold, dated `now` (ns) where the strategy had begun."""
        removed = (context for context in self.by_symbol.values() if context.instance.state is InstanceState.REMOVED)
        began = (RemoveChain(context.symbol, now, context.instance.reason) for context in removed)
        return *self._removals.values(), *began

    def restart(self, gap: Gap) -> bool:
        """Restart the strategies that a gap concerns; what it makes untrue is forgotten first.

        Returns whether it concerned any: a gap of one tick is none where that has left the window.
        """
        concerned = gap.print_ts is UNSET
        for context in self.by_symbol.values():
            if gap.symbol is None or gap.symbol == context.symbol:
                if gap.print_ts is not UNSET:
                    if not context.holds(gap.print_ts):
                        continue
                    concerned = True
                    if gap.print_ts >= context.last_ts:
                        context.candles.forget_price()
                elif gap.reason == NEW_LEVEL:
                    context.bid = context.ask = None
                elif gap.reason == NEW_TIME:
                    context.forget_prices()
                with self._clock.working_for(context.index):
                    context.restart()
        return concerned

    def finish(self) -> None:
        """End every strategy's stream: bursts that still run are counted."""
        for context in self.by_symbol.values():
            with self._clock.working_for(context.index):
                context.finish()

    def failed(self) -> dict[str, str]:
        """Return how the strategies fare that do not run, by symbol."""
        return {c.symbol: c.instance.described for c in self.by_symbol.values() if not c.instance.runs}
