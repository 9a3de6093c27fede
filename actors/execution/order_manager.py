"""The order manager: sends, cancels and looks up orders, with a time-out for each that is to be answered."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from actors.actor import Context, Port, Receiver
from actors.book import OpenOrder
from actors.execution.actions import Action, Cancel
from actors.execution.decisions import Decisions
from actors.execution.messages import OrderTimer, RecountOrders, TimerKind
from actors.execution.order_cache import Order, OrderCache
from actors.execution.order_states import OrderEvent
from actors.execution.policy import ExecutionPolicy, Terms
from actors.execution.recount import Recount
from actors.execution.retries import wait_s
from actors.messages import NOT_OUTLIVED, OrderChanged, OrderSubmitted
from actors.orders import OVER, CancelOrder, LookUpOrder, OrderCommand, OrderStatus, SubmitOrder
from pipeline.events import SECOND

_CANCELABLE = frozenset((OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED))
_UNANSWERED = frozenset((OrderStatus.SUBMITTED, OrderStatus.CANCEL_PENDING))


class OrderManager:
    """Carries out what the executor decided: it alone talks to the broker.

    `timers` is who is told of the time-outs, which come back to `receive`.
    """

    def __init__(
        self,
        context: Context,
        policy: ExecutionPolicy,
        orders: OrderCache,
        decisions: Decisions,
        tell_broker: Port[OrderCommand],
        timers: Receiver[OrderTimer],
    ) -> None:
        self.recount = Recount(orders, decisions)
        self._context = context
        self._policy = policy
        self._orders = orders
        self._decisions = decisions
        self._tell_broker = tell_broker
        self._timers = timers

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Do what was decided, in order."""
        for action in actions:
            if isinstance(action, Cancel):
                self.cancel(action.order)
            else:
                self._submit(action.order, action.terms)

    def _submit(self, wanted: SubmitOrder, terms: Terms) -> None:
        name = self._decisions.new_order_id(wanted.decision, wanted.symbol, wanted.role)
        request = msgspec.structs.replace(wanted, id=name, limit=terms.limit)
        order = self.expect_answer(request)
        self._tell_broker(request)
        if terms.timer is not None:
            self._set_timer(order, terms.timer, terms.within_s)

    def expect_answer(self, request: SubmitOrder) -> Order:
        """Take in an order that is on its way to the broker."""
        order = self._orders.add(request)
        self._context.publish(OrderSubmitted(request, self._context.now, self._context.input))
        self._set_timer(order, TimerKind.ANSWER, self._policy.answer_timeout_s)
        return order

    def expect_gate(self, request: SubmitOrder) -> None:
        """Take in an order that the gate has sent by itself, once."""
        if self._orders.get(request.id) is None:
            self.expect_answer(request)

    def bound_rest(self, order: Order) -> None:
        """Cancel what is left of an entry a while after its first fill, however long it is good for.

        No stop rests at the venue while the entry works: a part of it is not to be held for hours without one.
        """
        if order.request.until and order.status is OrderStatus.PARTIALLY_FILLED:
            self._set_timer(order, TimerKind.ENTRY, self._policy.entry_timeout_s)

    def take_over(
        self, request: SubmitOrder, status: OrderStatus, filled: Decimal, value: Decimal, venue_id: str = ""
    ) -> Order:
        """Take in an order of an earlier run, of which so much is counted already."""
        self._decisions.count(request.decision, request.id, filled, value)
        order = self._orders.add(request, status)
        order.filled, order.value, order.venue_id = filled, value, venue_id
        return order

    def go_on(self, found: OpenOrder) -> None:
        """Go on with an order of an earlier session: it is looked up, or over with that session."""
        if not self._policy.outlives_session:
            over = Order(found.order, OrderStatus.CANCELED, found.filled, found.value)
            self.publish(over, found.status, NOT_OUTLIVED)
            return
        order = self.take_over(found.order, found.status, found.filled, found.value, found.venue_id)
        order.unwanted = found.unwanted
        if until := order.request.until:
            soon = self._context.now + round((self._policy.entry_timeout_s or 0.0) * SECOND)
            self._wake(order, TimerKind.ENTRY, min(until, soon))  # its signal's exits are not known any more
        if order.status is OrderStatus.UNKNOWN:  # already then; who asked is gone
            order.lost_at = self._context.now
            self.look_up(order)
        else:
            self.lose(order, "the bot was restarted")

    def cancel(self, order: Order) -> None:
        """Take an order back; one that the venue did not cancel, after a while again, and later each time."""
        order.unwanted = True
        if order.status not in _CANCELABLE:
            return
        now = self._context.now
        if now < order.cancel_at:
            if order.cancel_due != order.cancel_at:  # else it is waited for already
                order.cancel_due = order.cancel_at
                self._wake(order, TimerKind.CANCEL, order.cancel_at)
            return
        self.move(order, OrderEvent.CANCEL)
        self._tell_broker(CancelOrder(order.id))
        order.cancels += 1
        order.cancel_at = now + round(wait_s(self._policy.look_up_s or 0.0, order.cancels) * SECOND)
        self._set_timer(order, TimerKind.ANSWER, self._policy.answer_timeout_s)

    def lose(self, order: Order, reason: str, refusals: int = 0) -> None:
        """The order's state is unknown: ask, and send nothing in its place until there is an answer."""
        if order.status not in OVER and order.status is not OrderStatus.UNKNOWN:
            order.lost_at = self._context.now
            self.move(order, OrderEvent.LOSE, reason, refusals)
            self.look_up(order)

    def look_up(self, order: Order) -> None:
        """Ask the venue what became of an order, and again until it answers."""
        self._tell_broker(LookUpOrder(order.id))
        self._set_timer(order, TimerKind.LOOK_UP, self._policy.look_up_s)

    def receive(self, message: OrderTimer | LookUpOrder | RecountOrders) -> None:
        """Do what is due about an order, or look one up, or those of a symbol that the account does not bear out."""
        match message:
            case OrderTimer():
                self._on_timer(message)
            case LookUpOrder():
                self._tell_broker(message)
            case RecountOrders():
                for order_id in self.recount.begin(message.symbol):
                    self._tell_broker(LookUpOrder(order_id))

    def _on_timer(self, timer: OrderTimer) -> None:
        """Do what is due about an order that still works."""
        order = self._orders.working.get(timer.order)
        if order is None:
            return
        if timer.kind in (TimerKind.ENTRY, TimerKind.REPRICE, TimerKind.CANCEL, TimerKind.RENEW):
            self.cancel(order)  # whatever became of it since: it had its time
        elif order.changes != timer.changes:
            return
        elif timer.kind is TimerKind.ANSWER and order.status in _UNANSWERED:
            self.lose(order, "no answer")
        elif timer.kind is TimerKind.LOOK_UP and order.status is OrderStatus.UNKNOWN:
            self.look_up(order)

    def move(self, order: Order, event: OrderEvent, reason: str = "", refusals: int = 0) -> bool:
        """Apply an event to an order, state it if that changes the status, and return whether it does."""
        before = order.status
        changes = self._orders.move(order, event) and order.status is not before
        if changes:
            self.publish(order, before, reason, refusals)
        return changes

    def publish(self, order: Order, before: OrderStatus, reason: str, refusals: int = 0) -> None:
        """State that an order changed."""
        name, symbol, decision, status = order.id, order.symbol, order.request.decision, order.status
        now, number, venue_id = self._context.now, self._context.input, order.venue_id
        self._context.publish(
            OrderChanged(name, symbol, status, before, order.filled, now, number, venue_id, reason, refusals, decision)
        )

    def _set_timer(self, order: Order, kind: TimerKind, within_s: float | None) -> None:
        """Be told if the order is still in the same state after so many seconds; None: never."""
        if within_s is not None:
            self._wake(order, kind, self._context.now + round(within_s * SECOND))

    def _wake(self, order: Order, kind: TimerKind, at: int) -> None:
        self._context.wake(self._timers, OrderTimer(kind, order.id, order.changes), at)
