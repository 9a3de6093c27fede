"""Shares: what part of the account's risk each strategy with symbols of its own may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import inf

from actors.book import StrategyDay
from actors.messages import PositionClosed
from pipeline.events import EPSILON
from pipeline.strategy import StrategyUse


class StrategyShares:
    """Holds each strategy to its share: of the size of a position, and of what may be lost in a day.

    Once its day's profit, that of its open positions included, has fallen to its share of the day's loss limit, it is
    halted: until the next trading day its entries are refused. What no strategy claims is held to the account's limit
    alone. Profit is money.
    """

    def __init__(self, strategies: Mapping[str, StrategyUse], daily_loss_limit: float) -> None:
        self.halted: set[str] = set()
        self._of = {symbol: name for name, use in strategies.items() for symbol in use.symbols}
        self._shares = {name: Decimal(str(use.share)) for name, use in strategies.items()}
        self._limit = daily_loss_limit
        self._floors: dict[str, float] = {}  # the day's profit at or below which it is halted
        self._symbols = {name: tuple(dict.fromkeys(use.symbols)) for name, use in strategies.items()}
        self._closed = dict.fromkeys(strategies, Decimal(0))  # the day's profit of finished trades
        self._readings = dict.fromkeys(strategies, 0.0)  # the same, for what is looked at on every tick

    def quantity(self, symbol: str, whole: Decimal) -> Decimal:
        """Return the part of a position's size that the strategy of a symbol enters with, in shares."""
        name = self._of.get(symbol)
        return whole if name is None else whole * self._shares[name]

    def share(self, symbol: str) -> Decimal | None:
        """Return the share of the strategy of a symbol; None where none claims it."""
        name = self._of.get(symbol)
        return None if name is None else self._shares[name]

    def refuses(self, symbol: str) -> bool:
        """Whether the strategy of a symbol is halted."""
        return self._of.get(symbol) in self.halted

    def symbols(self, name: str) -> frozenset[str]:
        """Return the symbols of a strategy."""
        return frozenset(self._symbols[name])

    def count(self, trade: PositionClosed) -> None:
        """Count a finished trade."""
        if (name := self._of.get(trade.symbol)) is not None:
            self._closed[name] += trade.pnl
            self._readings[name] = float(self._closed[name])

    def halt_if_over(self, symbol: str, position_profit: Callable[[str], float]) -> str | None:
        """Halt the strategy of a symbol if it has lost its share, and return its name if that is new.

        `position_profit` is that of the position in a symbol, its closed parts included; 0 without one. It is called on
        the tick path.
        """
        name = self._of.get(symbol)
        if name is None or name in self.halted:
            return None
        profit = self._readings[name]
        for own in self._symbols[name]:
            profit += position_profit(own)
        if profit > self._floors.get(name, -inf) + EPSILON:
            return None
        self.halted.add(name)
        return name

    def measure_by(self, equity: Decimal) -> None:
        """Take shares of the loss limit of a day that began with that equity."""
        self._floors = {name: float(equity * share) * self._limit for name, share in self._shares.items()}

    def begin_day(self) -> None:
        """Count from nothing: a strategy that is halted goes on."""
        self._closed = dict.fromkeys(self._closed, Decimal(0))
        self._readings = dict.fromkeys(self._closed, 0.0)
        self.halted.clear()

    def days(self) -> dict[str, StrategyDay]:
        """Return what each has come to today, to be written down."""
        return {name: StrategyDay(closed, name in self.halted) for name, closed in self._closed.items()}

    def restore(self, days: Mapping[str, StrategyDay]) -> None:
        """Go on with the day of an earlier session; of strategies that are no more, nothing is kept."""
        for name in self._closed.keys() & days.keys():
            self._closed[name] = days[name].pnl
            self._readings[name] = float(days[name].pnl)
            if days[name].halted:
                self.halted.add(name)
