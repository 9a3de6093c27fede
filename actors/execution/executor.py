"""Executor: turns approved signals and signals to exit into orders, and follows them to their end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from actors.actor import Context, Port, SymbolView, assert_known
from actors.book import Book, CountedOrder, OpenOrder
from actors.execution.account_cap import AccountCap
from actors.execution.actions import Cancel, enter, keep_stop
from actors.execution.carried import CarriedExits
from actors.execution.decisions import Decisions
from actors.execution.exits import ExitIntent, ExitIntents
from actors.execution.known_orders import decision_of
from actors.execution.messages import (
    AccountLacks,
    AdoptOrder,
    CancelEntries,
    CloseAll,
    Enter,
    ExecutorMessage,
    KnownOrder,
    MissedOrder,
    OrderOver,
    OrderTimer,
    Reconciled,
    RecountOrders,
    ReviewPosition,
    StockSplit,
)
from actors.execution.order_cache import Order, OrderCache
from actors.execution.order_manager import OrderManager
from actors.execution.order_states import OrderEvent
from actors.execution.partial_exits import PartialExits
from actors.execution.policy import ExecutionPolicy
from actors.execution.retries import Retries
from actors.execution.revisions import news_of
from actors.messages import (
    BrokerChanged,
    ExitDecided,
    ExitReason,
    FeedState,
    GateOrder,
    PositionClosed,
    PositionOpened,
)
from actors.orders import (
    OVER,
    CancelRefused,
    Execution,
    LookUpOrder,
    OrderCommand,
    OrderMissing,
    OrderRejected,
    OrderReport,
    OrderRole,
    OrderStatus,
    SubmitUnanswered,
)
from actors.portfolio.positions import Fill, Position, of_session
from pipeline.events import SECOND
from pipeline.exits import ExitSignal, Held, SignalExits

STOP_TRIES = 3
"""A position for which the venue refuses so many protective stops is closed."""

SubscribeExits = Callable[[str, Held | None, SignalExits | None], None]
"""Subscribes the exits of what is held in a symbol, in place of those before it; None: nothing is held any more.

