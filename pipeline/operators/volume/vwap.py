"""vwap: the volume-weighted average price."""

from __future__ import annotations

from math import sqrt
from typing import Any

from pipeline.events import Candle
from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import Rolling, Span


def vwap(items: int | None = None, *, seconds: float | None = None, width: float = 0.0) -> Indicator:
    """Sum of price x size over sum of sizes, of the last `items` or `seconds`; without volume, the price.

    `width` moves it by so many standard deviations of the price, weighted by volume: 2 is the upper band, -2 the lower
    one. A candle counts with what was paid in it. That of the day is `op.session_vwap()`.

    O(1), amortised: 0.6 us an item. Raises ValueError unless exactly one length is given.
    """
    span = Span.of("vwap", items, seconds)

    def begin(_: Begin) -> Measure:
        volumes, paid, squares = Rolling(span), Rolling(span), Rolling(span)
        anchor: float | None = None

        def value(item: Any) -> float | None:
            nonlocal anchor
            size, ts = item.size, item.ts
            price: float = item.notional / size if item.__class__ is Candle and size > 0 else item.price
            if anchor is None:
                anchor = price
            away = price - anchor
            full = volumes.add(ts, size)
            paid.add(ts, away * size)
            if width:
                squares.add(ts, away * away * size)
            if not full:
                return None
            volume = volumes.sum
            if not volume > 0:
                return price
            mean = paid.sum / volume
            deviation = sqrt(max(0.0, squares.sum / volume - mean * mean)) if width else 0.0
            return anchor + mean + width * deviation

        return value

    return Indicator(f"vwap({span}{f', {width:+g}' if width else ''})", begin)
