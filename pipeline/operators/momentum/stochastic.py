"""stochastic: where the price stands in its range."""

from __future__ import annotations

from typing import Any

from pipeline.operators.indicator import Begin, Indicator, Measure, bar_of
from pipeline.operators.rolling import Extreme, Rolling, Span, count


def stochastic(items: int = 14, smooth: int = 1) -> Indicator:
    """Stochastic oscillator %K, 0 to 100 (Lane), or with `smooth` 3 its %D: the mean of the last `smooth` of them.

    %K = 100 x (close - lowest low) / (highest high - lowest low) of the last `items`; 50 where there is no range.

    O(1), amortised: 0.4 us an item. Raises ValueError for a length below 1.
    """
    span, smooth = Span.of("stochastic", items, None), count("stochastic", smooth)

    def begin(_: Begin) -> Measure:
        highest, lowest = Extreme(span, 1), Extreme(span, -1)
        rolling = Rolling(Span(smooth, 0))

        def value(item: Any) -> float | None:
            high, low, close = bar_of(item)
            ts = item.ts
            full = highest.add(ts, high)
            if not (lowest.add(ts, low) and full):
                return None
            width = highest.value - lowest.value
            k = 100.0 * (close - lowest.value) / width if width > 0 else 50.0
            return rolling.mean if rolling.add(ts, k) else None

        return value

    return Indicator(f"stochastic({span}, {smooth})", begin)
