"""Splits: telling by the account that a position has other shares, and is worth what it was."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from actors.orders import HeldAtVenue
from actors.portfolio.positions import Position

MOST_SHARES = 100
"""For one, or one for so many: a ratio of larger numbers is taken for something else."""

_ROUNDING = Decimal("0.0001")
"""Money a share by which the account's average price may be off."""


def split_of(position: Position, held: HeldAtVenue) -> Fraction | None:
    """Return how many shares one of a position has become, if the account shows just that; else None.

    What it holds has to cost what the position costs: of a fill that was not heard of, or of shares that another
    program bought, that is not so. Cash in lieu of a part of a share is none of it, and a difference like any other.

    >>> from pipeline.events import Side
    >>> ten = Position("A", Side.LONG, 0, "1", Decimal(10), Decimal(1000))
    >>> split_of(ten, HeldAtVenue("A", Decimal(20), Decimal(50)))
    Fraction(2, 1)
    >>> split_of(ten, HeldAtVenue("A", Decimal(20), Decimal(100)))
    """
    ours, theirs = position.side.sign * position.quantity, held.quantity
    if ours * theirs <= 0 or ours == theirs:
        return None
    ratio = Fraction(theirs) / Fraction(ours)
    if max(ratio.numerator, ratio.denominator) > MOST_SHARES:
        return None
    off = abs(abs(theirs) * held.average - position.quantity * position.entry_price)
    return ratio if off <= _ROUNDING * max(abs(theirs), position.quantity) else None
