"""Times as they are written on the wire."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from mock_exchange.events import SECOND
from mock_exchange.venue.day import EPOCH

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?)?")


@lru_cache(maxsize=1_024)
def stamp(ts: int) -> str:
    """Write nanoseconds since the epoch as RFC 3339 in UTC, without zeros at the end.

    >>> stamp(1_767_623_400_500_000_000)
    '2026-01-05T14:30:00.5Z'
    """
    seconds, rest = divmod(ts, SECOND)
    return f"{_to_the_second(seconds)}.{rest:09}".rstrip("0") + "Z" if rest else f"{_to_the_second(seconds)}Z"


@lru_cache(maxsize=1_024)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse(text: str) -> int | None:
    """Read a date, or RFC 3339 to the nanosecond; None if it is neither. Without an offset it is UTC."""
    found = _STAMP.fullmatch(text.strip().replace(" ", "+") if text.count(" ") == 1 and "T" in text else text.strip())
    if found is None:
        return None
    day, time, fraction, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time or '00:00:00'}{(offset or 'Z').replace('Z', '+00:00')}")
        return (moment - EPOCH) // timedelta(seconds=1) * SECOND + int((fraction or "").ljust(9, "0"))
    except (ValueError, OverflowError):
        return None
