"""The figures of each strategy, where there are several: folded from the facts as they happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from actors.messages import Fact, PositionClosed, SignalRaised
from pipeline.events import EPSILON

REST = "default"
"""What the strategy of all symbols is called that no other claims."""


class _Figures:
    """What one strategy has come to."""

    def __init__(self) -> None:
        self.signals = self.approved = self.trades = self.wins = self.losses = 0
        self.total_pnl = Decimal(0)
        self.refusals: Counter[str] = Counter()


class StrategyFigures:
    """Counts signals, refusals, trades and money by strategy; `claims` says which has a symbol of its own."""

    def __init__(self, names: Collection[str], claims: Mapping[str, str]) -> None:
        self._claims = claims
        self._figures = {name: _Figures() for name in (*names, REST)}

    def fold(self, fact: Fact) -> None:
        """Fold one fact in."""
        if isinstance(fact, SignalRaised):
            found = self._of(fact.signal.symbol)
            found.signals += 1
            found.approved += fact.approved
            if fact.reason is not None:
                found.refusals[fact.reason] += 1
        elif isinstance(fact, PositionClosed):
            found = self._of(fact.symbol)
            found.trades += 1
            found.total_pnl += fact.pnl
            found.wins += fact.pnl > EPSILON
            found.losses += fact.pnl < -EPSILON

    def _of(self, symbol: str) -> _Figures:
        return self._figures[self._claims.get(symbol, REST)]

    def summary(
        self, seen: Collection[str], failures: Mapping[str, int], halted: Collection[str]
    ) -> dict[str, dict[str, Any]]:
        """Return the figures as summary.json has them, by strategy.

        `seen` are the symbols that were heard of, `failures` how often the strategy of each has failed, and `halted`
        the strategies that have lost their share of the day's loss limit.
        """
        symbols: dict[str, list[str]] = {name: [] for name in self._figures}
        for symbol in sorted(self._claims.keys() | set(seen)):
            symbols[self._claims.get(symbol, REST)].append(symbol)
        return {
            name: {
                "symbols": symbols[name],
                "signals": found.signals,
                "approved": found.approved,
                "refusals": {reason: found.refusals[reason] for reason in sorted(found.refusals)},
                "trades": found.trades,
                "wins": found.wins,
                "losses": found.losses,
                "total_pnl": float(found.total_pnl),
                "failures": sum(failures.get(symbol, 0) for symbol in symbols[name]),
                "halted": name in halted,
            }
            for name, found in self._figures.items()
        }
