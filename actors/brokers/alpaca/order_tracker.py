"""Tracks orders at the venue: their ids there, and which of them the trading stream owes us news of."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

import msgspec

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.context import BrokerContext
from actors.orders import OVER, OrderReport
from pipeline.events import SECOND

MOST_REMEMBERED = 10_000
"""Orders whose ids at the venue are remembered; those of older ones are asked for."""


class WatchedOrder(msgspec.Struct, eq=False):
    """An order whose news the trading stream owes us."""

    filled: Decimal  # shares that it has told of
    owed_since: int | None = None  # monotonic ns: when REST told more than it


class OrderTracker:
    """Takes what REST and the trading stream tell of orders."""

    def __init__(self, context: BrokerContext) -> None:
        self._changes = 0
        self._context = context
        self._venue_ids: OrderedDict[str, str] = OrderedDict()  # by order
        self._watched: OrderedDict[str, WatchedOrder] = OrderedDict()  # by order

    @property
    def changes(self) -> int:
        """Things that happened to orders, as far as we know."""
        return self._changes

    def note_change(self) -> None:
        """Count that something happens to an order."""
        self._changes += 1

    def venue_id(self, order: str) -> str | None:
        """Return an order's id at the venue; None if it is not known, or no longer."""
        return self._venue_ids.get(order)

    def report(self, body: codec.OrderBody, at: str | None = None) -> OrderReport:
        """Put what the venue tells of an order into our words. Raises Unreadable."""
        if not codec.is_known(body.status):
            self._context.counts["unknown_statuses"] += 1
        return codec.order_report(body, self._context.now.venue_ns, at)

    def note_answer(self, report: OrderReport) -> None:
        """Take note of what REST told of an order: its id at the venue, and whether the stream owes news of it."""
        self.remember(report)
        watch = self._watched.get(report.order)
        if watch is None or watch.owed_since is not None:
            return
        if report.filled > watch.filled or report.status in OVER:
            watch.owed_since = self._context.now.monotonic_ns

    def note_update(self, report: OrderReport) -> None:
        """Take note of what the trading stream told of an order."""
        self.remember(report)
        if report.status in OVER:
            self.unwatch(report.order)
        elif (watch := self._watched.get(report.order)) is not None and (
            report.filled > watch.filled or report.revises
        ):
            watch.filled = report.filled
            watch.owed_since = None

    def remember(self, report: OrderReport) -> None:
        """Keep the id at the venue of an order that is ours."""
        if self._context.is_ours(report.order):
            self._venue_ids[report.order] = report.venue_id
            self._venue_ids.move_to_end(report.order)
            if len(self._venue_ids) > MOST_REMEMBERED:
                self._venue_ids.popitem(last=False)

    def watch(self, order: str, filled: Decimal) -> None:
        """Expect the trading stream's news of an order of which it has told so many filled shares."""
        self._watched.setdefault(order, WatchedOrder(filled))
        if len(self._watched) > MOST_REMEMBERED:
            self._watched.popitem(last=False)

    def unwatch(self, order: str) -> None:
        """Expect no more news of an order."""
        self._watched.pop(order, None)

    def unwatch_all(self) -> None:
        """Expect no more news: the stream that owed them is gone."""
        self._watched.clear()

    def has_overdue_updates(self) -> bool:
        """Return whether an update of some order has been due on the stream for `stale_s`."""
        late = self._context.now.monotonic_ns - round(self._context.settings.stale_s * SECOND)
        return any(watch.owed_since is not None and watch.owed_since <= late for watch in self._watched.values())
