"""opening_range: how far the price went in the first minutes of the day."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.checked import number
from pipeline.events import SECOND, Candle
from pipeline.operators.indicator import Begin, Indicator, Measure, bar_of
from pipeline.operators.timing.time_of_day import NEW_YORK, minutes_from

_MINUTE = 60 * SECOND
_HALF_A_DAY = 43_200 * SECOND

Line = Literal["upper", "lower"]


def opening_range(line: Line, minutes: float = 30.0, opens: str = "09:30", timezone: str = NEW_YORK) -> Indicator:
    """Highest high (`upper`) or lowest low (`lower`) of the first `minutes` since the market opens.

    It has its value from the first item after those minutes until the day's end; none before, and none on a day of
    which it saw nothing in that time. A candle belongs to the minutes in which it closes.

    O(1): 0.4 us an item. Raises ValueError for another line, a time of day or a time zone that is none, or no minutes.
    """
    if line not in ("upper", "lower"):
        raise ValueError(f"opening_range: line must be upper or lower, not {line!r}")
    if not number("opening_range: minutes is", minutes) > 0:
        raise ValueError(f"opening_range: minutes must be more than 0, not {minutes}")
    since_open = minutes_from(opens, timezone)
    sign, place = (1, 0) if line == "upper" else (-1, 1)

    def begin(start: Begin) -> Measure:
        clock = since_open.begin(start)
        day = 0.0  # ns: when the market opened, last that it did
        best: float | None = None

        def value(item: Any) -> float | None:
            nonlocal day, best
            now = clock(item) or 0.0
            opened = item.ts - now * _MINUTE
            if opened - day > _HALF_A_DAY:
                day, best = opened, None
            if 0 < now <= minutes if item.__class__ is Candle else 0 <= now < minutes:
                price = bar_of(item)[place]
                if best is None or sign * (price - best) > 0:
                    best = price
                return None
            return best

        return value

    return Indicator(f"opening_range({minutes:g}).{line}", begin)
