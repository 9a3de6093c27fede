"""macd: the distance of two exponential averages."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.rolling import count, ema_of

Line = Literal["macd", "signal", "histogram"]


def macd(fast: int = 12, slow: int = 26, signal: int = 9, *, line: Line = "macd") -> Indicator:
    """Moving average convergence and divergence (Appel).

    macd = ema(fast) - ema(slow); signal = ema(signal) of macd; histogram = macd - signal. Each average begins with the
    mean of its first items. `line` says which of the three it is.

    O(1): 0.3 us an item. Raises ValueError for a length below 1, fast not below slow, or another line.
    """
    fast, slow, signal = count("macd", fast), count("macd", slow), count("macd", signal)
    if fast >= slow:
        raise ValueError(f"macd: fast must be less than slow, not {fast} and {slow}")
    if line not in ("macd", "signal", "histogram"):
        raise ValueError(f"macd: line must be macd, signal or histogram, not {line!r}")

    def begin(_: Begin) -> Measure:
        quick, lazy, smooth = ema_of(fast), ema_of(slow), ema_of(signal)

        def value(item: Any) -> float | None:
            price = item.price
            high, low = quick(price), lazy(price)
            if high is None or low is None:
                return None
            distance = high - low
            if line == "macd":
                return distance
            smoothed = smooth(distance)
            if smoothed is None or line == "signal":
                return smoothed
            return distance - smoothed

        return value

    return Indicator(f"macd({fast}, {slow}, {signal}).{line}", begin)
