"""The simulated broker: fills at once, inside the core, and answers by reports like any other broker."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context as DecimalContext, Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from actors.actor import Actor, Context, UnknownMessage
from actors.messages import CancelOrder, Execution, OrderRejected, OrderSide, SubmitOrder

_PRICE = DecimalContext(prec=15, rounding=ROUND_HALF_EVEN)
"""A fill's price is exact from here on: the float that was quoted, times the slippage, to 15 digits, half-even."""


class ExecutionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[execution]: what a simulated fill costs."""

    fill: Literal["quote", "last"] = "quote"  # buy at the ask and sell at the bid, or at the last price
    slippage_bps: Annotated[float, Meta(ge=0, lt=10_000)] = 0.0  # basis points against us, at entry and exit
    fee_per_share: Annotated[float, Meta(ge=0)] = 0.0  # money a share, at entry and exit


class SimulatedBroker:
    """The actor that fills market orders whole and at once.

    A buy fills at the ask, a sell at the bid in force; with no quote yet, or `fill = "last"`, at the last price;
    slippage moves each of them against us.
    """

    def __init__(self, settings: ExecutionSettings, context: Context, executor: Actor) -> None:
        self._context = context
        self._executor = executor
        self._at_quote = settings.fill == "quote"
        slippage = Decimal(str(settings.slippage_bps)) / 10_000
        self._factor = {OrderSide.BUY: 1 + slippage, OrderSide.SELL: 1 - slippage}

    def receive(self, message: object) -> None:
        if isinstance(message, SubmitOrder):
            self._fill(message)
        elif not isinstance(message, CancelOrder):  # nothing ever rests here, so there is nothing to cancel
            raise UnknownMessage(self, message)

    def _fill(self, order: SubmitOrder) -> None:
        instrument = self._context.instrument(order.symbol)
        quote = (instrument.ask if order.side is OrderSide.BUY else instrument.bid) if self._at_quote else None
        price = instrument.price if quote is None else quote
        if not price > 0:
            report = OrderRejected(order.id, order.symbol, self._context.now, "no price seen yet")
            self._context.tell(self._executor, report)
            return
        exact = _PRICE.multiply(Decimal(repr(price)), self._factor[order.side])
        self._context.tell(
            self._executor,
            Execution(f"{order.id}/1", order.id, order.symbol, order.side, order.quantity, exact, self._context.now),
        )
