"""atr: the average true range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.operators.indicator import Begin, Indicator, Measure, bar_of
from pipeline.operators.rolling import count, wilder_of


def atr(items: int = 14) -> Indicator:
    """Average true range, in money (Wilder, 1978): of candles; of ticks, the average absolute move.

    true range = max(high, close before) - min(low, close before); atr = Wilder's average of `items` of them.

    O(1): 0.3 us an item. Raises ValueError for less than one item.
    """
    items = count("atr", items)

    def begin(_: Begin) -> Measure:
        return true_range_average(items)

    return Indicator(f"atr({items})", begin)


def true_range_average(items: int) -> Callable[[Any], float | None]:
    """Return the measure of `atr`."""
    average = wilder_of(items)
    last: float | None = None

    def value(item: Any) -> float | None:
        nonlocal last
        high, low, close = bar_of(item)
        before, last = last, close
        if before is not None:
            high, low = max(high, before), min(low, before)
        return average(high - low)

    return value
