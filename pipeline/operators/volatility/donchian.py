"""donchian: the channel of highest and lowest prices."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.operators.indicator import Begin, Indicator, Measure, bar_of
from pipeline.operators.rolling import Extreme, Span

Line = Literal["upper", "middle", "lower"]


def donchian(items: int | None = None, *, seconds: float | None = None, line: Line) -> Indicator:
    """Highest high (`upper`), lowest low (`lower`) or their mean (`middle`) of the last `items` (20) or `seconds`.

    The newest item is included: to ask for a break-out, compare the price with `op.before(op.donchian(...))`.

    O(1), amortised: 0.4 us an item. Raises ValueError for two lengths or another line.
    """
    span = Span.of("donchian", 20 if items is None and seconds is None else items, seconds)
    if line not in ("upper", "middle", "lower"):
        raise ValueError(f"donchian: line must be upper, middle or lower, not {line!r}")

    def begin(_: Begin) -> Measure:
        highest, lowest = Extreme(span, 1), Extreme(span, -1)

        def value(item: Any) -> float | None:
            high, low, _ = bar_of(item)
            ts = item.ts
            full = highest.add(ts, high)
            if not (lowest.add(ts, low) and full):
                return None
            if line == "middle":
                return (highest.value + lowest.value) / 2
            return highest.value if line == "upper" else lowest.value

        return value

    return Indicator(f"donchian({span}).{line}", begin)
