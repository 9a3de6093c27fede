"""The book of one symbol: what the market displays, and the clients' orders that wait for it."""

from __future__ import annotations

from bisect import bisect_left, insort

from mock_exchange.venue.orders import SIDES, Kind, Order, Side

_ANY_PRICE = 1 << 62
"""Beyond every limit: what a market order offers."""


class Ladder:
    """Orders by price, then by time: the best rank comes first, and of equals the earliest."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, int, str]] = []
        self._by_id: dict[str, tuple[int, int, str]] = {}

    def add(self, rank: int, order: Order) -> None:
        """Place an order; the lower the rank, the earlier its turn."""
        step = (rank, order.number, order.id)
        insort(self._steps, step)
        self._by_id[order.id] = step

    def discard(self, order_id: str) -> None:
        """Take an order away, if it is there."""
        step = self._by_id.pop(order_id, None)
        if step is not None:
            del self._steps[bisect_left(self._steps, step)]

    def first(self) -> tuple[int, str] | None:
        """Return the rank and id of the order whose turn it is."""
        return (self._steps[0][0], self._steps[0][2]) if self._steps else None


class Book:
    """One symbol. A price of 0 means that there is none yet."""

    def __init__(self) -> None:
        self.price = {Side.BUY: 0, Side.SELL: 0}  # at which an order of that side is filled: buys at the ask
        self.shares = {Side.BUY: 0, Side.SELL: 0}  # still displayed there, in parts, whole shares always
        self.last = 0  # of the latest trade; before it, the quote's middle
        self.closed = False  # the market is, since the latest quote
        self._resting = {Side.BUY: Ladder(), Side.SELL: Ladder()}
        self._stops = {Side.BUY: Ladder(), Side.SELL: Ladder()}
        self._trailing: dict[str, None] = {}
        self._orders: set[str] = set()  # all of these

    def show(self, bid: int, ask: int, bid_shares: int, ask_shares: int) -> None:
        """Replace what is displayed; all of it is there to be taken."""
        self.closed = False
        self.price = {Side.BUY: ask, Side.SELL: bid}
        self.shares = {Side.BUY: ask_shares, Side.SELL: bid_shares}
        if not self.last:
            self.last = (bid + ask) // 2

    def withdraw(self) -> None:
        """Display nothing any more, until the next quote."""
        self.shares = {Side.BUY: 0, Side.SELL: 0}

    def close(self) -> None:
        """Display nothing any more, until the market opens with a quote."""
        self.closed = True
        self.withdraw()

    def note_trade(self, price: int, shares: int) -> None:
        """Record a trade between others; what it took at the quote is displayed no more."""
        self.last = price
        for side in SIDES:
            if price == self.price[side]:
                self.shares[side] = max(0, self.shares[side] - shares)

    # -- orders ------------------------------------------------------------------------------------------------

    def add(self, order: Order) -> None:
        """Place an order where its turn can come."""
        self._orders.add(order.id)
        if order.triggered or order.kind in (Kind.MARKET, Kind.LIMIT):
            self._resting[order.side].add(_eagerness(order), order)
        elif order.kind is Kind.TRAILING_STOP:
            self._trailing[order.id] = None
        else:
            assert order.stop is not None
            self._stops[order.side].add(order.stop if order.side is Side.BUY else -order.stop, order)

    def discard(self, order: Order) -> None:
        """Take an order away, wherever it is."""
        self._orders.discard(order.id)
        self._resting[order.side].discard(order.id)
        self._stops[order.side].discard(order.id)
        self._trailing.pop(order.id, None)

    def marketable(self, side: Side) -> str | None:
        """Return the id of the order of that side whose turn it is to be filled by what is displayed, if any."""
        first = self._resting[side].first()
        if first is None or not self.shares[side] or not self.price[side]:
            return None
        rank, order_id = first
        reached = -rank >= self.price[side] if side is Side.BUY else rank <= self.price[side]
        return order_id if reached else None

    def reached_stop(self) -> str | None:
        """Return the id of a resting stop that the latest trade has reached, if any."""
        for side in SIDES:
            first = self._stops[side].first()
            if first is not None and first[0] <= (self.last if side is Side.BUY else -self.last):
                return first[1]
        return None

    def trailing(self) -> list[str]:
        """Return the ids of the trailing stops."""
        return list(self._trailing)

    def empty(self) -> bool:
        """Return whether no order waits here."""
        return not self._orders


def _eagerness(order: Order) -> int:
    """Return the rank of an order among those that can be filled: the one that pays more, or asks less, comes first."""
    limit = order.limit
    if limit is None:
        return -_ANY_PRICE
    return -limit if order.side is Side.BUY else limit
