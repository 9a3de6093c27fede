"""What is decided about orders: values, which the order manager carries out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from actors.actor import SymbolView
from actors.execution.messages import Enter
from actors.execution.order_cache import Order
from actors.execution.policy import AT_MARKET, ExecutionPolicy, Terms
from actors.messages import ExitReason
from actors.orders import OrderRole, OrderSide, SubmitOrder
from actors.portfolio.positions import Position
from pipeline.events import SECOND, Side


class Submit(msgspec.Struct, frozen=True):
    """Send an order; it gets its id, and the limit of its terms, when it goes out."""

    order: SubmitOrder
    terms: Terms = AT_MARKET


class Cancel(msgspec.Struct, frozen=True):
    """Take an order back, as soon as that can be done."""

    order: Order


Action = Submit | Cancel


def closing_side(side: Side) -> OrderSide:
    """Return the side of an order that closes a position."""
    return OrderSide.SELL if side is Side.LONG else OrderSide.BUY


def enter(approved: Enter, view: SymbolView, now: int, policy: ExecutionPolicy) -> Submit:
    """Return the order that opens a position, sent at `now` (ns)."""
    signal = approved.signal
    side = OrderSide.BUY if signal.side is Side.LONG else OrderSide.SELL
    order = SubmitOrder("", signal.symbol, side, approved.quantity, approved.decision, OrderRole.ENTRY)
    limit = Decimal(repr(signal.limit)) if signal.limit else None
    within_s = None
    if (until := signal.good_until) is not None:
        order = msgspec.structs.replace(order, until=until)
        within_s = (until - now) / SECOND
    return Submit(order, policy.entry_terms(view, side, limit, within_s))


def keep_stop(
    position: Position, working: Sequence[Order], policy: ExecutionPolicy, quantity: Decimal | None = None
) -> list[Action]:
    """Return what it takes that one stop rests at the venue, for exactly what is held, or so much of it."""
    quantity = position.quantity if quantity is None else quantity
    side = closing_side(position.side)
    price = policy.stop_price(position.entry_price, side)
    if price is None or any(order.role is not OrderRole.STOP for order in working):
        return []  # while the entry is not done there is no stop: no two orders are to cross each other
    if not working and quantity:
        symbol, decision, reason = position.symbol, position.decision, ExitReason.STOP
        order = SubmitOrder("", symbol, side, quantity, decision, OrderRole.STOP, reason, None, price, rests=True)
        return [Submit(order)]
    fitting = [o for o in working if quantity and o.request.side is side and o.open == quantity and not o.unwanted]
    return [Cancel(order) for order in working if order not in fitting[:1]]
