"""Revisions of a position: shares that the venue undid, or priced otherwise, taken out of what went in or came out."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from actors.orders import Execution, OrderSide
from pipeline.events import Side

ZERO = Decimal(0)


class Sums(Protocol):
    """What went into a position, and what has come out again."""

    side: Side
    entered: Decimal
    entry_value: Decimal
    exited: Decimal
    exit_value: Decimal
    fees: Decimal


def revise(position: Sums, execution: Execution, fees: Decimal) -> bool:
    """Take an execution that changes earlier ones into a position's sums, as if these had been so from the start.

    Return False, and change nothing, if no such position would be left: if nothing or less were held, or less than
    nothing had come out.
    """
    enters = (execution.side is OrderSide.BUY) == (position.side is Side.LONG)
    entered = position.entered + (execution.quantity if enters else ZERO)
    exited = position.exited + (ZERO if enters else execution.quantity)
    entry_value = position.entry_value + (execution.value if enters else ZERO)
    exit_value = position.exit_value + (ZERO if enters else execution.value)
    if not 0 <= exited < entered or entry_value <= 0 or exit_value < 0:
        return False
    position.entered, position.entry_value = entered, entry_value
    position.exited, position.exit_value = exited, exit_value
    position.fees += fees
    return True


def reversed_of(execution: Execution) -> Execution:
    """Return the execution the other way that has the same effect as one of fewer than no shares."""
    return Execution(
        execution.id,
        execution.order,
        execution.symbol,
        execution.side.opposite,
        -execution.quantity,
        execution.price,
        execution.ts,
        undone=execution.undone,
    )
