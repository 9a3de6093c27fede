"""session_vwap: the volume-weighted average price since the market opened."""

from __future__ import annotations

from math import sqrt
from typing import Any

from pipeline.events import SECOND, Candle
from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.timing.time_of_day import NEW_YORK, minutes_from

_MINUTE = 60 * SECOND
_HALF_A_DAY = 43_200 * SECOND
_LATEST = 5.0
"""Minutes after the opening within which the first item of a day has to come: later, a part of the day is missing."""


def session_vwap(width: float = 0.0, opens: str = "09:30", timezone: str = NEW_YORK) -> Indicator:
    """Sum of price x size over sum of sizes since the market opened; without volume, the price.

    `width` moves it by so many standard deviations of the price, weighted by volume, as that of `op.vwap`.

    It has no value before the opening, nor on a day whose opening it missed: one that is subscribed at noon, or
    restarted by a gap in the data, is silent until the next one.

    O(1): 0.6 us an item. Raises ValueError for a time of day or a time zone that is none.
    """
    since_open = minutes_from(opens, timezone)

    def begin(start: Begin) -> Measure:
        clock = since_open.begin(start)
        day = 0.0  # ns: when the market opened, last that it did
        heard = False  # whether the day that runs was heard from its opening on
        volume = paid = squares = anchor = 0.0

        def value(item: Any) -> float | None:
            nonlocal day, heard, volume, paid, squares, anchor
            now = clock(item) or 0.0
            if now < 0:
                return None
            price: float = item.notional / item.size if item.__class__ is Candle and item.size > 0 else item.price
            opened = item.ts - now * _MINUTE
            if opened - day > _HALF_A_DAY:
                day, heard, anchor = opened, now <= _LATEST, price
                volume = paid = squares = 0.0
            if not heard:
                return None
            away = price - anchor
            volume += item.size
            paid += away * item.size
            squares += away * away * item.size
            if not volume > 0:
                return price
            mean: float = paid / volume
            deviation = sqrt(max(0.0, squares / volume - mean * mean)) if width else 0.0
            return anchor + mean + width * deviation

        return value

    return Indicator(f"session_vwap({width:+g})" if width else "session_vwap", begin)
