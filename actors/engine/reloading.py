"""Reloading: what a core needs so that its strategy can be replaced by an input."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from actors.actor import Context
from actors.engine.authors import described, traced
from actors.engine.rehearsal import MarketData, RehearsalFailed
from actors.engine.symbol_contexts import SymbolContexts
from actors.messages import ReplaceStrategy, StrategyRefused, StrategyReplaced, StrategySource
from pipeline.events import Gap, Quote, Trade
from pipeline.strategy import Strategy

In = TypeVar("In")


class Reloading:
    """Keeps a session's newest trades and quotes, `size` of them, and puts a strategy in another's place.

    What was before a gap is forgotten, as by the windows of the strategy that ran. `load` makes a strategy of its
    source; what it raises ends the core.
    """

    def __init__(self, load: Callable[[StrategySource], Strategy], size: int) -> None:
        self._load = load
        self._kept: deque[MarketData] = deque(maxlen=size)
        self._latest: dict[str, int] = {}  # ts of each symbol's newest trade

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def kept(self) -> tuple[MarketData, ...]:
        """The newest trades and quotes, in order."""
        return tuple(self._kept)

    def keep(self, inputs: Iterable[In]) -> Iterator[In]:
        """Yield inputs, and keep those that warm a strategy up."""
        latest = self._latest
        for event in inputs:
            if isinstance(event, Trade):
                if event.ts >= latest.get(event.symbol, 0):  # the core does not use a late one either
                    latest[event.symbol] = event.ts
                    self._kept.append(event)
            elif isinstance(event, Quote):
                self._kept.append(event)
            elif isinstance(event, Gap):
                self._forget(event.symbol)
            yield event

    def _forget(self, symbol: str | None) -> None:
        after = [] if symbol is None else [event for event in self._kept if event.symbol != symbol]
        self._kept = deque(after, maxlen=self._kept.maxlen)

    def carry_out(self, event: ReplaceStrategy, contexts: SymbolContexts, context: Context) -> Strategy | None:
        """Put a strategy in place, say so, and return it; None if it raised while it was warmed up."""
        source, kept = event.source, self._kept
        strategy = self._load(source)
        count = min(event.warm_up, len(kept))
        try:
            contexts.succeed(strategy, list(islice(kept, len(kept) - count, None)))
        except RehearsalFailed as failed:
            error = f"the strategy of {failed.symbol} failed while it was warmed up: {described(failed.fault)}"
            lines = traced(failed.fault)
            context.publish(StrategyRefused(source.reference, error, context.now, context.input, lines))
            return None
        context.publish(StrategyReplaced(source.reference, source.sha256, count, context.now, context.input))
        return strategy
