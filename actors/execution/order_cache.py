"""The order cache: every order of ours, where it is in its life, and how much of it was filled."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from actors.execution.order_states import OrderEvent, after
from actors.orders import OVER, Execution, OrderReport, OrderRole, OrderStatus, SubmitOrder

REMEMBERED_ORDERS = 1_000  # finished ones, for reports that come late
ZERO = Decimal(0)

_EVENTS = {
    OrderStatus.ACCEPTED: OrderEvent.ACCEPT,
    OrderStatus.PARTIALLY_FILLED: OrderEvent.PARTIAL_FILL,
    OrderStatus.FILLED: OrderEvent.FILL,
    OrderStatus.CANCEL_PENDING: OrderEvent.ACCEPT,  # asked for by hand, or by us, and then it is known already
    OrderStatus.CANCELED: OrderEvent.CANCELED,
    OrderStatus.REJECTED: OrderEvent.REJECT,
    OrderStatus.EXPIRED: OrderEvent.EXPIRE,
}
"""What a status in a report means for an order."""


class Order(msgspec.Struct, eq=False):
    """One order and what became of it so far."""

    request: SubmitOrder
    status: OrderStatus = OrderStatus.CREATED
    filled: Decimal = ZERO  # shares
    value: Decimal = ZERO  # money paid or got for them
    venue_id: str = ""
    changes: int = 0  # so that a timer can see that it is of an earlier state
    lost_at: int = 0  # ns: since when its state is unknown
    unwanted: bool = False  # to be canceled as soon as it can be
    cancels: int = 0  # how often the venue was asked to cancel it
    cancel_at: int = 0  # ns: not to be canceled again before
    cancel_due: int = 0  # ns: the `cancel_at` for which a timer is set
    limit: Decimal | None = None  # that the venue gave a stop of ours
    expires_at: int = 0  # ns: when the venue lets it end by itself; 0 where it did not say
    executions: tuple[str, ...] = ()  # ids of those counted in `filled`; few, and there are many orders
    counted_at: int = 0  # ns: of the newest report that agrees with what is counted
    revised_at: int = 0  # ns: when the venue undid an execution of it last; reports of before that are old
    newest: OrderReport | None = None  # of those that were heard in this session
    doubted: bool = False  # the account holds something else: a report that says less is to be believed

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def symbol(self) -> str:
        return self.request.symbol

    @property
    def role(self) -> OrderRole:
        return self.request.role

    @property
    def open(self) -> Decimal:
        """Shares that may still be filled."""
        return self.request.quantity - self.filled


class OrdersView(Protocol):
    """The orders, as those read them who must not change them."""

    @property
    def working(self) -> Mapping[str, Order]: ...

    def get(self, order_id: str) -> Order | None: ...

    def is_working(self, symbol: str) -> bool: ...

    def has_had(self, symbol: str) -> bool: ...


class OrderCache:
    """Folds what is reported into the orders' states; it decides nothing.

    A venue's reports are cumulative: the difference to what is known becomes one execution, whose id is made of the
    order and its filled quantity, so that the same news gives the same execution whichever way it comes.
    """

    def __init__(self) -> None:
        self.working: dict[str, Order] = {}
        self._over: dict[str, Order] = {}  # oldest first

    def add(self, request: SubmitOrder, status: OrderStatus | None = None) -> Order:
        """Take in an order that is sent now, or one that was found at the venue in some status."""
        order = self.working[request.id] = Order(request, status or OrderStatus.CREATED)
        if status is None:
            self.move(order, OrderEvent.SUBMIT)
        return order

    def get(self, order_id: str) -> Order | None:
        """Return an order that is working, or was not long ago."""
        return self.working.get(order_id) or self._over.get(order_id)

    def of(self, symbol: str) -> list[Order]:
        """Return the working orders of a symbol, oldest first."""
        return [order for order in self.working.values() if order.symbol == symbol]

    def is_working(self, symbol: str) -> bool:
        """Return whether an order of a symbol is still on its way."""
        return any(order.symbol == symbol for order in self.working.values())

    def has_had(self, symbol: str) -> bool:
        """Return whether an order of a symbol works, or is remembered."""
        return any(order.symbol == symbol for of in (self.working, self._over) for order in of.values())

    def filled_last(self, symbol: str, most: int) -> list[Order]:
        """Return the newest orders of a symbol of which something is counted, the newest first."""
        found = [o for of in (self._over, self.working) for o in of.values() if o.symbol == symbol and o.filled]
        return found[: -most - 1 : -1]

    def move(self, order: Order, event: OrderEvent) -> bool:
        """Apply an event to an order; return False if the table knows no such transition."""
        status = after(order.status, event)
        if status is None:
            return False
        if status is not order.status:
            order.status = status
            order.changes += 1
            if status in OVER:
                self._finish(order)
            else:
                self._over.pop(order.id, None)
                self.working[order.id] = order
        return True

    def count_execution(self, execution: Execution) -> Order | None:
        """Count an execution of one of our orders; return that order, None if it is none of ours."""
        order = self.get(execution.order)
        if order is not None and execution.id not in order.executions:
            order.executions += (execution.id,)
            order.filled += execution.quantity
            order.value += execution.value
            if execution.undone:
                order.revised_at = max(order.revised_at, execution.ts)
                return order
            whole = order.filled >= order.request.quantity
            self.move(order, OrderEvent.FILL if whole else OrderEvent.PARTIAL_FILL)
        return order

    def execution_of(self, order: Order, report: OrderReport) -> Execution | None:
        """Return what a report says was filled beyond what is known; None if that is nothing."""
        if order.revised_at and report.ts <= order.revised_at:
            return None  # of before an execution was undone
        quantity = report.filled - order.filled
        if quantity <= 0 or report.average is None:
            return None
        value = report.filled * report.average - order.value
        price = value / quantity
        if not price > 0:  # an average that was rounded, over shares that cost next to nothing
            price = report.average
        since = f"~{order.revised_at}" if order.revised_at else ""  # so many may have been filled before, and undone
        return Execution(
            f"{order.id}/{report.filled.normalize():f}{since}",
            order.id,
            order.symbol,
            order.request.side,
            quantity,
            price,
            report.ts,
        )

    def apply_status(self, order: Order, report: OrderReport) -> None:
        """Take a report's status, once its fills are counted, unless it is older than what is known."""
        order.venue_id = order.venue_id or report.venue_id
        if order.newest is None or report.ts >= order.newest.ts:
            order.newest = report
        if report.revises:
            order.revised_at = max(order.revised_at, report.ts)
        if report.ts < order.revised_at:
            return
        if report.filled == order.filled:
            order.counted_at = max(order.counted_at, report.ts)
        order.limit, order.expires_at = report.limit or order.limit, report.expires_at or order.expires_at
        event = _EVENTS.get(report.status)
        if event is None or (report.filled < order.filled and report.status not in OVER):
            return
        self.move(order, event)

    def _finish(self, order: Order) -> None:
        self.working.pop(order.id, None)
        self._over[order.id] = order
        if len(self._over) > REMEMBERED_ORDERS:
            del self._over[next(iter(self._over))]
