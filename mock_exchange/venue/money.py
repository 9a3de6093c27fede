"""Exact money and quantities, all of them integers.

Prices are in points, hundredths of a cent; quantities are in parts, billionths of a share. Whatever is paid, owned
or set aside is an amount, points x parts, so that every product of a price and a quantity is exact. Only where a
cost is split, or an average is shown, something is rounded: half to even.
"""

from __future__ import annotations

import re
from decimal import Decimal

DOLLAR = 10_000
"""Points in a dollar."""

CENT = 100
"""Points in a cent."""

SHARE = 1_000_000_000
"""Parts in a share; a dollar as an amount is DOLLAR * SHARE."""

SHARE_DECIMALS = 9

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
    return _decimal(amount, DOLLAR, 4)


def money(amount: int) -> str:
    """Write an amount as dollars, all of its decimals, without zeros at the end.

    >>> money(-5 * CENT * SHARE), money(1_265_501 * SHARE // 8)
    ('-0.05', '15.8187625')
    """
    return _decimal(amount, DOLLAR * SHARE, 13)


def quantity(parts: int) -> str:
    """Write parts as shares, without zeros at the end.

    >>> quantity(3 * SHARE), quantity(-SHARE // 2), quantity(1)
    ('3', '-0.5', '0.000000001')
    """
    return _decimal(parts, SHARE, SHARE_DECIMALS)


def _decimal(value: int, unit: int, decimals: int) -> str:
    whole, rest = divmod(value, unit)
    if not rest:  # most of them
        return str(whole)
    whole, rest = divmod(abs(value), unit)
    return f"{'-' if value < 0 else ''}{whole}.{rest:0{decimals}}".rstrip("0")


def average(amount: int, parts: int) -> str:
    """Write the price of a share, in dollars with at most six decimals.

    >>> average(3_000_100 * SHARE, 3 * SHARE)
    '100.003333'
    """
    return _decimal(share_of(amount, 1_000_000, DOLLAR * parts), 1_000_000, 6)


def share_of(amount: int, part: int, whole: int) -> int:
    """Return amount x part / whole, half to even."""
    quotient, rest = divmod(amount * part, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))
