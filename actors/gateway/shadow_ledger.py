"""The shadow ledger: what the gate knows of orders and positions without asking the core."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from actors.book import Book, HeldPosition
from actors.gateway.journal import Entry
from actors.messages import OrderFilled, Report
from actors.orders import OVER, AccountReport, OrderMissing, OrderReport, OrderRole, SubmitOrder

ZERO = Decimal(0)


class TrackedOrder(msgspec.Struct, eq=False):
    """One order: what the core has counted of it, and what the venue has told."""

    order: SubmitOrder
    counted: Decimal = ZERO  # shares that are in the book's positions
    heard: Decimal = ZERO  # shares that the venue has filled, as far as it told
    told: bool = False  # whether there was any word of it
    over: bool = False
    missing: bool = False  # the last answer was that the venue knows no such order


class ShadowLedger:
    """Folds the core's books, the effects that left, and the venue's reports into what is held and what works.

    A position is that of the last book, and what the venue has told beyond it of orders that left here: so it is right
    also while the core hears of nothing. Not for several threads at once.
    """

    def __init__(self) -> None:
        self.book = ""  # what the session's order ids begin with; empty before its first book
        self.number = 0  # of the last input that was seen
        self.known: dict[str, TrackedOrder] = {}
        self.accounts = 0  # reports of the account
        self._in_account: dict[str, Decimal] = {}  # shares that its last report told, by symbol
        self._held: dict[str, HeldPosition] = {}
        self._foreign: dict[str, Decimal] = {}  # shares in the account that are accepted as not ours, by symbol

    def fold_batch(self, number: int, facts: Iterable[Entry], book: Book | None) -> None:
        """Take what an input led to: fills that the core has counted, and the book after it."""
        if book is not None and book.name != self.book:
            self.book, self.number = book.name, 0  # another session goes on, and counts its inputs from the start
        self.number = max(self.number, number)
        for fact in facts:
            if isinstance(fact, OrderFilled) and (known := self.known.get(fact.execution.order)) is not None:
                known.counted += fact.execution.quantity
                if fact.execution.undone:
                    known.heard = min(known.heard, known.counted)
        if book is None:
            return
        self._held = {position.symbol: position for position in book.positions}
        self._foreign = book.foreign
        working = {entry.order.id: entry for entry in book.orders}
        for order_id, entry in working.items():
            known = self.known.setdefault(
                order_id, TrackedOrder(entry.order, heard=entry.filled, told=bool(entry.venue_id))
            )
            known.counted = entry.filled
        self.known = {name: known for name, known in self.known.items() if name in working or not _is_done(known)}

    def add_order(self, order: SubmitOrder) -> None:
        """Take note of an order that leaves."""
        self.known.setdefault(order.id, TrackedOrder(order))

    def fold_report(self, report: Report) -> None:
        """Record what the venue reports."""
        if isinstance(report, AccountReport):
            self._in_account = {held.symbol: held.quantity for held in report.positions}
            self.accounts += 1
            for order in report.orders:
                self.fold_report(order)
        elif isinstance(report, OrderReport):
            if (known := self.known.get(report.order)) is not None:
                known.heard = report.filled if report.revises else max(known.heard, report.filled)
                known.over = known.over or report.status in OVER
                known.told, known.missing = True, False
        elif isinstance(report, OrderMissing) and (known := self.known.get(report.order)) is not None:
            known.missing = True

    def working(self) -> list[TrackedOrder]:
        """Return the orders of which no report has said that they are over."""
        return [known for known in self.known.values() if not known.over]

    def entries_in_flight(self) -> list[str]:
        """Return the entries that left and of which there was no word yet."""
        return [
            k.order.id for k in self.known.values() if k.order.role == OrderRole.ENTRY and not (k.told or k.counted)
        ]

    def positions(self) -> dict[str, tuple[Decimal, str]]:
        """Return what is held by symbol: shares, negative for a short position, and the decision that it is of."""
        held = {symbol: p.side.sign * (p.entered - p.exited) for symbol, p in self._held.items()}
        decisions = {symbol: position.decision for symbol, position in self._held.items()}
        for known in self.known.values():
            if more := known.heard - known.counted:
                order = known.order
                held[order.symbol] = held.get(order.symbol, ZERO) + order.side.sign * more
                decisions.setdefault(order.symbol, order.decision)
        return {symbol: (shares, decisions[symbol]) for symbol, shares in held.items() if shares}

    def in_account(self, symbol: str) -> Decimal:
        """Return what the account holds of a symbol, by its last report, without what is accepted as not ours."""
        return self._in_account.get(symbol, ZERO) - self._foreign.get(symbol, ZERO)


def _is_done(known: TrackedOrder) -> bool:
    """Whether nothing of an order that the book does not list can be news to the core."""
    if known.order.role == OrderRole.GATE:  # the core may not have heard of it at all
        return known.over and known.heard <= known.counted
    return known.heard <= known.counted
