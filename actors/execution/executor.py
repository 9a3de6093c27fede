"""Executor: turns approved signals and wishes to exit into orders, sees them through, and guards what was filled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import msgspec
from reactivex import abc

from actors.actor import Actor, Context, UnknownMessage
from actors.book import CountedOrder, OpenOrder
from actors.execution.decisions import Decisions
from actors.execution.order_cache import Order, OrderCache
from actors.execution.pricing import OrderSettings, entry_limit, exit_limit, protective_stop
from actors.execution.retries import Retries, wait_s
from actors.knowledge import decision_of
from actors.messages import (
    NOT_OUTLIVED,
    BrokerChanged,
    ExitDecided,
    ExitReason,
    FeedState,
    GateOrder,
    OrderChanged,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
)
from actors.orders import (
    OVER,
    CancelOrder,
    CancelRefused,
    Execution,
    LookUpOrder,
    OrderEvent,
    OrderMissing,
    OrderRejected,
    OrderReport,
    OrderSide,
    OrderStatus,
    SubmitOrder,
    SubmitUnanswered,
)
from actors.positions import Fill, Position, Positions, of_session
from actors.reconciler import AdoptOrder, KnownOrder, LookAfter, MissedOrder, Reconciled
from actors.risk import CancelEntries, CloseAll, Enter, OrderOver
from pipeline.events import SECOND, Side
from pipeline.exits import ExitSignal, Held

Guard = Callable[[Held], abc.DisposableBase]
"""Subscribes the exits of a position; what it returns is disposed of when the position is closed."""

AT_ONCE = frozenset(
    (
        ExitReason.SL,
        ExitReason.STOP,
        ExitReason.HALT,
        ExitReason.FLATTEN,
        ExitReason.NO_STOP,
        ExitReason.CLOSE,
        ExitReason.FALLBACK,
    )
)
"""Reasons for which an exit does not wait for a better price than the market's."""

_CANCELABLE = frozenset((OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED))

STOP_TRIES = 3  # a position for which the venue refuses so many protective stops is closed
EXIT, STOP = "exit", "stop"
"""What a position needs at the venue, one at a time; each has its own time of waiting after a refusal."""


class Due(msgspec.Struct, frozen=True):
    """A time-out: an order was in the same state (`changes`) for that long."""

    kind: str  # "answer", "entry", "reprice", "cancel" or "look up"
    order: str
    changes: int


class Pursue(msgspec.Struct, frozen=True):
    """Look at what a symbol's position needs."""

    symbol: str


class Retry(msgspec.Struct, frozen=True):
    """The time of waiting after a refusal is over: try again."""

    symbol: str


class Wish(msgspec.Struct):
    """A position is to be closed: why, and how often that was tried."""

    reason: str
    tries: int = 0
    at_once: bool = False


