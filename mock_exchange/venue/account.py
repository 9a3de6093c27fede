"""An account: cash, positions, and what it may still buy.

Nothing is lost and nothing appears: at any time cash + what the positions cost = the first cash + what
closed positions earned - the fees charged, exactly. Quantities are in parts of a share, money in amounts (see `money`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from mock_exchange.venue.money import DOLLAR, SHARE, share_of
from mock_exchange.venue.orders import OrderClass, OrderRequest, Reason, Refusal, Side

MARGIN_EQUITY = 2_000 * DOLLAR * SHARE
"""Equity from which an account may borrow money and sell short."""

DAY_TRADER_EQUITY = 25_000 * DOLLAR * SHARE
"""Equity from which it may borrow three times as much."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What its owner allows an account. The first four have an effect here; the others are only kept."""

    suspend_trade: bool = False  # no new orders
    no_shorting: bool = False  # no sale of what is not held
    max_margin_multiplier: Literal["1", "2", "4"] = "4"  # dollars of positions a dollar of equity carries at most
    fractional_trading: bool = True
    dtbp_check: Literal["both", "entry", "exit"] = "entry"
    pdt_check: Literal["both", "entry", "exit"] = "entry"
    trade_confirm_email: Literal["all", "none"] = "all"
    ptp_no_exception_entry: bool = False
    max_options_trading_level: Literal[0, 1, 2, 3] | None = None


class Position(msgspec.Struct, frozen=True):
    """Parts of shares held (below zero: owed) and what they cost, an amount of the same sign."""

    qty: int
    cost: int


class Account:
    """What one client owns. Executions are booked by `execute`; the venue keeps `reserved` and `held`."""

    def __init__(self, name: str, cash: int) -> None:
        self.name = name
        self.cash = cash  # an amount; below zero it is borrowed
        self.first_cash = cash
        self.last_equity = cash  # at the end of the day before
        self.realized = 0  # earned by what was closed
        self.fees = 0  # charged so far
        self.reserved = 0  # of buying power, set aside for working orders
        self.positions: dict[str, Position] = {}  # open ones
        self.configuration = Configuration()  # what its owner allows
        self.held: dict[str, int] = {}  # parts of shares set aside for working orders that close a position

    def qty(self, symbol: str) -> int:
        """Return the parts of shares held, below zero if they are owed."""
        position = self.positions.get(symbol)
        return position.qty if position else 0

    def available(self, symbol: str) -> int:
        """Return the parts of the position, held or owed, that no working order is about to close."""
        return max(0, abs(self.qty(symbol)) - self.held.get(symbol, 0))

    def execute(self, symbol: str, parts: int, price: int) -> int:
        """Book an execution, parts below zero for a sale; return the position's quantity after it."""
        self.cash -= parts * price
        position = self.positions.get(symbol, Position(0, 0))
        closing = 0
        if position.qty * parts < 0:
            closing = min(abs(parts), abs(position.qty)) * (1 if parts > 0 else -1)
            freed = share_of(position.cost, abs(closing), abs(position.qty))
            self.realized -= closing * price + freed
            position = Position(position.qty + closing, position.cost - freed)
        opening = parts - closing
        position = Position(position.qty + opening, position.cost + opening * price)
        if position.qty:
            self.positions[symbol] = position
        else:
            self.positions.pop(symbol, None)
        return position.qty

    def charge(self, amount: int) -> None:
        """Take a fee."""
        self.cash -= amount
        self.fees += amount

    def forbids(self, request: OrderRequest) -> Refusal | None:
        """Refuse an order that the account's owner has ruled out."""
        if self.configuration.suspend_trade:
            return Refusal(Reason.FORBIDDEN_BY_OWNER, "new orders are rejected by user request")
        if request.fractional and not self.configuration.fractional_trading:
            return Refusal(Reason.FORBIDDEN_BY_OWNER, "account is not allowed to trade fractions of shares")
        shorts = request.side is Side.SELL and request.order_class is not OrderClass.OCO
        if self.configuration.no_shorting and shorts and self.qty(request.symbol) <= 0:
            return Refusal(Reason.FORBIDDEN_BY_OWNER, "account is not allowed to short")
        return None

    def equity(self, prices: dict[str, int]) -> int:
        """Return what is left when everything is closed at these prices."""
        return self.cash + sum(position.qty * prices[symbol] for symbol, position in self.positions.items())

    def exposure(self, prices: dict[str, int]) -> int:
        """Return the value of all positions, owed shares counted like held ones."""
        return sum(abs(position.qty) * prices[symbol] for symbol, position in self.positions.items())

    @property
    def multiplier(self) -> int:
        """How many dollars of positions a dollar of equity carries: 4, below $25,000 2, below $2,000 1."""
        most = int(self.configuration.max_margin_multiplier)
        if self.last_equity >= DAY_TRADER_EQUITY:
            return min(4, most)
        return min(2, most) if self.last_equity >= MARGIN_EQUITY else 1

    def buying_power(self, prices: dict[str, int]) -> int:
        """Return what it may open yet: equity times the multiplier, less what it has and what it has ordered."""
        return max(0, self.multiplier * self.equity(prices) - self.exposure(prices) - self.reserved)
