"""Knowledge: what an order id of ours says, and what a book knows of the orders that the venue tells of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from actors.book import Book, CountedOrder
from actors.messages import ExitReason
from actors.orders import OVER, AccountReport, OrderReport, OrderRole, SubmitOrder
from actors.portfolio.positions import ZERO, of_session


class OrderName(NamedTuple):
    """What an id of ours is made of: session.decision.symbol.role.attempt."""

    book: str
    decision: str
    symbol: str
    role: OrderRole
    attempt: str

    @classmethod
    def of(cls, order_id: str, ours: str = "") -> OrderName | None:
        """Take an id apart; None if it is not made like ours (a symbol may have a dot in it), or not of this bot.

        `ours` is what every order id of this bot begins with.
        """
        if not order_id.startswith(ours):
            return None
        try:
            book, decision, rest = order_id.split(".", 2)
            symbol, word, attempt = rest.rsplit(".", 2)
            role = OrderRole(word)
        except ValueError:
            return None
        sound = book and decision and symbol and attempt.isdecimal()
        return cls(book, decision, symbol, role, attempt) if sound else None

    @property
    def kept_decision(self) -> str:
        """The decision that the order is of, as later sessions call it."""
        return of_session(self.book, self.decision)


def decision_of(order_id: str) -> str:
    """Return the decision that an order of ours is of, as later sessions call it; empty if the id is none of ours.

    >>> decision_of("mb-0-s1.5.BRK.B.exit.1"), decision_of("mb-0-s2.s1-5.A.stop.2"), decision_of("by hand")
    ('s1-5', 's1-5', '')
    """
    name = OrderName.of(order_id)
    return name.kept_decision if name is not None else ""


NamedOrder = tuple[OrderName, OrderReport]
"""An order of ours at the venue, and what its id says."""


def named_orders(account: AccountReport, ours: str) -> list[NamedOrder]:
    """Return the orders of this bot that an account tells of, those that are open last."""
    orders = {order.order: order for order in (*account.history, *account.orders)}
    return [(name, order) for order in orders.values() if (name := OrderName.of(order.order, ours)) is not None]


_REASONS = {
    OrderRole.STOP: ExitReason.STOP,
    OrderRole.EXIT: ExitReason.FLATTEN,
    OrderRole.PART: ExitReason.FLATTEN,
    OrderRole.GATE: ExitReason.HALT,
}
"""Why an order of an earlier run closed a position, by its leg."""


def submitted(name: OrderName, order: OrderReport) -> SubmitOrder:
    """Return what an order of ours must have been when it was sent."""
    return SubmitOrder(
        order.order,
        order.symbol,
        order.side,
        order.quantity,
        name.kept_decision,
        name.role,
        _REASONS.get(name.role, ""),
        stop=order.stop,
        rests=name.role is OrderRole.STOP,
    )


class Knowledge:
    """What a book knows of our orders, so that what it has not counted is counted once.

    A book names what it has counted of each order of the decisions that it holds or has ordered for. An order of such
    a decision is news for what it has filled beyond that, whenever that was; one of any other decision is over, or
    belongs to a position that the account has and no book: that is adopted, not counted.

    A book from before that was so (`names_counted`) is judged by the time up to which it knows of our orders, and the
    gate's by those that it names.
    """

    def __init__(self, book: Book | None = None) -> None:
        self.until = (book.known_until or book.ts) if book is not None else 0  # ns; 0 without a book
        self.names_all = book is None or book.names_counted
        self.heard = book.gate_orders if book is not None else ()
        self._counted = {counted.order: counted for counted in book.counted} if book is not None else {}
        decisions = [held.decision for held in book.positions] if book is not None else []
        decisions += [entry.order.decision for entry in book.orders] if book is not None else []
        self._live = frozenset(of_session(book.name, decision) for decision in decisions) if book is not None else ()

    def counted(self, order_id: str) -> CountedOrder:
        """Return what the book has counted of an order."""
        return self._counted.get(order_id) or CountedOrder(order_id, ZERO, ZERO)

    def undone(
        self, named: Iterable[NamedOrder], booked: Mapping[str, Decimal], held: Mapping[str, Decimal]
    ) -> list[NamedOrder]:
        """Return the orders that are over and of which the venue undid something that the book has counted.

        Only if the account shows it: in their symbol it holds (`held`, without what is not ours) just as much more or
        less than the book (`booked`) as all news of these orders come to, shares, negative for a short position. Else
        fewer shares than were counted are an older word.
        """
        news: dict[str, Decimal] = {}
        fewer = []
        for name, order in named:
            more = order.filled - self.counted(order.order).filled
            is_less = self.names_all and more < 0 and order.status in OVER and name.kept_decision in self._live
            if is_less or self.misses(name, order):
                news[name.symbol] = news.get(name.symbol, ZERO) + order.side.sign * more
            if is_less:
                fewer.append((name, order))
        shown = {s for s, more in news.items() if booked.get(s, ZERO) + more == held.get(s, ZERO)}
        return [(name, order) for name, order in fewer if name.symbol in shown]

    def misses(self, name: OrderName, order: OrderReport) -> bool:
        """Return whether the book lacks something of an order of ours that it does not list as working."""
        if order.status in OVER and order.filled <= self.counted(order.order).filled:
            return False
        live = name.kept_decision in self._live
        if self.names_all:
            return live
        # What the gate sends while the loop is stuck, the core hears of in its turn. A book that is written before,
        # when the loop goes on, is newer than such an order and does not know of it.
        if live and name.role is OrderRole.GATE:
            return order.order not in self.heard
        return 0 < self.until < order.ts