class Executor:
    """The actor that owns the orders.

    What a position needs follows from what is: a wish to exit takes the entry and the protective stop back first,
    then sends one exit order at a time, for what is still held; without a wish, a stop rests for exactly what is
    held. That is looked at anew after every report and time-out, so it does not matter in what order news comes. Order
    ids are made of their cause: the same input can never buy twice.

    `style` says how orders are priced and how long they may take. Without one the broker fills at once: orders go
    out at market, nothing rests, and there is nothing to wait for.
    """

    def __init__(
        self, context: Context, positions: Positions, book: str, guard: Guard, style: OrderSettings | None = None
    ) -> None:
        self._context = context
        self._positions = positions
        self._book = book
        self._guard = guard
        self._style = style
        self._guards: dict[str, abc.DisposableBase] = {}
        self._decisions = Decisions(book, self._live)
        self.wishes: dict[str, Wish] = {}
        self._retries = Retries(style.retry_s if style is not None else 1.0)
        self._unreconciled = False  # a book was taken up, and the account not seen yet
        self._closing: dict[str, str] = {}  # symbols whose working entry is to be closed if it fills after all: why
        self.orders = OrderCache()
        self.priceless: set[str] = set()  # symbols to leave as soon as there is a price
        self.broker: Actor | None = None
        self.risk: Actor | None = None

    def receive(self, message: object) -> None:
        match message:
            case Execution():
                self._on_execution(message)
            case ExitSignal():
                self._wish(message.symbol, message.reason)
            case Enter():
                self._enter(message)
            case PositionOpened():
                self._on_opened(message)
            case PositionClosed():
                self._on_closed(message)
            case OrderReport():
                self._on_report(message)
            case Pursue():
                self._pursue(message.symbol)
            case Due():
                self._on_due(message)
            case Retry():
                self._pursue(message.symbol)
            case LookAfter():
                self._context.tell(self._broker(), LookUpOrder(message.order))
            case AdoptOrder():
                self._adopt(message)
            case MissedOrder():
                self._on_missed(message)
            case KnownOrder():
                self._decisions.count(message.decision, *msgspec.structs.astuple(message.counted))
            case Reconciled():
                self._on_reconciled(message)
            case GateOrder():
                self._on_gate_order(message)
            case CloseAll():
                self._close_all(message)
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
                raise UnknownMessage(self, message)

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Return the orders that work, to be written down."""
        working = self.orders.working.values()
        return tuple(OpenOrder(e.order, e.status, e.filled, e.value, e.venue_id, e.unwanted) for e in working)

    def counted(self) -> tuple[CountedOrder, ...]:
        """Return what is counted of the orders for what is held or ordered yet, to be written down."""
        return self._decisions.counted() if self._style is not None else ()

    def _live(self) -> set[str]:
        """Return the decisions for which something is held or ordered."""
        decisions = {position.decision for position in self._positions.open.values()}
        return decisions | {entry.order.decision for entry in self.orders.working.values()}

    def closing(self) -> dict[str, str]:
        """Return what is to be closed, and why, by symbol: positions, and entries that may fill yet."""
        return self._closing | {symbol: wish.reason for symbol, wish in self.wishes.items()}

    def restore(
        self,
        orders: Iterable[OpenOrder],
        closing: Mapping[str, str],
        session: str,
        counted: Iterable[CountedOrder] = (),
    ) -> None:
        """Go on with the orders of an earlier session: each is looked up, for nobody watched it meanwhile.

        Orders at a simulated broker ended with the session that sent them, and that is stated. `closing` is what
        `closing` returned then: a position on its way out needs no protective stop any more. `session` is what the ids
        of that session's orders begin with, `counted` what is counted of orders.
        Until the account was seen, nothing is sent for a position: the book may be older than what happened to it.
        """
        self._unreconciled = self._style is not None
        for known in counted:
            self._decisions.count(decision_of(known.order), *msgspec.structs.astuple(known))
        for symbol, reason in closing.items():
            if symbol in self._positions.open:
                self.wishes[symbol] = Wish(reason)
            elif self._style is not None:
                self._closing[symbol] = reason
        for found in orders:
            # Inputs are counted anew: without its session's name, the decision would be mistaken for one of this one's.
            decision = of_session(session, found.order.decision)
            order = msgspec.structs.replace(found.order, decision=decision)
            if self._style is None:
                over = Order(order, OrderStatus.CANCELED, found.filled, found.value)
                self._publish(over, found.status, NOT_OUTLIVED)
                continue
            entry = self._take(order, found.status, found.filled, found.value)
            entry.venue_id, entry.unwanted = found.venue_id, found.unwanted
            if entry.status is OrderStatus.UNKNOWN:  # already then; who asked is gone
                entry.lost_at = self._context.now
                self._look_up(entry)
            else:
                self._lose(entry, "the bot was restarted")

    def is_working(self, symbol: str) -> bool:
        """Whether an order of `symbol` is still on its way."""
        return any(entry.order.symbol == symbol for entry in self.orders.working.values())

    # ---------------------------------------------------------------------------------------- wishes

    def _enter(self, message: Enter) -> None:
        side = OrderSide.BUY if message.signal.side is Side.LONG else OrderSide.SELL
        symbol = message.signal.symbol
        limit = entry_limit(self._style, self._context.instrument(symbol), side) if self._style else None
        entry = self._submit(symbol, side, message.quantity, message.decision, "entry", limit=limit)
        if self._style is not None:
            self._expect(entry, "entry", self._style.entry_timeout_s)

    def _wish(self, symbol: str, reason: str) -> None:
        if symbol not in self._positions.open:
            return
        wish = self.wishes.get(symbol)
        before = wish.reason if wish is not None else ""
        if wish is None:
            wish = self.wishes[symbol] = Wish(reason)
        if reason in AT_ONCE:
            self._hasten(symbol, wish, reason)
        if wish.reason != before:
            self._context.publish(ExitDecided(symbol, wish.reason, self._context.now, self._context.input))
        self._pursue(symbol)

    def _hasten(self, symbol: str, wish: Wish, reason: str) -> None:
        """Leave at market now, whatever was waited for."""
        wish.at_once = True
        exits = [entry for entry in self.orders.of(symbol) if entry.order.leg == "exit"]
        if not exits and reason != ExitReason.FALLBACK:  # that only hastens what an exit has said
            wish.reason = reason
        for entry in exits:
            if entry.order.limit is not None:
                self._cancel(entry)

    def _close_all(self, message: CloseAll) -> None:
        for entry in self.orders.working.values():
            if entry.order.leg == "entry":
                self._closing[entry.order.symbol] = message.reason  # also what it may fill yet
        self._cancel_entries()
        for symbol in sorted(self._positions.open, key=lambda s: self._context.instrument(s).index):
            self._wish(symbol, message.reason)

    def _cancel_entries(self) -> None:
        """Cancel what would open a position; an exit under way is what closing needs."""
        for entry in list(self.orders.working.values()):
            if entry.order.leg == "entry":
                self._cancel(entry)

    # --------------------------------------------------------------------------------- what a position needs

    def _pursue(self, symbol: str) -> None:
        """Do the next thing that the position of `symbol` needs, if it is not being done already."""
        position = self._positions.open.get(symbol)
        working = self.orders.of(symbol)
        if position is not None and self._unreconciled:
            return
        if position is not None and symbol in self._closing and symbol not in self.wishes:
            self._wish(symbol, self._closing[symbol])  # an entry that was to fill no more did
        elif position is None:
            self.wishes.pop(symbol, None)
            self.priceless.discard(symbol)
            if not any(entry.order.leg == "entry" for entry in working):
                self._closing.pop(symbol, None)
            self._retries.forget(symbol, EXIT)
            self._retries.forget(symbol, STOP)
            for entry in working:
                if entry.order.leg != "entry":
                    self._cancel(entry)  # there is nothing left for it to close
        elif (wish := self.wishes.get(symbol)) is not None and not self._lacks_price(symbol, wish, working):
            exits = [entry for entry in working if entry.order.leg in ("exit", "gate")]
            others = [entry for entry in working if entry.order.leg not in ("exit", "gate")]
            for entry in others:
                self._cancel(entry)
            if not exits and not others and not self._waits(symbol, EXIT):
                self._leave(position, wish)
        elif self._style is not None and not self._waits(symbol, STOP):
            self._protect(position, working, self._style)

    def _lacks_price(self, symbol: str, wish: Wish, working: list[Order]) -> bool:
        """Whether an exit has to wait for a price first, as after a restart or a pause: until then, the stop stays."""
        market = self._context.instrument(symbol)
        known = market.bid is not None or market.price > 0
        sent = any(entry.order.leg in ("exit", "gate") for entry in working)
        if known or sent or (self._style is not None and wish.at_once):
            self.priceless.discard(symbol)
            return False
        self.priceless.add(symbol)
        return True

    def _leave(self, position: Position, wish: Wish) -> None:
        """Send one exit order for what is held: at a price first, at market if that did not help or may not wait."""
        style = self._style
        market = self._context.instrument(position.symbol)
        side = OrderSide.SELL if position.side is Side.LONG else OrderSide.BUY
        limit = None
        if style is not None and not wish.at_once and wish.tries <= style.reprices:
            limit = exit_limit(style, market, side)
        wish.tries += 1
        entry = self._submit(
            position.symbol, side, position.quantity, position.decision, "exit", wish.reason, limit=limit
        )
        if style is not None and limit is not None:
            self._expect(entry, "reprice", style.reprice_s)

    def _protect(self, position: Position, working: list[Order], style: OrderSettings) -> None:
        """Keep one stop at the venue, for exactly what is held."""
        if any(entry.order.leg != "stop" for entry in working):
            return  # the entry is not done: the stop comes when it is, so that no two orders cross each other
        side = OrderSide.SELL if position.side is Side.LONG else OrderSide.BUY
        if not working:
            price = protective_stop(style, position.entry_price, side)
            self._submit(
                position.symbol, side, position.quantity, position.decision, "stop", ExitReason.STOP, stop=price
            )
        kept = False
        for entry in working:
            fits = entry.order.side is side and entry.open == position.quantity and not entry.unwanted
            if kept or not fits:
                self._cancel(entry)
            kept = kept or fits

    def _waits(self, symbol: str, what: str) -> bool:
        """Whether a time of waiting after a refusal is not over: nobody's wish shortens it."""
        return self._context.now < self._retries.until(symbol, what)

    # ------------------------------------------------------------------------------------------ orders

    def _submit(
        self,
        symbol: str,
        side: OrderSide,
        quantity: Decimal,
        decision: str,
        leg: str,
        reason: str = "",
        *,
        limit: Decimal | None = None,
        stop: Decimal | None = None,
    ) -> Order:
        cause = f"{self._book}.{decision}.{symbol}.{leg}"
        name = f"{cause}.{self._decisions.attempt(decision, cause)}"
        order = SubmitOrder(name, symbol, side, quantity, decision, leg, reason, limit, stop, rests=stop is not None)
        entry = self.orders.add(order)
        self._context.publish(OrderSubmitted(order, self._context.now, self._context.input))
        self._context.tell(self._broker(), order)
        if self._style is not None:
            self._expect(entry, "answer", self._style.answer_timeout_s)
        return entry

    def _cancel(self, entry: Order) -> None:
        """Take an order back; one that the venue did not cancel, after a while again, and later each time."""
        entry.unwanted = True
        if entry.status not in _CANCELABLE:
            return
        now = self._context.now
        if now < entry.cancel_at:
            if entry.cancel_due != entry.cancel_at:  # else it is waited for already
                entry.cancel_due = entry.cancel_at
                self._context.wake(self, Due("cancel", entry.id, entry.changes), entry.cancel_at)
            return
        self._change(entry, OrderEvent.CANCEL)
        self._context.tell(self._broker(), CancelOrder(entry.id))
        if self._style is not None:
            entry.cancels += 1
            entry.cancel_at = now + round(wait_s(self._style.look_up_s, entry.cancels) * SECOND)
            self._expect(entry, "answer", self._style.answer_timeout_s)

    def _expect(self, entry: Order, kind: str, within_s: float) -> None:
        """Be told if the order is still in the same state after so many seconds."""
        due = self._context.now + round(within_s * SECOND)
        self._context.wake(self, Due(kind, entry.id, entry.changes), due)

    def _broker(self) -> Actor:
        if self.broker is None:
            raise RuntimeError("the executor was wired without a broker")
        return self.broker

    # --------------------------------------------------------------------------------------- time-outs

    def _on_due(self, due: Due) -> None:
        entry = self.orders.working.get(due.order)
        if entry is None:
            return
        if due.kind in ("entry", "reprice", "cancel"):
            self._cancel(entry)  # whatever became of it since: it had its time
        elif entry.changes != due.changes:
            return
        elif due.kind == "answer" and entry.status in (OrderStatus.SUBMITTED, OrderStatus.CANCEL_PENDING):
            self._lose(entry, "no answer")
        elif due.kind == "look up" and entry.status is OrderStatus.UNKNOWN:
            self._look_up(entry)

    def _lose(self, entry: Order, reason: str, refusals: int = 0) -> None:
        """The order's state is unknown: ask, and send nothing in its place until there is an answer."""
        if entry.status not in OVER and entry.status is not OrderStatus.UNKNOWN:
            entry.lost_at = self._context.now
            self._change(entry, OrderEvent.LOSE, reason, refusals)
            self._look_up(entry)

    def _look_up(self, entry: Order) -> None:
        self._context.tell(self._broker(), LookUpOrder(entry.id))
        if self._style is not None:
            self._expect(entry, "look up", self._style.look_up_s)

    # ----------------------------------------------------------------------------------------- reports

    def _on_execution(self, execution: Execution) -> None:
        entry = self.orders.execute(execution)
        if entry is None:
            return  # of an order that is none of ours
        order = entry.order
        self._decisions.count(order.decision, order.id, entry.filled, entry.value)
        self._context.tell(self._positions, Fill(execution, order.decision, order.reason))

    def _on_report(self, report: OrderReport) -> None:
        entry = self.orders.get(report.order)
        if entry is None:
            return  # of an earlier run, or nobody's: the account's next report tells, and the reconciler judges
        before, filled = entry.status, entry.filled
        execution = self.orders.execution(entry, report)
        if execution is not None:
            self._on_execution(execution)
        self.orders.see(entry, report)
        if entry.status is not before or entry.filled != filled:
            self._publish(entry, before, report.reason)
            if entry.status in OVER and before not in OVER:
                self._over(entry, report.reason, passed=report.passed)
        if entry.unwanted or before in OVER:
            self._cancel(entry)  # also one that turned up after it was given up
        self._context.tell(self, Pursue(report.symbol))

    def _on_line(self, line: BrokerChanged) -> None:
        """Try at once what was refused while the broker could not be reached."""
        if line.state is FeedState.LIVE:
            for symbol in self._retries.end(self._context.now):
                self._context.tell(self, Pursue(symbol))

    def _on_rejected(self, report: OrderRejected) -> None:
        entry = self.orders.get(report.order)
        if entry is None or entry.status in OVER:
            return
        self.orders.move(entry, OrderEvent.REJECT)
        self._over(entry, report.reason)

    def _on_unanswered(self, report: SubmitUnanswered | CancelRefused) -> None:
        entry = self.orders.working.get(report.order)
        if entry is not None:
            self._lose(entry, report.reason, entry.cancels if isinstance(report, CancelRefused) else 0)

    def _on_missing(self, report: OrderMissing) -> None:
        """Believe that an order is not there once it was missing for long enough: a submit may be slow."""
        entry = self.orders.working.get(report.order)
        if entry is None or entry.status is not OrderStatus.UNKNOWN or self._style is None:
            return
        if self._context.now - entry.lost_at >= self._style.missing_s * SECOND:
            self._change(entry, OrderEvent.REJECT, "the venue never got it")

    def _change(self, entry: Order, event: OrderEvent, reason: str = "", refusals: int = 0) -> None:
        before = entry.status
        if self.orders.move(entry, event) and entry.status is not before:
            self._publish(entry, before, reason, refusals)
            if entry.status in OVER:
                self._over(entry, reason)

    def _publish(self, entry: Order, before: OrderStatus, reason: str, refusals: int = 0) -> None:
        now, number = self._context.now, self._context.input
        name, symbol, decision, venue_id = entry.id, entry.order.symbol, entry.order.decision, entry.venue_id
        self._context.publish(
            OrderChanged(
                name, symbol, entry.status, before, entry.filled, now, number, venue_id, reason, refusals, decision
            )
        )

    def _over(self, entry: Order, reason: str, *, passed: bool = False) -> None:
        """An order came to its end: let risk know, and see what its position needs now."""
        symbol, leg = entry.order.symbol, entry.order.leg
        if leg == "entry" and entry.status is not OrderStatus.FILLED:
            self._closing.pop(symbol, None)
        rejected = entry.status is OrderStatus.REJECTED
        refusals = 0
        if leg != "entry":
            refusals = self._count_refusal(entry, passed=passed)
        if rejected:
            self._context.publish(OrderRejected(entry.id, symbol, self._context.now, reason, refusals))
        self._tell_risk(OrderOver(symbol))
        self._context.tell(self, Pursue(symbol))

    def _count_refusal(self, entry: Order, *, passed: bool) -> int:
        """Wait before what a position needs is sent again if it was refused; return how often it was, in a row.

        What ends without a fill, and without us, counts too: else it would go to and fro as fast as the venue answers.
        """
        symbol, what = entry.order.symbol, STOP if entry.order.leg == STOP else EXIT
        rejected = entry.status is OrderStatus.REJECTED
        if not rejected and (entry.unwanted or entry.filled):
            self._retries.forget(symbol, what)
            return 0
        if what == STOP and passed:  # the price is where the stop was to close
            self._wish(symbol, ExitReason.STOP)
            return 1
        now = self._context.now
        times = self._retries.refuse(symbol, what, now, leniently=not rejected)
        self._context.wake(self, Retry(symbol), self._retries.until(symbol, what))
        if (wish := self.wishes.get(symbol)) is not None:
            wish.at_once = wish.at_once or rejected
        elif what == STOP and rejected and times >= STOP_TRIES:
            self._wish(symbol, ExitReason.NO_STOP)
        return times

    def _tell_risk(self, message: object) -> None:
        if self.risk is not None:
            self._context.tell(self.risk, message)

    def _adopt(self, found: AdoptOrder) -> None:
        """Take over an order that an earlier run left at the venue; once, however often it is found."""
        if self.orders.get(found.order.id) is not None:
            return
        filled = found.report.filled
        entry = self._take(found.order, found.report.status, filled, filled * (found.report.average or 0))
        entry.venue_id = found.report.venue_id
        if not found.keep:
            self._cancel(entry)
        self._context.tell(self, Pursue(found.order.symbol))

    def _on_gate_order(self, sent: GateOrder) -> None:
        """Count an order that the gate sent while the core decided nothing as the exit that it is."""
        if self.orders.get(sent.order.id) is not None:
            return
        entry = self.orders.add(sent.order)
        self._context.publish(OrderSubmitted(sent.order, self._context.now, self._context.input))
        if self._style is not None:
            self._expect(entry, "answer", self._style.answer_timeout_s)

    def _take(self, order: SubmitOrder, status: OrderStatus, filled: Decimal, value: Decimal) -> Order:
        """Take in an order of an earlier run, of which so much is counted already."""
        self._decisions.count(order.decision, order.id, filled, value)
        entry = self.orders.add(order, status)
        entry.filled, entry.value = filled, value
        return entry

    def _on_missed(self, missed: MissedOrder) -> None:
        """Count what the book lacks of an order; what is left of one that is no stop is taken back."""
        if self.orders.get(missed.order.id) is not None:
            return
        counted = missed.counted
        entry = self._take(missed.order, OrderStatus.UNKNOWN, counted.filled, counted.value)
        entry.unwanted = missed.order.leg != STOP
        self._on_report(missed.report)

    def _on_reconciled(self, message: Reconciled) -> None:
        if not message.booked:  # the fills of missed orders are on their way to the positions, before this
            self._context.tell(self, Reconciled(booked=True))
            return
        self._unreconciled = False
        for symbol in list(self._positions.open):
            self._pursue(symbol)

    # ------------------------------------------------------------------------------------------ guards

    def _on_opened(self, position: PositionOpened) -> None:
        """Guard a new position; one that grew is guarded anew, at its new average price."""
        self._dispose(position.symbol)
        held = Held(position.symbol, position.side, float(position.entry_price), position.entry_ts)
        self._guards[position.symbol] = self._guard(held)

    def _on_closed(self, position: PositionClosed) -> None:
        self._dispose(position.symbol)
        self._pursue(position.symbol)

    def _dispose(self, symbol: str) -> None:
        guard = self._guards.pop(symbol, None)
        if guard is not None:
            guard.dispose()
