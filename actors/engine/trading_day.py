"""Trading days: when each begins, at midnight where the settings say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline.clock import RANK_DAY, InputClock
from pipeline.events import SECOND

LAST_DAY = date.max - timedelta(days=1)  # the last one whose end the calendar knows


class TradingDays:
    """Begins each trading day by a timer of the clock: the first one with the first input that has a time.

    `begin(date, ts)` is told of each; days on which nothing happens pass without notice, however many.
    """

    def __init__(self, clock: InputClock, timezone: str, begin: Callable[[str, int], None]) -> None:
        self._clock = clock
        self._timezone = ZoneInfo(timezone)
        self._begin = begin
        clock.at(0, lambda: self._begin_day(clock.target), RANK_DAY)

    def _begin_day(self, ts: int) -> None:
        """Begin the trading day that `ts` is in, and set the timer of the midnight after it."""
        day = self._date(ts)
        if day is None:
            return  # beyond the calendar (year 9999) no new day begins
        self._begin(day.isoformat(), ts)
        midnight = self._midnight(day + timedelta(days=1))
        self._clock.at(midnight, lambda: self._pass_midnight(midnight), RANK_DAY)

    def _pass_midnight(self, midnight: int) -> None:
        day = self._date(min(self._clock.target, self._clock.earliest)) or LAST_DAY
        first = self._midnight(day)
        if first > midnight:
            self._clock.at(first, lambda: self._begin_day(first), RANK_DAY)
        else:
            self._begin_day(midnight)

    def _date(self, ts: int) -> date | None:
        """Return the date of `ts` where the settings say; None after the calendar's last."""
        try:
            day = datetime.fromtimestamp(ts // SECOND, self._timezone).date()
        except (OverflowError, ValueError, OSError):
            return None
        return day if day <= LAST_DAY else None

    def _midnight(self, day: date) -> int:
        """Return when a day begins where the settings say."""
        return round(datetime.combine(day, time.min, self._timezone).astimezone(UTC).timestamp()) * SECOND
