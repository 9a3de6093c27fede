"""The venue's day. It never closes, but its days end when the stock exchanges do: at 16:00 in New York."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_NEW_YORK = ZoneInfo("America/New_York")
_CLOSE = time(16)
_SECOND = 1_000_000_000


def day_end(ts: int) -> int:
    """Return the end of the venue's day that holds `ts`, both in nanoseconds since the epoch.

    >>> day_end(1_767_623_400_000_000_000) - 1_767_623_400_000_000_000  # from 09:30 in New York
    23400000000000
    """
    local = datetime.fromtimestamp(ts // _SECOND, UTC).astimezone(_NEW_YORK)
    day = local.date() if local.time() < _CLOSE else local.date() + timedelta(days=1)
    return int(datetime.combine(day, _CLOSE, _NEW_YORK).timestamp()) * _SECOND
