"""Frames as a window would make them, with only what a test cares about said."""

from __future__ import annotations

from pipeline.operators.frame import Frame
from tests.support.market import trade


def frame(
    seconds: float = 0.0,
    *,
    momentum: float = 0.0,
    price: float = 100.0,
    size: float = 10.0,
    ready: bool = True,
    count: int = 5,
    others_volume: float = 40.0,
    high: float = 100.0,
    low: float = 100.0,
    symbol: str = "A",
) -> Frame:
    return Frame(
        trade(seconds, price, size, symbol=symbol),
        price,
        ready,
        momentum,
        count,
        price / (1 + momentum),
        others_volume,
        others_volume * price,
        high,
        low,
    )
