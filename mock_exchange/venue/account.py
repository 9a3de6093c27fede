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

INTRADAY, OVERNIGHT = 4, 2
"""Dollars of positions that a dollar of such an account carries: during the day, and in the overnight session.

The intraday margin rule in force since 2026-06-04 (FINRA rule 4210 as amended, Regulatory Notice 26-10).
"""


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What its owner allows an account. The first four have an effect here; the others are only kept.

    The fields are Alpaca's of 2026-07-06, when those of pattern day trading went.
    """

    suspend_trade: bool = False  # no new orders
    no_shorting: bool = False  # no sale of what is not held
    max_margin_multiplier: Literal["1", "2", "4"] = "4"  # dollars of positions a dollar of equity carries at most
    fractional_trading: bool = True
    disable_overnight_trading: bool = False
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
        self.last_maintenance = 0  # likewise, an amount
        self.overnight = False  # in the overnight session buying power is less
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

    def maintenance(self, prices: dict[str, int]) -> int:
        """Return the maintenance margin of all positions at these prices, an amount.

        The rates are Alpaca's for stocks held overnight (docs, margin and short selling, 2026-09-17).
        """
        return sum(_maintenance(position.qty, prices[symbol]) for symbol, position in self.positions.items())

    def multiplier(self, prices: dict[str, int]) -> int:
        """Return how many dollars of positions a dollar of equity carries: 4 intraday, below $2,000 of equity 1.

        What was earned today counts, as it does for the intraday margin level.
        """
        if self.equity(prices) < MARGIN_EQUITY:
            return 1
        return min(INTRADAY, int(self.configuration.max_margin_multiplier))

    def buying_power(self, prices: dict[str, int]) -> int:
        """Return what it may open yet: equity times the multiplier, less what it has and what it has ordered."""
        carried = self.multiplier(prices)
        if self.overnight:
            carried = min(OVERNIGHT, carried)
        return max(0, carried * self.equity(prices) - self.exposure(prices) - self.reserved)


def _maintenance(qty: int, price: int) -> int:
    """Return the maintenance margin of so many parts of a share at a price in points."""
    if qty >= 0:
        percent = 100 if price < 25 * DOLLAR // 10 else 50 if price <= 6 * DOLLAR else 30
        return share_of(qty * price, percent, 100)
    least, percent = (25 * DOLLAR // 10, 100) if price < 5 * DOLLAR else (5 * DOLLAR, 30)
    return max(-qty * least, share_of(-qty * price, percent, 100))
