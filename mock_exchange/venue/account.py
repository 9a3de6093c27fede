"""An account: cash, positions, and what it may still buy.

Nothing is lost and nothing appears: at any time cash + what the positions cost = the first cash + what
closed positions earned, to the point.
"""

from __future__ import annotations

import msgspec

from mock_exchange.venue.money import DOLLAR, share_of

MARGIN_EQUITY = 2_000 * DOLLAR
"""Equity from which an account may borrow money and sell short."""

DAY_TRADER_EQUITY = 25_000 * DOLLAR
"""Equity from which it may borrow three times as much."""


class Position(msgspec.Struct, frozen=True):
    """Shares held (below zero: owed) and what they cost, in points of the same sign."""

    qty: int
    cost: int


class Account:
    """What one client owns. Executions are booked by `execute`; the venue keeps `reserved` and `held`."""

    def __init__(self, name: str, cash: int) -> None:
        self.name = name
        self.cash = cash  # points; below zero it is borrowed
        self.first_cash = cash
        self.last_equity = cash  # at the end of the day before
        self.realized = 0  # points earned by what was closed
        self.reserved = 0  # points of buying power set aside for working orders
        self.positions: dict[str, Position] = {}  # open ones
        self.held: dict[str, int] = {}  # shares set aside for working orders that close a position

    def qty(self, symbol: str) -> int:
        """Return the shares held, below zero if they are owed."""
        position = self.positions.get(symbol)
        return position.qty if position else 0

    def available(self, symbol: str) -> int:
        """Return the shares of the position, held or owed, that no working order is about to close."""
        return max(0, abs(self.qty(symbol)) - self.held.get(symbol, 0))

    def execute(self, symbol: str, shares: int, price: int) -> int:
        """Book an execution, shares below zero for a sale; return the position's quantity after it."""
        self.cash -= shares * price
        position = self.positions.get(symbol, Position(0, 0))
        closing = 0
        if position.qty * shares < 0:
            closing = min(abs(shares), abs(position.qty)) * (1 if shares > 0 else -1)
            freed = share_of(position.cost, abs(closing), abs(position.qty))
            self.realized -= closing * price + freed
            position = Position(position.qty + closing, position.cost - freed)
        opening = shares - closing
        position = Position(position.qty + opening, position.cost + opening * price)
        if position.qty:
            self.positions[symbol] = position
        else:
            self.positions.pop(symbol, None)
        return position.qty

    def equity(self, prices: dict[str, int]) -> int:
        """Return what is left when everything is closed at these prices."""
        return self.cash + sum(position.qty * prices[symbol] for symbol, position in self.positions.items())

    def exposure(self, prices: dict[str, int]) -> int:
        """Return the value of all positions, owed shares counted like held ones."""
        return sum(abs(position.qty) * prices[symbol] for symbol, position in self.positions.items())

    @property
    def multiplier(self) -> int:
        """How many dollars of positions a dollar of equity carries: 4, below $25,000 2, below $2,000 1."""
        if self.last_equity >= DAY_TRADER_EQUITY:
            return 4
        return 2 if self.last_equity >= MARGIN_EQUITY else 1

    def buying_power(self, prices: dict[str, int]) -> int:
        """Return what it may open yet: equity times the multiplier, less what it has and what it has ordered."""
        return max(0, self.multiplier * self.equity(prices) - self.exposure(prices) - self.reserved)
