"""Orders that are good until canceled, and that the venue cancels by itself once they are 90 days old.

Source: docs.alpaca.markets, "Orders at Alpaca" (aged orders): at 16:15 in New York on the day of `expires_at` a cancel
is sent, and the order is `pending_cancel` until it is answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from itertools import chain

from mock_exchange.events import SECOND
from mock_exchange.venue.day import NEW_YORK, day_end, in_new_york
from mock_exchange.venue.orders import OPEN, TRANSITIONS, Change, Order, TimeInForce
from mock_exchange.venue.registry import Registry

MOST_DAYS = 90
ANSWER_NS = SECOND
"""How long the cancel of an aged order takes to be answered: an assumption, Alpaca says nothing of it."""

_CUT = time(16, 15)


def expires_ns(time_in_force: TimeInForce, created_ns: int) -> int:
    """Return when an order that was made at a time ends by itself, ns since the epoch; 0 for one that does not wait.

    >>> str(in_new_york(expires_ns(TimeInForce.GTC, 1_767_623_400_000_000_000)))  # from 2026-01-05, 09:30
    '2026-04-05 16:15:00-04:00'
    """
    if time_in_force is TimeInForce.DAY:
        return day_end(created_ns)
    return _cut_of(created_ns, MOST_DAYS) if time_in_force is TimeInForce.GTC else 0


def _cut_of(ts: int, days: int) -> int:
    day = in_new_york(ts).date() + timedelta(days=days)
    return int(datetime.combine(day, _CUT, NEW_YORK).timestamp()) * SECOND


class Aging:
    """Has aged orders canceled, once a day."""

    def __init__(self, orders: Registry, accounts: Iterable[str], start_ns: int) -> None:
        self._orders = orders
        self._accounts = accounts
        self._asked: list[Order] = []  # to be canceled, and not answered yet
        self._next_cut = self._cut_after(start_ns)
        self.due = self._next_cut  # ns: nothing is to be done before

    def canceled(self, now: int) -> Iterator[tuple[Order, int]]:
        """Send the cancels that are due by `now`, and yield each order whose cancel is answered by then, and when."""
        while self.due <= now:
            due = self.due
            for asked in self._asked:
                order = self._orders.find(asked.account, asked.id)
                if isinstance(order, Order) and order.status in OPEN:
                    yield order, due
            self._asked = []
            if due >= self._next_cut:
                self._ask(due)
                self._next_cut = self._cut_after(due)
            self.due = min(self._next_cut, due + ANSWER_NS) if self._asked else self._next_cut

    def _ask(self, due: int) -> None:
        for order in chain.from_iterable(map(self._orders.open_orders, self._accounts)):
            waits = order.time_in_force is TimeInForce.GTC and order.expires_ns <= due
            if waits and Change.PENDING_CANCEL in TRANSITIONS[order.status]:
                self._asked.append(self._orders.change(order, Change.PENDING_CANCEL, due))

    @staticmethod
    def _cut_after(ts: int) -> int:
        return next(cut for days in (0, 1) if (cut := _cut_of(ts, days)) > ts)
