"""The venue's day. It never closes, but its days end when the stock exchanges do: at 16:00 in New York."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mock_exchange.events import SECOND

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOSE = time(16)


def in_new_york(ts: int) -> datetime:
    """Return a moment as the clocks show it in New York, to the microsecond."""
    return (EPOCH + timedelta(microseconds=ts // 1_000)).astimezone(NEW_YORK)


def day_end(ts: int) -> int:
    """Return the end of the venue's day that holds `ts`, both in nanoseconds since the epoch.

    >>> day_end(1_767_623_400_000_000_000) - 1_767_623_400_000_000_000  # from 09:30 in New York
    23400000000000
    """
    local = in_new_york(ts)
    day = local.date() if local.time() < _CLOSE else local.date() + timedelta(days=1)
    return int(datetime.combine(day, _CLOSE, NEW_YORK).timestamp()) * SECOND
