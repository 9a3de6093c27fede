"""rsi: the relative strength index."""

from __future__ import annotations

from typing import Any

from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import count


def rsi(items: int = 14) -> Indicator:
    """Relative strength index, 0 to 100 (Wilder, New Concepts in Technical Trading Systems, 1978).

    rsi = 100 x gains / (gains + losses), each Wilder's average of `items` moves up and down; 50 where nothing moved.

    O(1): 0.2 us an item. The first value comes with item `items` + 1. Raises ValueError for less than one item.
    """
    items = count("rsi", items)

    weight = 1.0 / items

    def begin(_: Begin) -> Measure:
        last: float | None = None
        moves = 0
        up = down = 0.0  # Wilder's averages of the moves

        def value(item: Any) -> float | None:
            nonlocal last, moves, up, down
            price = item.price
            if last is None:
                last = price
                return None
            moved = price - last
            last = price
            gain, loss = (moved, 0.0) if moved > 0.0 else (0.0, -moved)
            if moves < items:
                moves += 1
                up += (gain - up) / moves
                down += (loss - down) / moves
                if moves < items:
                    return None
            else:
                up += weight * (gain - up)
                down += weight * (loss - down)
            both = up + down
            return 100.0 * up / both if both > 0 else 50.0

        return value

    return Indicator(f"rsi({items})", begin)
