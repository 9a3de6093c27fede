"""Executor: turns approved signals and wishes to exit into orders, and guards what was filled."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
from reactivex import abc

from actors.actor import Actor, Context, UnknownMessage
from actors.messages import (
    CancelOrder,
    Execution,
    OrderRejected,
    OrderSide,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    SubmitOrder,
)
from actors.positions import Fill, Positions
from actors.risk import CancelEntries, CloseAll, Enter
from pipeline.events import Side
from pipeline.exits import ExitSignal, Held

Guard = Callable[[Held], abc.DisposableBase]
"""Subscribes the exits of a position; what it returns is disposed of when the position is closed."""


REMEMBERED_ORDERS = 10_000  # finished ones, for reports that come late


class WorkingOrder(msgspec.Struct):
    """An order that the broker has not finished with."""

    order: SubmitOrder
    filled: Decimal = Decimal(0)
    executions: set[str] = msgspec.field(default_factory=set)  # ids of those counted in `filled`


class Executor:
    """The actor that owns the working orders.

    A position has at most one exit order at a time. Order ids are made of their cause, so the same input can
    never buy twice.
    """

    def __init__(self, context: Context, positions: Positions, book: str, guard: Guard) -> None:
        self._context = context
        self._positions = positions
        self._book = book
        self._guard = guard
        self._guards: dict[str, abc.DisposableBase] = {}
        self._attempts: dict[str, int] = {}  # orders by cause, so that a second attempt has an id of its own
        self._finished: dict[str, SubmitOrder] = {}  # oldest first: a report may come after the order was done with
        self.working: dict[str, WorkingOrder] = {}
        self.broker: Actor | None = None
        self.risk: Actor | None = None

    def receive(self, message: object) -> None:
        if isinstance(message, Execution):
            self._on_execution(message)
        elif isinstance(message, ExitSignal):
            self._exit(message.symbol, message.reason)
        elif isinstance(message, Enter):
            side = OrderSide.BUY if message.signal.side is Side.LONG else OrderSide.SELL
            self._submit(message.signal.symbol, side, message.quantity, message.decision, "entry", "")
        elif isinstance(message, PositionOpened):
            self._on_opened(message)
        elif isinstance(message, PositionClosed):
            self._dispose(message.symbol)
        elif isinstance(message, CloseAll):
            self._cancel_entries()
            for symbol in sorted(self._positions.open, key=lambda s: self._context.instrument(s).index):
                self._exit(symbol, message.reason)
        elif isinstance(message, CancelEntries):
            self._cancel_entries()
        elif isinstance(message, OrderRejected):
            self._on_rejected(message)
        else:
            raise UnknownMessage(self, message)

    # ------------------------------------------------------------------------------------------ orders

    def _exit(self, symbol: str, reason: str) -> None:
        position = self._positions.open.get(symbol)
        if position is None or any(w.order.symbol == symbol and w.order.leg == "exit" for w in self.working.values()):
            return
        side = OrderSide.SELL if position.side is Side.LONG else OrderSide.BUY
        self._submit(symbol, side, position.quantity, position.decision, "exit", reason)

    def _submit(self, symbol: str, side: OrderSide, quantity: Decimal, decision: str, leg: str, reason: str) -> None:
        cause = f"{self._book}.{decision}.{symbol}.{leg}"
        attempt = self._attempts[cause] = self._attempts.get(cause, 0) + 1
        if len(self._attempts) > REMEMBERED_ORDERS:
            del self._attempts[next(iter(self._attempts))]
        order = SubmitOrder(f"{cause}.{attempt}", symbol, side, quantity, decision, leg, reason)
        self.working[order.id] = WorkingOrder(order)
        self._context.publish(OrderSubmitted(order, self._context.now, self._context.input))
        self._context.tell(self._broker(), order)

    def _cancel_entries(self) -> None:
        """Cancel what would open a position; an exit under way is what closing needs."""
        for working in self.working.values():
            if working.order.leg == "entry":
                self._context.tell(self._broker(), CancelOrder(working.order.id))

    def is_working(self, symbol: str) -> bool:
        """Whether an order of `symbol` is still on its way."""
        return any(working.order.symbol == symbol for working in self.working.values())

    def _finish(self, order_id: str) -> None:
        working = self.working.pop(order_id, None)
        if working is not None:
            self._finished[order_id] = working.order
            if len(self._finished) > REMEMBERED_ORDERS:
                del self._finished[next(iter(self._finished))]

    def _broker(self) -> Actor:
        if self.broker is None:
            raise RuntimeError("the executor was wired without a broker")
        return self.broker

    # ----------------------------------------------------------------------------------------- reports

    def _on_execution(self, execution: Execution) -> None:
        working = self.working.get(execution.order)
        if working is not None:
            order = working.order
            if execution.id not in working.executions:
                working.executions.add(execution.id)
                working.filled += execution.quantity
            if working.filled >= order.quantity:
                self._finish(order.id)
        elif execution.order in self._finished:
            order = self._finished[execution.order]  # late, or twice: positions count each execution once
        else:
            return  # of an order that is none of ours
        self._context.tell(self._positions, Fill(execution, order.decision, order.reason))

    def _on_rejected(self, report: OrderRejected) -> None:
        self._finish(report.order)
        self._context.publish(report)
        if self.risk is not None:
            self._context.tell(self.risk, report)

    # ------------------------------------------------------------------------------------------ guards

    def _on_opened(self, position: PositionOpened) -> None:
        """Guard a new position; one that grew is guarded anew, at its new average price."""
        self._dispose(position.symbol)
        held = Held(position.symbol, position.side, float(position.entry_price), position.entry_ts)
        self._guards[position.symbol] = self._guard(held)

    def _dispose(self, symbol: str) -> None:
        guard = self._guards.pop(symbol, None)
        if guard is not None:
            guard.dispose()
