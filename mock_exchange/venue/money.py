"""Exact money: integers of a hundredth of a cent, called points.

A price has at most four decimals and shares are whole, so that every product is exact too. Only where a cost
is split, or an average is shown, something is rounded: half to even.
"""

from __future__ import annotations

import re
from decimal import Decimal

DOLLAR = 10_000
"""Points in a dollar."""

CENT = 100
"""Points in a cent."""

_PRICE = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,30})?")


def points(price: float) -> int:
    """Return a quoted price in points."""
    return round(price * DOLLAR)


def exact(text: str) -> Decimal | None:
    """Read a plain decimal number such as 126.55; None for anything else, also for an exponent."""
    return Decimal(text) if _PRICE.fullmatch(text) else None


def text(amount: int) -> str:
    """Write points as dollars, without zeros at the end.

    >>> text(1_265_500), text(-50), text(30_000)
    ('126.55', '-0.005', '3')
    """
    whole, rest = divmod(abs(amount), DOLLAR)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{rest:04}".rstrip("0") if rest else f"{sign}{whole}"


def average(amount: int, shares: int) -> str:
    """Write the price of a share, in dollars with at most six decimals.

    >>> average(3_000_100, 3)
    '100.003333'
    """
    millionths = share_of(amount, 1_000_000, DOLLAR * shares)
    whole, rest = divmod(abs(millionths), 1_000_000)
    sign = "-" if millionths < 0 else ""
    return f"{sign}{whole}.{rest:06}".rstrip("0") if rest else f"{sign}{whole}"


def share_of(amount: int, part: int, whole: int) -> int:
    """Return amount x part / whole, half to even."""
    quotient, rest = divmod(amount * part, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))
