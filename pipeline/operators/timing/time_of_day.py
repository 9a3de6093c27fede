"""time_of_day, since_open and until_close: when in the day it is."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.events import SECOND
from pipeline.operators.indicator import Begin, Indicator, Measure

NEW_YORK = "America/New_York"
_REACH = 3600 * SECOND


def time_of_day(timezone: str = NEW_YORK) -> Indicator:
    """Hours since midnight there: 9.5 is half past nine.

    O(1): 0.2 us an item. Raises ValueError for a time zone that is none.
    """
    return _hours(f"time_of_day({timezone})", timezone, 0.0, 1.0)


def minutes_from(clock: str, timezone: str = NEW_YORK) -> Indicator:
    """Minutes since that time of day: `minutes_from("09:30")` is since the open; before it, less than 0.

    O(1): 0.2 us an item. Raises ValueError for a time or a time zone that is none.
    """
    return _hours(f"minutes_from({clock})", timezone, _hour_of("minutes_from", clock), 60.0)


def minutes_to(clock: str, timezone: str = NEW_YORK) -> Indicator:
    """Minutes until that time of day: `minutes_to("16:00")` is until the close; after it, less than 0.

    O(1): 0.2 us an item. Raises ValueError for a time or a time zone that is none.
    """
    return _hours(f"minutes_to({clock})", timezone, _hour_of("minutes_to", clock), -60.0)


def _hour_of(who: str, clock: str) -> float:
    try:
        found = time.fromisoformat(clock)
    except (TypeError, ValueError):
        raise ValueError(f"{who}: a time of day is written as 09:30, not {clock!r}") from None
    return found.hour + found.minute / 60 + found.second / 3600


def _hours(name: str, timezone: str, zero: float, scale: float) -> Indicator:
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        raise ValueError(f"{name}: there is no time zone {timezone!r}: write one as America/New_York") from None

    def begin(_: Begin) -> Measure:
        begun, until, hours = 0, 0, 0.0  # of the hour that runs

        def value(item: Any) -> float:
            nonlocal begun, until, hours
            ts: int = item.ts
            if not begun <= ts < until:
                begun = ts // _REACH * _REACH
                until = begun + _REACH
                local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=begun // SECOND)).astimezone(zone)
                hours = local.hour + local.minute / 60  # zones change their offset at whole hours of UTC
            return ((hours + (ts - begun) / _REACH) % 24.0 - zero) * scale

        return value

    return Indicator(name, begin)
