"""Figures for people: instants, prices, money and percentages are written one way wherever they are shown."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.events import Side

SECOND = 1_000_000_000
_DIGITS = 8  # of a price
_LATEST = 253_402_300_799 * SECOND  # the year 9999


@lru_cache(maxsize=16)
def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name; UTC where nothing is called so."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # none is called so, or its file cannot be read
        return UTC


_BOUNDS = {
    "at_least": "at least ",
    "at_most": "at most ",
    "more_than": "more than ",
    "less_than": "less than ",
    "either_way": "at least ±",
}


def reading(name: str, value: float, threshold: float, passed: bool, bound: str = "") -> str:
    """Say what a frame's reading was; what an earlier version wrote does not tell the `bound`.

    >>> reading("rsi", 62.5, 70.0, True, "less_than")
    'rsi: 62.5 (less than 70) passed'
    >>> reading("fast crosses above slow", 1.0, 1.0, True, "rule")
    'fast crosses above slow: holds, LONG'
    """
    if bound == "none":
        return f"{name}: {value:.6g}"
    if bound == "rule":
        return f"{name}: {f'holds, {Side.LONG if value > 0 else Side.SHORT}' if passed else 'does not hold'}"
    wanted = f"{_BOUNDS.get(bound, 'threshold ')}{threshold:.6g}"
    return f"{name}: {value:.6g} ({wanted}) {'passed' if passed else 'not passed'}"


def instant(ts: int, zone: str = "UTC") -> str:
    """Return a time in ns with its day and its zone: 2026-01-05 09:31:07.123 EST.

    >>> instant(1767623467123456789, "America/New_York")
    '2026-01-05 09:31:07.123 EST'
    """
    at = _at(ts, zone)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} {at:%Z}"


def of_day(ts: int, zone: str = "UTC") -> str:
    """Return a time in ns without its day: 09:31:07.123 EST."""
    at = _at(ts, zone)
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03} {at:%Z}"


def _at(ts: int, zone: str) -> datetime:
    second, nanos = divmod(min(max(ts, 0), _LATEST), SECOND)
    at = datetime.fromtimestamp(second, UTC).replace(microsecond=nanos // 1000)
    return at.astimezone(zone_of(zone))


def price(value: float | Decimal | str) -> str:
    """Return a price with the decimals that it has, cents at least, and never an exponent.

    A computed one, as of a fill with slippage, is rounded to eight digits.

    >>> price(150.5), price(0.0000131), price(Decimal("150.123450")), price(397.644919311003)
    ('150.50', '0.0000131', '150.12345', '397.64492')
    """
    exact = _exact(value)
    if not exact.is_finite():
        return str(exact)
    text = f"{exact:.{max(2, _DIGITS - 1 - exact.adjusted())}f}" if exact else "0"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def dollars(value: float | Decimal | str) -> str:
    """Return a price as dollars: $150.50, $0.0000131, -$1.00."""
    text = price(value)
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"


def money(value: float | Decimal | str, *, grouped: bool = False) -> str:
    """Return a sum of money in cents, with its sign before the dollar, and none before nothing.

    Below a cent it has as many decimals as it takes to show something.

    >>> money(-0.12), money(0.0), money(Decimal("0.00001234")), money(-1234.5, grouped=True)
    ('-$0.12', '$0.00', '$0.000012', '-$1,234.50')
    """
    exact = _exact(value)
    if not exact.is_finite():
        return f"${exact}"
    places = 2 if not exact or abs(exact) >= Decimal("0.01") else min(1 - exact.adjusted(), 12)
    figure = f"{exact:z,.{places}f}" if grouped else f"{exact:z.{places}f}"
    if places > 2:
        figure = figure.rstrip("0")
    return f"-${figure[1:]}" if figure.startswith("-") else f"${figure}"


def percent(fraction: float, places: int = 2) -> str:
    """Return a fraction as a part of a hundred, without a sign before nothing: 0.15%."""
    return f"{fraction:z.{places}%}"


def _exact(value: float | Decimal | str) -> Decimal:
    # A float that was computed has noise behind its fifteenth digit.
    return Decimal(f"{value:.15g}") if isinstance(value, float) else Decimal(value)
