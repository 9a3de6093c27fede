"""Entries: the order that an approved signal becomes."""

from __future__ import annotations

from actors.actor import SymbolView
from actors.execution.actions import Submit, opening_side
from actors.execution.messages import Enter
from actors.execution.policy import ExecutionPolicy
from actors.orders import OrderRole, SubmitOrder


def enter(approved: Enter, view: SymbolView, policy: ExecutionPolicy) -> Submit:
    """Return the order that opens a position."""
    signal = approved.signal
    side = opening_side(signal.side)
    order = SubmitOrder("", signal.symbol, side, approved.quantity, approved.decision, OrderRole.ENTRY)
    return Submit(order, policy.entry_terms(view, side))
