"""The order cache: every order of ours, where it is in its life, and how much of it was filled."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from actors.orders import OVER, Execution, OrderEvent, OrderReport, OrderStatus, SubmitOrder, after

REMEMBERED_ORDERS = 1_000  # finished ones, for reports that come late
ZERO = Decimal(0)

_EVENTS = {
    OrderStatus.ACCEPTED: OrderEvent.ACCEPT,
    OrderStatus.PARTIALLY_FILLED: OrderEvent.PARTIAL_FILL,
    OrderStatus.FILLED: OrderEvent.FILL,
    OrderStatus.CANCEL_PENDING: OrderEvent.ACCEPT,  # somebody asked for it: not we, or we know it already
    OrderStatus.CANCELED: OrderEvent.CANCELED,
    OrderStatus.REJECTED: OrderEvent.REJECT,
    OrderStatus.EXPIRED: OrderEvent.EXPIRE,
}
"""What a status in a report means for an order."""


class Order(msgspec.Struct, eq=False):
    """One order and what became of it so far."""

    order: SubmitOrder
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
    executions: tuple[str, ...] = ()  # ids of those counted in `filled`; few, and there are many orders

    @property
    def id(self) -> str:
        return self.order.id

    @property
    def open(self) -> Decimal:
        """Shares that may still be filled."""
        return self.order.quantity - self.filled


class OrderCache:
    """Folds what is reported into the orders' states; it decides nothing.

    A venue's reports are cumulative: the difference to what is known becomes one execution, whose id is made of the
    order and its filled quantity, so that the same news gives the same execution whichever way it comes.
    """

    def __init__(self) -> None:
        self.working: dict[str, Order] = {}
        self._over: dict[str, Order] = {}  # oldest first

    def add(self, order: SubmitOrder, status: OrderStatus | None = None) -> Order:
        """Take in an order that is sent now, or one that was found at the venue in some status."""
        entry = self.working[order.id] = Order(order, status or OrderStatus.CREATED)
        if status is None:
            self.move(entry, OrderEvent.SUBMIT)
        return entry

    def get(self, order_id: str) -> Order | None:
        """Return an order that is working, or was not long ago."""
        return self.working.get(order_id) or self._over.get(order_id)

    def of(self, symbol: str) -> list[Order]:
        """Return the working orders of a symbol, oldest first."""
        return [entry for entry in self.working.values() if entry.order.symbol == symbol]

    def has_had(self, symbol: str) -> bool:
        """Tell whether an order of a symbol works, or is remembered."""
        return any(entry.order.symbol == symbol for of in (self.working, self._over) for entry in of.values())

    def move(self, entry: Order, event: OrderEvent) -> bool:
        """Let something happen to an order; False if the table knows no such transition."""
        status = after(entry.status, event)
        if status is None:
            return False
        if status is not entry.status:
            entry.status = status
            entry.changes += 1
            if status in OVER:
                self._finish(entry)
            else:
                self._over.pop(entry.id, None)
                self.working[entry.id] = entry
        return True

    def execute(self, execution: Execution) -> Order | None:
        """Count an execution of one of our orders; return that order, None if it is of nobody."""
        entry = self.get(execution.order)
        if entry is not None and execution.id not in entry.executions:
            entry.executions += (execution.id,)
            self._count(entry, execution.quantity, execution.quantity * execution.price)
        return entry

    def execution(self, entry: Order, report: OrderReport) -> Execution | None:
        """Return what a report says was filled beyond what is known; None if that is nothing."""
        quantity = report.filled - entry.filled
        if quantity <= 0 or report.average is None:
            return None
        value = report.filled * report.average - entry.value
        price = value / quantity
        if not price > 0:  # an average that was rounded, over shares that cost next to nothing
            price = report.average
        return Execution(
            f"{entry.id}/{report.filled.normalize():f}",
            entry.id,
            entry.order.symbol,
            entry.order.side,
            quantity,
            price,
            report.ts,
        )

    def see(self, entry: Order, report: OrderReport) -> None:
        """Take a report's status, once its fills are counted, unless it is older than what is known."""
        entry.venue_id = entry.venue_id or report.venue_id
        event = _EVENTS.get(report.status)
        if event is None or (report.filled < entry.filled and report.status not in OVER):
            return
        self.move(entry, event)

    def _count(self, entry: Order, quantity: Decimal, value: Decimal) -> None:
        entry.filled += quantity
        entry.value += value
        if entry.filled >= entry.order.quantity:
            self.move(entry, OrderEvent.FILL)
        else:
            self.move(entry, OrderEvent.PARTIAL_FILL)

    def _finish(self, entry: Order) -> None:
        self.working.pop(entry.id, None)
        self._over[entry.id] = entry
        if len(self._over) > REMEMBERED_ORDERS:
            del self._over[next(iter(self._over))]
