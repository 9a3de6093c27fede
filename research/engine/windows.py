"""The sliding window, compiled: step by step what `pipeline/operators/window` does, to the last bit.

A symbol's window lies in a ring: a power of two of slots in arrays that all symbols share, of which it has those from
`offset` on. Ticks are numbered from 0; tick n is in slot `offset + (n & mask)`. Whoever pushes sees to it that there is
room (`is_full`).
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from research.engine.jit import compiled

RESUM_EVERY = 512
THINNED = 1e-3
"""When a running sum is added up afresh, as in `pipeline/operators/window/window.py`."""

COMPENSATED = sys.version_info >= (3, 12)
"""From Python 3.12 on, `sum` of floats carries what was rounded off (Neumaier, 1974)."""

FIRST_SLOTS = 64
"""Slots that a symbol's ring begins with."""

WINDOW: list[tuple[str, Any]] = [
    ("offset", np.int64),  # of its slots in the ring
    ("mask", np.int64),  # how many slots it has, less one
    ("oldest", np.int64),  # number of the oldest tick in the window
    ("next", np.int64),  # number of the next tick
    ("oldest_ts", np.int64),
    ("oldest_price", np.float64),
    ("newest_price", np.float64),  # 0 where the window was empty
    ("high_first", np.int64),  # of the falling prices, the first of which is the highest
    ("high_next", np.int64),
    ("low_first", np.int64),  # of the rising prices, the first of which is the lowest
    ("low_next", np.int64),
    ("high", np.float64),
    ("low", np.float64),
    ("warm_from", np.int64),  # ns: since when the window has not been empty
    ("volume", np.float64),  # sum of its sizes
    ("most", np.float64),  # the largest since it was last added up afresh
    ("left", np.int64),  # ticks that left since then
]
"""The fields of a symbol's state that are its window's."""


class Ring(NamedTuple):
    """The slots of all symbols: their ticks, and numbers of ticks in order of falling and of rising prices."""

    ts: Any
    price: Any
    size: Any
    high: Any
    low: Any

    @classmethod
    def of(cls, slots: int) -> Ring:
        """Return one of so many slots."""
        integers, floats = np.int64, np.float64
        return cls(*(np.zeros(slots, kind) for kind in (integers, floats, floats, integers, integers)))

    def moved(self, state: Any, slots: int, to: Ring, offset: int) -> None:
        """Copy a symbol's window to another ring, where it has so many slots from an offset on."""
        at, mask = int(state["offset"]), int(state["mask"])
        ticks = np.arange(state["oldest"], state["next"])
        for mine, its in zip(self[:3], to[:3], strict=True):
            its[offset + (ticks & (slots - 1))] = mine[at + (ticks & mask)]
        for mine, its, name in ((self.high, to.high, "high"), (self.low, to.low, "low")):
            numbers = np.arange(state[f"{name}_first"], state[f"{name}_next"])
            its[offset + (numbers & (slots - 1))] = mine[at + (numbers & mask)]
        state["offset"], state["mask"] = offset, slots - 1


@compiled
def is_full(own: Any) -> bool:
    """Whether the next tick might find no slot."""
    return bool(own.next - own.oldest > own.mask)


@compiled
def push(own: Any, ring: Ring, ts: int, price: float, size: float, span: int) -> float:
    """Take a tick into the window of `span` ns, and return the sum of the sizes of the others that are in it."""
    offset, mask, number = own.offset, own.mask, own.next
    slot = offset + (number & mask)
    ring.ts[slot] = ts
    ring.price[slot] = price
    ring.size[slot] = size
    own.next = number + 1
    start = ts - span
    oldest = own.oldest
    if oldest == number or own.oldest_ts <= start:
        drop(own, ring, start, number)
        if own.oldest == number:
            own.warm_from = ts
            own.newest_price = own.volume = own.most = 0.0
    others = own.volume
    volume = others + size
    own.volume = volume
    if volume > own.most:
        own.most = volume
    newest = own.newest_price
    high, low = own.high_next, own.low_next
    if price == newest:
        ring.high[offset + ((high - 1) & mask)] = number
        ring.low[offset + ((low - 1) & mask)] = number
        return float(others)
    if price > newest:
        first = own.high_first
        while high > first and ring.price[offset + (ring.high[offset + ((high - 1) & mask)] & mask)] <= price:
            high -= 1
        if high == first:
            own.high = price
        if own.low_first == low:
            own.low = price
    else:
        first = own.low_first
        while low > first and ring.price[offset + (ring.low[offset + ((low - 1) & mask)] & mask)] >= price:
            low -= 1
        if low == first:
            own.low = price
        if own.high_first == high:
            own.high = price
    ring.high[offset + (high & mask)] = number
    ring.low[offset + (low & mask)] = number
    own.high_next = high + 1
    own.low_next = low + 1
    own.newest_price = price
    return float(others)


@compiled
def drop(own: Any, ring: Ring, start: int, newest: int) -> None:
    """Let the ticks go whose time is `start` or before; `newest` is the number of the tick that is never one."""
    offset, mask = own.offset, own.mask
    oldest, volume, left = own.oldest, own.volume, own.left
    high, low = own.high_first, own.low_first
    high_next, low_next = own.high_next, own.low_next
    if oldest == newest == 0:
        left += 1  # what an empty window is filled with leaves it with the first tick
    while oldest < newest and ring.ts[offset + (oldest & mask)] <= start:
        volume -= ring.size[offset + (oldest & mask)]
        left += 1
        if high < high_next and ring.high[offset + (high & mask)] == oldest:
            high += 1
        if low < low_next and ring.low[offset + (low & mask)] == oldest:
            low += 1
        oldest += 1
    if volume < own.most * THINNED or (left >= RESUM_EVERY and left >= newest - oldest):
        volume = total(ring, offset, mask, oldest, newest)
        own.most = volume
        left = 0
    own.oldest, own.volume, own.left = oldest, volume, left
    own.high_first, own.low_first = high, low
    slot = offset + (oldest & mask)
    own.oldest_ts, own.oldest_price = ring.ts[slot], ring.price[slot]
    if high < high_next:
        own.high = ring.price[offset + (ring.high[offset + (high & mask)] & mask)]
    if low < low_next:
        own.low = ring.price[offset + (ring.low[offset + (low & mask)] & mask)]


@compiled
def total(ring: Ring, offset: int, mask: int, first: int, last: int) -> float:
    """Add up the sizes of the ticks from one number to before another, as Python's own `sum` does."""
    found = 0.0
    rest = 0.0
    for number in range(first, last):
        size = ring.size[offset + (number & mask)]
        if COMPENSATED:
            more = found + size
            rest += (found - more) + size if abs(found) >= abs(size) else (size - more) + found
            found = more
        else:
            found += size
    if COMPENSATED and rest != 0.0 and np.isfinite(rest):
        return found + rest
    return found
