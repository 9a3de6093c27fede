"""Units of time: a time that was given in another one than nanoseconds is told by its size."""

from __future__ import annotations

_UNITS = ((1, "seconds"), (1_000, "milliseconds"), (1_000_000, "microseconds"))
_FIRST, _LAST = 1_000_000_000, 4_100_000_000  # seconds since 1970: of the years 2001 to 2099


def other_unit(ts: int) -> str:
    """Name the unit in which a time since 1970 is of this century, if that is not nanoseconds; else empty.

    It has 10, 13 or 16 digits, where nanoseconds have 19.

    >>> other_unit(1767623400123), other_unit(1767623400123456789)
    ('milliseconds', '')
    """
    return next((name for factor, name in _UNITS if _FIRST * factor < ts < _LAST * factor), "")