The exits are those that the position's signal carried; None: it carried none.
"""


class Executor:
    """The actor that owns the orders.

    What a position needs follows from what is: with an intent to exit, entry and protective stop are taken back first,
    then one exit order at a time is sent, for what is still held; without one, a stop rests for exactly what is held,
    or for what stays while a part is closed. That is reviewed after every report and time-out, so it does not matter in
    what order news comes. Order ids are made of their cause: the same input can never buy twice. How orders are priced
    and timed, the policy says.
    """

    def __init__(
        self,
        context: Context,
        policy: ExecutionPolicy,
        book: str,
        orders: OrderCache,
        positions: Mapping[str, Position],
        subscribe_exits: SubscribeExits,
        tell_broker: Port[OrderCommand],
        tell_positions: Port[Fill],
        tell_risk: Port[OrderOver],
    ) -> None:
        self.exits = ExitIntents(policy)
        self.parts = PartialExits(policy)
        self._context = context
        self._policy = policy
        self._orders = orders
        self._positions = positions
        self._subscribe_exits = subscribe_exits
        self._decisions = Decisions(book, positions, orders)
        self._manager = OrderManager(context, policy, orders, self._decisions, tell_broker, self)
        self._retries = Retries(policy.retry_s)
        self._carried = CarriedExits()
        self._cap = AccountCap()
        self._unreconciled = False  # a book was taken up, and the account not seen yet
        self._tell_positions = tell_positions
        self._tell_risk = tell_risk

    def receive(self, message: ExecutorMessage) -> None:
        match message:
            case Execution():
                self._on_execution(message)
            case ExitSignal() if message.part < 1:
                self._request_part(message)
            case ExitSignal():
                self._request_exit(message.symbol, message.reason)
            case Enter():
                self._on_enter(message)
            case PositionOpened():
                self._on_opened(message)
            case PositionClosed():
                self._subscribe_exits(message.symbol, None, None)
                self.parts.forget(message.symbol)
                self._review(message.symbol)
            case OrderReport():
                self._on_report(message)
            case ReviewPosition():
                self._review(message.symbol)
            case OrderTimer() | LookUpOrder() | RecountOrders():
                self._manager.receive(message)
            case AccountLacks():
                if self._policy.cap_by_account:
                    self._cap.note(message, self._orders.of(message.symbol))
                    self._review(message.symbol)
            case StockSplit():
                self._cap.forget(message.symbol)
                self.exits.forget_priced(message.symbol, self._orders.of(message.symbol))
                self.parts.scale(message.symbol, message.ratio)
            case AdoptOrder():
                self._on_adopted(message)
            case MissedOrder():
                self._on_missed(message)
            case KnownOrder():
                self.parts.note_known(message.counted, self._positions)
                self._count(message.counted)
            case Reconciled():
                self._on_reconciled(message)
            case GateOrder():
                self._manager.expect_gate(message.order)
            case CloseAll():
                self._close_all(message.reason, message.symbols)
            case BrokerChanged():
                self._on_line(message)
            case CancelEntries():
                self._cancel_entries()
            case OrderRejected():
                self._on_rejected(message)
            case SubmitUnanswered() | CancelRefused():
                self._on_unanswered(message)
            case OrderMissing():
                self._on_missing(message)
            case _:
                assert_known(self, message)

    # -------------------------------------------------------------------------------------------- the book

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Return the orders that work, to be written down."""
        working = self._orders.working.values()
        return tuple(OpenOrder(o.request, o.status, o.filled, o.value, o.venue_id, o.unwanted) for o in working)

    def counted(self) -> tuple[CountedOrder, ...]:
        """Return what is counted of the orders for what is held or ordered yet, to be written down."""
        return self._decisions.counted() if self._policy.outlives_session else ()

    def restore(self, book: Book) -> None:
        """Go on with the orders of an earlier session: each is looked up, since it went on unwatched.

        Orders at a simulated broker ended with the session that sent them, and that is stated. A position that was on
        its way out needs no protective stop any more. Until the account was seen, nothing is sent for a position: the
        book may be older than what happened to it.
        """
        self._unreconciled = outlived = self._policy.outlives_session
        for counted in book.counted:
            self._count(counted)
        for symbol, reason in book.closing.items():
            if symbol in self._positions:
                self.exits.intents[symbol] = ExitIntent(reason)
            elif outlived:
                self.exits.closing_entries[symbol] = reason
        for symbol in self.parts.restore(book, self._positions):
            self._review_later(symbol)
        for found in book.orders:
            # Inputs are counted from 1 again: without its session's name, the decision would be taken for one of this.
            decision = of_session(book.name, found.order.decision)
            request = msgspec.structs.replace(found.order, decision=decision)
            self._manager.go_on(msgspec.structs.replace(found, order=request))

    def _count(self, counted: CountedOrder) -> None:
        self._decisions.count(decision_of(counted.order), counted.order, counted.filled, counted.value)

    # ------------------------------------------------------------------------------------------- entries

    def _on_enter(self, approved: Enter) -> None:
        self._carried.note(approved)
        market = self._context.symbol_view(approved.signal.symbol)
        self._manager.carry_out([enter(approved, market, self._context.now, self._policy)])

    # ------------------------------------------------------------------------------- what a position needs

    def _review(self, symbol: str) -> None:
        """Do the next thing that the position of `symbol` needs, if it is not being done already."""
        position = self._positions.get(symbol)
        working = self._orders.of(symbol)
        exits, manager = self.exits, self._manager
        if position is None:
            exits.forget(symbol, entry_works=any(order.role is OrderRole.ENTRY for order in working))
            self.parts.forget(symbol)
            self._retries.forget_symbol(symbol)
            self._cap.forget(symbol)
            for order in working:
                if order.role is not OrderRole.ENTRY:
                    manager.cancel(order)  # there is nothing left for it to close
        elif self._unreconciled:
            return
        elif symbol not in exits.intents and (why := exits.unwanted(position)):
            self._request_exit(symbol, why)
        else:
            market = self._context.symbol_view(symbol)
            intent = exits.to_close(symbol, market, working)
            unclear = self._cap.waits(symbol, working)
            most = position.quantity if unclear else self._cap.closable(position)
            if intent is not None:
                waits = self._retries.waits(symbol, OrderRole.EXIT, self._context.now)
                manager.carry_out(exits.close(position, intent, market, working, waits=waits, quantity=most))
            elif unclear:
                return  # its answer is a reason to look again
            elif symbol in exits.intents or most < position.quantity or not self._close_part(position, market, working):
                manager.carry_out([Cancel(order) for order in working if order.role is OrderRole.PART])
                if not self._retries.waits(symbol, OrderRole.STOP, self._context.now):
                    manager.carry_out(keep_stop(position, working, self._policy, most))

    def _close_part(self, position: Position, market: SymbolView, working: Sequence[Order]) -> bool:
        """Do the next thing to close a part of a position; return False if there is none to close."""
        part = self.parts.to_close(position, market, working, self.exits.priceless)
        if part is None:
            return False
        if part.open(position) >= position.quantity:  # something else has taken of the rest
            self._request_exit(position.symbol, part.reason)
        else:
            symbol, now = position.symbol, self._context.now
            waits = {role: self._retries.waits(symbol, role, now) for role in (OrderRole.PART, OrderRole.STOP)}
            self._manager.carry_out(self.parts.close(position, part, market, working, waits))
        return True

    def _request_exit(self, symbol: str, reason: str) -> None:
        if symbol not in self._positions:
            return
        self.parts.end(symbol)
        intents = self.exits.intents
        before = intents[symbol].reason if symbol in intents else ""
        self._manager.carry_out(self.exits.request(symbol, reason, self._orders.of(symbol)))
        if (decided := intents[symbol].reason) != before:
            self._context.publish(ExitDecided(symbol, decided, self._context.now, self._context.input))
        self._review(symbol)

    def _request_part(self, wish: ExitSignal) -> None:
        """Note that a part of a position is to be closed, if its exit has not had it and not all of it is closed."""
        symbol, position = wish.symbol, self._positions.get(wish.symbol)
        if position is None or symbol in self.exits.closing:
            return
        shares = self.parts.request(position, wish)
        if shares is None:
            self._request_exit(symbol, wish.reason)
        elif shares:
            self._context.publish(ExitDecided(symbol, wish.reason, self._context.now, self._context.input, shares))
            self._review(symbol)

    def _close_all(self, reason: ExitReason, symbols: frozenset[str] | None = None) -> None:
        for order in self._orders.working.values():
            if order.role is OrderRole.ENTRY and (symbols is None or order.symbol in symbols):
                self.exits.closing_entries[order.symbol] = reason  # also what it may fill yet
        self._cancel_entries(symbols)
        held = [symbol for symbol in self._positions if symbols is None or symbol in symbols]
        for symbol in sorted(held, key=lambda s: self._context.symbol_view(s).index):
            self._request_exit(symbol, reason)

    def _cancel_entries(self, symbols: frozenset[str] | None = None) -> None:
        """Cancel what would open a position; an exit under way is what closing needs."""
        for order in list(self._orders.working.values()):
            if order.role is OrderRole.ENTRY and (symbols is None or order.symbol in symbols):
                self._manager.cancel(order)

    # ----------------------------------------------------------------------------------------- reports

    def _on_execution(self, execution: Execution) -> None:
        order = self._orders.count_execution(execution)
        if order is None:
            return  # of an order that is none of ours
        request, undone = order.request, bool(execution.undone)
        self._cap.note_execution(execution)
        self._decisions.count(request.decision, order.id, order.filled, order.value, revised=undone)
        self._manager.bound_rest(order)
        self._tell_positions(Fill(execution, request.decision, request.reason, order.role is OrderRole.PART))
        if order.role is OrderRole.PART:
            self._review_later(order.symbol)
        elif order.role is OrderRole.STOP and self.parts.under_way(order.symbol) and not undone:
            self._context.tell(self, ExitSignal(order.symbol, ExitReason.STOP))  # no part waits for a better price now

    def _on_report(self, report: OrderReport) -> None:
        order = self._orders.get(report.order)
        if order is None:  # of an earlier run, or not ours: the reconciler judges it by the next report of the account
            if (missed := self._manager.recount.missed(report)) is not None:
                self._on_missed(missed)
            return
        before, filled = order.status, order.filled
        if (execution := news_of(self._orders, order, report)) is not None:
            self._on_execution(execution)
        self._orders.apply_status(order, report)
        if order.status is not before or order.filled != filled:
            self._manager.publish(order, before, report.reason)
            if order.status in OVER and before not in OVER:
                self._on_over(order, report.reason, passed=report.passed)
        if order.unwanted or before in OVER:
            self._manager.cancel(order)  # also one that turned up after it was given up
        self._review_later(report.symbol)

    def _on_line(self, line: BrokerChanged) -> None:
        """Try at once what was refused while the broker could not be reached."""
        if line.state is FeedState.LIVE:
            for symbol in self._retries.end(self._context.now):
                self._review_later(symbol)

    def _on_rejected(self, report: OrderRejected) -> None:
        order = self._orders.get(report.order)
        if order is not None and order.status not in OVER:
            self._orders.move(order, OrderEvent.REJECT)
            self._on_over(order, report.reason)

    def _on_unanswered(self, report: SubmitUnanswered | CancelRefused) -> None:
        order = self._orders.working.get(report.order)
        if order is not None:
            refusals = order.cancels if isinstance(report, CancelRefused) else 0
            self._manager.lose(order, report.reason, refusals)

    def _on_missing(self, report: OrderMissing) -> None:
        """Believe that an order is not there once it was missing for long enough: a submit may be slow."""
        order = self._orders.working.get(report.order)
        if order is None or order.status is not OrderStatus.UNKNOWN:
            return
        if self._context.now - order.lost_at >= self._policy.missing_s * SECOND:
            reason = "the venue never got it"
            if self._manager.move(order, OrderEvent.REJECT, reason):
                self._on_over(order, reason)

    def _on_over(self, order: Order, reason: str, *, passed: bool = False) -> None:
        """An order came to its end: let risk know, and see what its position needs now."""
        symbol = order.symbol
        refusals = 0
        if order.role is not OrderRole.ENTRY:
            refusals = self._count_refusal(order, passed=passed)
        elif order.status is not OrderStatus.FILLED:
            self.exits.closing_entries.pop(symbol, None)
        if order.status is OrderStatus.REJECTED:
            self._context.publish(OrderRejected(order.id, symbol, self._context.now, reason, refusals))
        self._tell_risk(OrderOver(symbol))
        self._review_later(symbol)

    def _count_refusal(self, order: Order, *, passed: bool) -> int:
        """Wait before what a position needs is sent again if it was refused; return how often it was, in a row.

        What ends without a fill, and without us, counts too: else it would go to and fro as fast as the venue answers.
        """
        symbol, role = order.symbol, OrderRole.EXIT if order.role is OrderRole.GATE else order.role
        rejected = order.status is OrderStatus.REJECTED
        if not rejected and (order.unwanted or order.filled):
            self._retries.forget(symbol, role)
            return 0
        if role is OrderRole.STOP and passed:  # the price is where the stop was to close
            self._request_exit(symbol, ExitReason.STOP)
            return 1
        times = self._retries.refuse(symbol, role, self._context.now, leniently=not rejected)
        self._context.wake(self, ReviewPosition(symbol), self._retries.until(symbol, role))
        if role is OrderRole.PART:
            self.parts.refused(symbol, times, rejected=rejected)
        elif (intent := self.exits.intents.get(symbol)) is not None:
            intent.at_market = intent.at_market or rejected
        elif role is OrderRole.STOP and rejected and times >= STOP_TRIES:
            self._request_exit(symbol, ExitReason.NO_STOP)
        return times

    def _review_later(self, symbol: str) -> None:
        """Review a position once the fills that are on their way to it are booked."""
        self._context.tell(self, ReviewPosition(symbol))

    # ---------------------------------------------------------------------------------- orders of earlier runs

    def _on_adopted(self, found: AdoptOrder) -> None:
        """Take over an order that an earlier run left at the venue; once, however often it is found."""
        if self._orders.get(found.order.id) is not None:
            return
        status, filled, average = found.report.status, found.report.filled, found.report.average
        order = self._manager.take_over(found.order, status, filled, filled * (average or 0), found.report.venue_id)
        self.parts.note_found(order.id, self._positions)
        if not found.keep:
            self._manager.cancel(order)
        self._review_later(found.order.symbol)

    def _on_missed(self, missed: MissedOrder) -> None:
        """Count what the book lacks of an order; what is left of one that is no stop is taken back."""
        if self._orders.get(missed.order.id) is not None:
            return
        counted = missed.counted
        order = self._manager.take_over(missed.order, OrderStatus.UNKNOWN, counted.filled, counted.value)
        order.unwanted, order.doubted = order.role is not OrderRole.STOP, True
        self.parts.note_found(order.id, self._positions)
        self._on_report(missed.report)

    def _on_reconciled(self, message: Reconciled) -> None:
        if not message.booked:  # the fills of missed orders are on their way to the positions, before this
            self._context.tell(self, Reconciled(booked=True))
            return
        self._unreconciled = False
        for symbol in list(self._positions):
            self._review(symbol)

    # ------------------------------------------------------------------------------------------ guards

    def _on_opened(self, position: PositionOpened) -> None:
        """Guard a new position; one that grew is guarded again, at its new average price."""
        held = Held(position.symbol, position.side, float(position.entry_price), position.entry_ts)
        self._subscribe_exits(position.symbol, held, self._carried.of(position))
