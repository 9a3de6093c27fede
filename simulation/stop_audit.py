"""The audit of protective stops: one that is reached already, or rests though it was passed, is acted upon."""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal

from actors.engine.core import Core
from actors.orders import OrderReport, OrderRole, OrderStatus, SubmitOrder
from pipeline.events import SECOND
from simulation.broken import Broken

RESTS_S = 4.0
"""Seconds that a stop may rest whose price was passed: the bot's patience, the time to its next look, and one more."""


class StopAudit:
    """Follows the stops of one session; `reached` are those that the venue has refused for their price."""

    def __init__(self, reached: Container[str]) -> None:
        self._reached = reached
        self._heard: dict[str, str] = {}  # by symbol: the stop that the bot heard to be refused so
        self._passed_since: dict[str, tuple[str, int]] = {}  # by symbol: a stop, and since when its price is passed

    def note_report(self, report: OrderReport) -> None:
        """Note what the bot is about to be told of an order."""
        told = report.status is OrderStatus.REJECTED and "stop price must be" in report.reason
        if told and report.order in self._reached:
            self._heard[report.symbol] = report.order

    def closed(self, symbol: str) -> None:
        """Note that a position is closed."""
        self._heard.pop(symbol, None)
        self._passed_since.pop(symbol, None)

    def check_order(self, order: SubmitOrder) -> None:
        """After a stop that was reached already, no other is sent: the position is closed. Raises Broken."""
        if order.role is OrderRole.STOP and (refused := self._heard.get(order.symbol)):
            raise Broken(
                "stops", f"the stop {order.id} was sent although {refused} was refused: it was reached already"
            )

    def check_resting(self, symbol: str, core: Core) -> None:
        """A position whose stop rests although its price was passed is on its way out. Raises Broken."""
        price = Decimal(repr(core.contexts[symbol].price))
        stops = [order for order in core.orders.of(symbol) if order.role is OrderRole.STOP and not order.unwanted]
        passed = [o for o in stops if price and o.request.stop and o.request.side.has_reached(price, o.request.stop)]
        if not passed or symbol in core.executor.exits.intents:
            self._passed_since.pop(symbol, None)
            return
        stop = passed[0].id
        before, since = self._passed_since.get(symbol, ("", 0))
        if before != stop:
            self._passed_since[symbol] = stop, core.now
        elif core.now - since > RESTS_S * SECOND:
            raise Broken(
                "stops", f"{symbol} is at {price}, and the stop {stop} has rested for {RESTS_S:g} s all the same"
            )
