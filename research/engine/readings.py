"""What is the same for many settings: the readings of a window over each symbol's ticks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from research.engine.jit import compiled
from research.engine.windows import FIRST_SLOTS, SLOT, WINDOW, push


class Windowed(NamedTuple):
    """What a window shows at each tick of one symbol, in the order of its ticks.

    `momentum` and `range` are fractions, `volume_ratio` a multiple of the mean size of the others. `depth` is how many
    ticks are in it, 0 before it is warm: how many make it ready, a setting says.
    """

    momentum: Any
    volume_ratio: Any
    range: Any
    depth: Any


def windowed(ts: Any, price: Any, size: Any, window: int) -> tuple[Windowed, bool]:
    """Return what a window of so many ns shows at each tick of one symbol, and whether all of it are finite numbers."""
    count = len(ts)
    out = Windowed(np.empty(count), np.empty(count), np.empty(count), np.empty(count, np.int32))
    slots = FIRST_SLOTS
    while slots <= _most(ts, window):
        slots *= 2
    own = np.zeros(1, np.dtype(WINDOW))
    own["mask"], own["left"] = slots - 1, -1
    return out, bool(_windowed(ts, price, size, window, own, np.zeros(slots, SLOT), tuple(out)))


@compiled
def _most(ts: Any, window: int) -> int:
    """Return how many ticks a window ever holds, at most."""
    oldest = most = 0
    for newest in range(len(ts)):
        while ts[oldest] <= ts[newest] - window:
            oldest += 1
        most = max(most, newest - oldest + 1)
    return most


@compiled
def _windowed(ts: Any, price: Any, size: Any, window: int, states: Any, ring: Any, out: Any) -> bool:
    own = states[0]
    momentums, ratios, ranges, depths = out
    finite = True
    for tick in range(len(ts)):
        others = push(own, ring, ts[tick], price[tick], size[tick], window)
        count = own.next - own.oldest
        momentum = price[tick] / own.oldest_price - 1
        ratio = size[tick] * (count - 1) / others if others > 0 else 0.0
        spread = own.high / own.low - 1
        momentums[tick] = momentum
        ratios[tick] = ratio
        ranges[tick] = spread
        depths[tick] = count if own.warm_from <= ts[tick] - window else 0
        finite = finite and np.isfinite(momentum) and np.isfinite(ratio) and np.isfinite(spread)
    return finite
