"""Recounting: which orders are asked for when the account does not hold what they come to, and what is believed."""

from __future__ import annotations

from actors.book import CountedOrder
from actors.execution.decisions import Decisions
from actors.execution.known_orders import OrderName, submitted
from actors.execution.messages import MissedOrder
from actors.execution.order_cache import OrderCache
from actors.orders import OrderReport

MOST_ASKED = 20
"""Orders of a symbol, of this life and of earlier ones each: the newest."""


class Recount:
    """Asks for the orders of a symbol: executions may have been undone without a report of it."""

    def __init__(self, orders: OrderCache, decisions: Decisions) -> None:
        self._orders = orders
        self._decisions = decisions
        self._asked: dict[str, CountedOrder] = {}  # orders of earlier lives, which only the book knows

    def begin(self, symbol: str) -> list[str]:
        """Return the orders that are to be looked up. Of these, reports of fewer shares are believed, once each."""
        here = self._orders.filled_last(symbol, MOST_ASKED)
        for order in here:
            order.doubted = True
        earlier = [
            counted
            for counted in self._decisions.counted()
            if (name := OrderName.of(counted.order)) is not None
            and name.symbol == symbol
            and self._orders.get(counted.order) is None
        ][-MOST_ASKED:]
        self._asked = {counted.order: counted for counted in earlier}
        return [*(order.id for order in here), *self._asked]

    def missed(self, report: OrderReport) -> MissedOrder | None:
        """Return what a report of an order of an earlier life says beyond the book, if it was asked for."""
        counted, name = self._asked.pop(report.order, None), OrderName.of(report.order)
        if counted is None or name is None or report.filled >= counted.filled:
            return None
        return MissedOrder(submitted(name, report), report, counted)
