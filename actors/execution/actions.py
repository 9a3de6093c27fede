"""What is decided about orders: values, which the order manager carries out."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from actors.execution.order_cache import Order
from actors.execution.policy import AT_MARKET, Terms
from actors.orders import OrderRole, OrderSide
from pipeline.events import Side


class Submit(msgspec.Struct, frozen=True):
    """Send an order; its id is made when it goes out."""

    symbol: str
    side: OrderSide
    quantity: Decimal  # shares
    decision: str
    role: OrderRole
    reason: str = ""  # an exit's reason
    terms: Terms = AT_MARKET
    stop: Decimal | None = None  # where a protective stop rests, money a share


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
