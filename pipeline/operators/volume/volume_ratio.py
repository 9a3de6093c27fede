"""volume_ratio: how large this item is beside those before it."""

from __future__ import annotations

from typing import Any

from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import Rolling, Span


def volume_ratio(items: int | None = None, *, seconds: float | None = None) -> Indicator:
    """Size over the mean size of the *other* items in the span; 0 where those have none.

    After `op.candles(seconds=1)` it compares seconds, on ticks it compares ticks.

    O(1), amortised: 0.3 us an item. Raises ValueError unless exactly one length is given.
    """
    span = Span.of("volume_ratio", items, seconds, 2)

    def begin(_: Begin) -> Measure:
        rolling = Rolling(span)

        def value(item: Any) -> float | None:
            size = item.size
            if not rolling.add(item.ts, size):
                return None
            others, n = rolling.sum - size, len(rolling.values) - 1
            return size * n / others if n and others > 0 else 0.0

        return value

    return Indicator(f"volume_ratio({span})", begin)
