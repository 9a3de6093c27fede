"""ema: the exponential moving average."""

from __future__ import annotations

from typing import Any

from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import count, ema_of


def ema(items: int) -> Indicator:
    """Exponential moving average of the price.

    ```
    prices    --1---2---3---4----
              ema(3)
    values    ----------2---3----
    ```

    ema = ema + 2 / (items + 1) x (price - ema), begun with the mean of the first `items`, as TA-Lib does.
    O(1): 0.1 us an item. Raises ValueError for less than one item.
    """
    items = count("ema", items)

    def begin(_: Begin) -> Measure:
        follow = ema_of(items)

        def value(item: Any) -> float | None:
            return follow(item.price)

        return value

    return Indicator(f"ema({items})", begin)
