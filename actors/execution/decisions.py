"""Decisions: what is remembered of each, so that no order's id is used twice and no fill is counted twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from actors.book import CountedOrder
from actors.execution.order_cache import OrderCache
from actors.orders import OrderRole
from actors.portfolio.positions import Position, of_session

REMEMBERED_DECISIONS = 1_000  # beside those for which something is held or ordered


class Decisions:
    """The orders that were sent for each decision, and what of them is counted; those matter that are held or ordered.

    A decision of this session may be called as this session calls it, or as later ones do.
    """

    def __init__(self, book: str, positions: Mapping[str, Position], orders: OrderCache) -> None:
        self._book = book
        self._positions = positions
        self._orders = orders
        self._attempts: dict[str, dict[str, int]] = {}  # by decision and cause
        self._counted: dict[str, dict[str, CountedOrder]] = {}  # by decision and order

    def __len__(self) -> int:
        return max(len(self._attempts), len(self._counted))

    def new_order_id(self, decision: str, symbol: str, role: OrderRole) -> str:
        """Return the id of the next order that is sent for a decision: session, decision, symbol, role and attempt."""
        cause = f"{self._book}.{decision}.{symbol}.{role}"
        attempts = self._attempts.setdefault(of_session(self._book, decision), {})
        attempts[cause] = attempts.get(cause, 0) + 1
        if len(self) > REMEMBERED_DECISIONS:
            self._forget()
        return f"{cause}.{attempts[cause]}"

    def count(self, decision: str, order_id: str, filled: Decimal, value: Decimal, *, revised: bool = False) -> None:
        """Note the shares of an order that are counted by now, and the money for them.

        What is counted stays so, unless the venue undid it: it is `revised`.
        """
        orders = self._counted.setdefault(of_session(self._book, decision), {})
        before = orders.get(order_id)
        if revised or filled > (before.filled if before is not None else 0):
            orders[order_id] = CountedOrder(order_id, filled, value)

    def counted(self) -> tuple[CountedOrder, ...]:
        """Return what is counted of the orders of each decision for which something is held or ordered."""
        return tuple(order for decision in sorted(self._live()) for order in self._counted.get(decision, {}).values())

    def _live(self) -> set[str]:
        held = (position.decision for position in self._positions.values())
        ordered = (order.request.decision for order in self._orders.working.values())
        return {of_session(self._book, decision) for decision in (*held, *ordered)}

    def _forget(self) -> None:
        """Forget the older half of the decisions, but none that matters."""
        live = self._live()
        for remembered in (self._attempts, self._counted):
            older: Iterable[str] = list(remembered)[: len(remembered) // 2]
            for decision in older:
                if decision not in live:
                    del remembered[decision]
