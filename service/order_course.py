"""What became of an order that was sent, with the market that it met, and what of it is latency and slippage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from actors.orders import OrderStatus, SubmitOrder
from pipeline.events import SECOND, Quote, Trade

ZERO = Decimal(0)
MS = SECOND / 1_000
"""Nanoseconds in a millisecond."""


MEASURES = (
    *("venue_to_receipt_ms", "receipt_to_decision_ms", "submit_to_accept_ms", "accept_to_fill_ms"),
    *("submit_to_fill_ms", "slippage_bps", "slippage"),
)
"""What is measured of an order, by the names of `OrderMeasured`."""


class Fill(msgspec.Struct, frozen=True):
    """Shares that an order got at one time (ns, the venue's), and their price."""

    ts: int
    quantity: Decimal
    price: Decimal


class LiveOrder(msgspec.Struct, eq=False):
    """An order that was sent to the broker, the quote in force then, and what happened from there on."""

    order: SubmitOrder
    ts: int  # when it was sent, market time, ns
    bid: float | None
    ask: float | None
    last: float
    fills: list[Fill] = []
    cancel_ts: int | None = None  # when we asked to cancel it
    status: OrderStatus | None = None  # how it ended; None: the session ended first
    ended_ts: int = 0
    odd: str = ""  # why nothing can be learnt from it
    market: list[Trade | Quote] = []  # of its symbol, from then on

    @property
    def filled(self) -> Decimal:
        """Shares."""
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def average(self) -> Decimal | None:
        """Money a share; None without a fill."""
        filled = self.filled
        return sum((fill.quantity * fill.price for fill in self.fills), ZERO) / filled if filled else None

    def quote_at(self, ts: int) -> float | None:
        """Return the price on the side that the order takes, of the quote in force at a time; None without a quote."""
        buys = self.order.side.sign > 0
        found = self.ask if buys else self.bid
        for event in self.market:
            if event.ts > ts:
                break
            if event.bid is not None and event.ask is not None and 0 < event.bid <= event.ask:
                found = event.ask if buys else event.bid
        return found

    def was_marketable(self, until: int) -> bool:
        """Whether its limit, if it has one, could be had at every quote from its sending up to a time."""
        if self.order.limit is None:
            return True
        sign, limit = self.order.side.sign, float(self.order.limit)
        times = [self.ts, *(event.ts for event in self.market if event.ts <= until)]
        return all((found := self.quote_at(ts)) is not None and sign * (found - limit) <= 0 for ts in times)


def latencies(orders: Sequence[LiveOrder]) -> list[float]:
    """Return ms from sending to the first fill, of the orders that nothing but latency kept from it."""
    filled = [order for order in orders if order.fills and order.was_marketable(order.fills[0].ts)]
    return [(order.fills[0].ts - order.ts) / MS for order in filled]


def shortfalls(orders: Sequence[LiveOrder]) -> list[float]:
    """Return basis points that an order's fills cost beyond the quote at its sending: latency and slippage together."""
    found = []
    for order in orders:
        quoted, average = order.quote_at(order.ts), order.average
        if quoted and average is not None:
            found.append(order.order.side.sign * (float(average) - quoted) / quoted * 10_000)
    return found


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """Return p50 and p99, each a value that there is (nearest rank), and their count; empty without values."""
    ranked = sorted(values)
    if not ranked:
        return {}
    p50, p99 = (ranked[math.ceil(part * len(ranked)) - 1] for part in (0.5, 0.99))
    return {"p50": round(p50, 4), "p99": round(p99, 4), "count": len(ranked)}
