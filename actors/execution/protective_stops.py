"""Protective stops: what closes a position at the venue while the bot is away."""

from __future__ import annotations

from collections.abc import Sequence

from actors.execution.actions import Action, Cancel, Submit, closing_side
from actors.execution.order_cache import Order
from actors.execution.policy import ExecutionPolicy
from actors.messages import ExitReason
from actors.orders import OrderRole, SubmitOrder
from actors.portfolio.positions import Position

STOP_TRIES = 3
"""A position for which the venue refuses so many protective stops is closed."""


def keep_stop(position: Position, working: Sequence[Order], policy: ExecutionPolicy) -> list[Action]:
    """Return what it takes that one stop rests at the venue, for exactly what is held."""
    side = closing_side(position.side)
    price = policy.stop_price(position.entry_price, side)
    if price is None or any(order.role is not OrderRole.STOP for order in working):
        return []  # while the entry is not done there is no stop: no two orders are to cross each other
    if not working:
        symbol, decision, reason = position.symbol, position.decision, ExitReason.STOP
        order = SubmitOrder(
            "", symbol, side, position.quantity, decision, OrderRole.STOP, reason, None, price, rests=True
        )
        return [Submit(order)]
    fitting = [o for o in working if o.request.side is side and o.open == position.quantity and not o.unwanted]
    return [Cancel(order) for order in working if order not in fitting[:1]]
