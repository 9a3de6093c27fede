"""What is decided about orders: values, which the order manager carries out."""

from __future__ import annotations

import msgspec

from actors.execution.order_cache import Order
from actors.execution.policy import AT_MARKET, Terms
from actors.orders import OrderSide, SubmitOrder
from pipeline.events import Side


class Submit(msgspec.Struct, frozen=True):
    """Send an order; it gets its id, and the limit of its terms, when it goes out."""

    order: SubmitOrder
    terms: Terms = AT_MARKET


class Cancel(msgspec.Struct, frozen=True):
    """Take an order back, as soon as that can be done."""

    order: Order


Action = Submit | Cancel


def opening_side(side: Side) -> OrderSide:
    """Return the side of an order that opens a position."""
    return OrderSide.BUY if side is Side.LONG else OrderSide.SELL


def closing_side(side: Side) -> OrderSide:
    """Return the side of an order that closes a position."""
    return OrderSide.SELL if side is Side.LONG else OrderSide.BUY
