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


class WorkingOrder(msgspec.Struct):
    """An order that the broker has not finished with."""

    order: SubmitOrder
    filled: Decimal = Decimal(0)


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
        self._attempts: dict[str, int] = {}  # orders per position leg, so that a second attempt has an id of its own
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
            self._release(message.symbol)
        elif isinstance(message, CloseAll):
            self._cancel(lambda order: True)
            for symbol in sorted(self._positions.open, key=lambda s: self._context.instrument(s).index):
                self._exit(symbol, message.reason)
        elif isinstance(message, CancelEntries):
            self._cancel(lambda order: order.leg == "entry")
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
        order = SubmitOrder(f"{cause}.{attempt}", symbol, side, quantity, decision, leg, reason)
        self.working[order.id] = WorkingOrder(order)
        self._context.publish(OrderSubmitted(order, self._context.now, self._context.input))
        self._context.tell(self._broker(), order)

    def _cancel(self, which: Callable[[SubmitOrder], bool]) -> None:
        for working in self.working.values():
            if which(working.order):
                self._context.tell(self._broker(), CancelOrder(working.order.id))

    def _broker(self) -> Actor:
        if self.broker is None:
            raise RuntimeError("the executor was wired without a broker")
        return self.broker

    # ----------------------------------------------------------------------------------------- reports

    def _on_execution(self, execution: Execution) -> None:
        working = self.working.get(execution.order)
        if working is None:
            return  # a report of an order that is finished: its executions were booked
        working.filled += execution.quantity
        order = working.order
        if working.filled >= order.quantity:
            del self.working[order.id]
        self._context.tell(self._positions, Fill(execution, order.decision, order.reason))

    def _on_rejected(self, report: OrderRejected) -> None:
        self.working.pop(report.order, None)
        self._context.publish(report)
        if self.risk is not None:
            self._context.tell(self.risk, report)

    # ------------------------------------------------------------------------------------------ guards

    def _on_opened(self, position: PositionOpened) -> None:
        """Guard a new position; one that grew is guarded anew, at its new average price."""
        self._dispose(position.symbol)
        held = Held(position.symbol, position.side, float(position.entry_price), position.entry_ts)
        self._guards[position.symbol] = self._guard(held)

    def _release(self, symbol: str) -> None:
        self._dispose(symbol)
        self._attempts = {cause: n for cause, n in self._attempts.items() if f".{symbol}." not in cause}

    def _dispose(self, symbol: str) -> None:
        guard = self._guards.pop(symbol, None)
        if guard is not None:
            guard.dispose()
