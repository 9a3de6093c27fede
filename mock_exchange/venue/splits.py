"""Splits: a stock has more shares, or fewer, that are worth as much in all.

A position's quantity is multiplied and its cost stays, so its average price is divided (forward and reverse alike;
what is no whole share stays as a part of one). What Alpaca does with open orders of the stock is not verified: here
they are canceled, or, where that is asked for, kept at their old price, which is the worst that can happen to a stop.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

from msgspec.structs import replace

from mock_exchange.events import Event, Quote
from mock_exchange.venue.account import Position
from mock_exchange.venue.matching import Matching

MOST_SHARES = 1_000
"""For one, or one for so many."""


class OpenOrders(StrEnum):
    """What becomes of the stock's open orders."""

    CANCELED = "canceled"
    KEPT = "kept"


class Splits:
    """The splits that were carried out: how many shares one of the market's first moment is now, by symbol."""

    def __init__(self) -> None:
        self._ratios: dict[str, Fraction] = {}
        self.latest: dict[str, int] = {}  # by symbol, ns: executions from before it were of other shares

    def carry_out(self, matching: Matching, symbol: str, ratio: Fraction, orders: OpenOrders, now: int) -> None:
        """Split a stock: its orders, its positions and its price. Raises ValueError, one sentence."""
        if symbol not in matching.prices:
            raise ValueError(f"{symbol[:20]!r} has no price here to be split")
        if not (ratio != 1 and ratio.numerator <= MOST_SHARES and ratio.denominator <= MOST_SHARES and ratio > 0):
            raise ValueError(f"shares and per must be from 1 to {MOST_SHARES:,} and differ")
        if orders is OpenOrders.CANCELED:
            for account in matching.accounts:
                for order in matching.orders.open_orders(account):
                    if order.symbol == symbol:
                        matching.cancel(account, order.id, now)
        for owner in matching.accounts.values():
            if (held := owner.positions.get(symbol)) is not None:
                owner.positions[symbol] = Position(int(held.qty * ratio), held.cost)
        matching.reprice(symbol, max(1, round(matching.prices[symbol] / ratio)))
        self.latest[symbol] = now
        self._ratios[symbol] = self._ratios.get(symbol, Fraction(1)) * ratio

    def adjust(self, event: Event) -> Event:
        """Return an event of the market at the price that it has after the splits, in cents."""
        ratio = self._ratios.get(event.symbol)
        if ratio is None:
            return event
        if isinstance(event, Quote):
            bid = _cents(event.bid, ratio)
            return replace(event, bid=bid, ask=max(_cents(event.ask, ratio), round(bid + 0.01, 2)))
        bid = _cents(event.bid, ratio) if event.bid else event.bid
        ask = max(_cents(event.ask, ratio), round(bid + 0.01, 2)) if event.ask and bid else event.ask
        return replace(event, price=_cents(event.price, ratio), bid=bid, ask=ask)


def _cents(price: float, ratio: Fraction) -> float:
    return max(0.01, round(price / float(ratio), 2))
