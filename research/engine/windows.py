"""The sliding window, compiled: step by step what `pipeline/operators/window` does, to the last bit.

A symbol's window lies in a ring: a power of two of slots in arrays that all symbols share, of which it has those from
`offset` on. Ticks are numbered from 0; tick n is in slot `offset + (n & mask)`. Whoever pushes sees to it that there is
room (`is_full`).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from research.engine.jit import compiled, inlined

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


SLOT = np.dtype([("ts", np.int64), ("price", np.float64), ("size", np.float64), ("high", np.int64), ("low", np.int64)])
"""A slot of a ring: a tick, and in the order of falling and of rising prices the number of another."""


def move(ring: Any, state: Any, slots: int, to: Any, offset: int) -> None:
    """Move a symbol's window to so many slots of a ring, which may be the same, from an offset on."""
    at, mask = int(state["offset"]), int(state["mask"])
    for names, first, after in (
        (["ts", "price", "size"], "oldest", "next"),
        (["high"], "high_first", "high_next"),
        (["low"], "low_first", "low_next"),
    ):
        numbers = np.arange(state[first], state[after])
        for name in names:
            to[name][offset + (numbers & (slots - 1))] = ring[name][at + (numbers & mask)]
    state["offset"], state["mask"] = offset, slots - 1


@inlined
def is_full(own: Any) -> bool:
    """Whether the next tick might find no slot."""
    return bool(own.next - own.oldest > own.mask)


@inlined
def push(own: Any, ring: Any, ts: int, price: float, size: float, span: int) -> float:
    """Take a tick into the window of `span` ns, and return the sum of the sizes of the others that are in it."""
    offset, mask, number = own.offset, own.mask, own.next
    slot = offset + (number & mask)
    ring[slot].ts = ts
    ring[slot].price = price
    ring[slot].size = size
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
        ring[offset + ((high - 1) & mask)].high = number
        ring[offset + ((low - 1) & mask)].low = number
        return float(others)
    if price > newest:
        first = own.high_first
        while high > first and ring[offset + (ring[offset + ((high - 1) & mask)].high & mask)].price <= price:
            high -= 1
        if high == first:
            own.high = price
        if own.low_first == low:
            own.low = price
    else:
        first = own.low_first
        while low > first and ring[offset + (ring[offset + ((low - 1) & mask)].low & mask)].price >= price:
            low -= 1
        if low == first:
            own.low = price
        if own.high_first == high:
            own.high = price
    ring[offset + (high & mask)].high = number
    ring[offset + (low & mask)].low = number
    own.high_next = high + 1
    own.low_next = low + 1
    own.newest_price = price
    return float(others)


@inlined
def drop(own: Any, ring: Any, start: int, newest: int) -> None:
    """Let the ticks go whose time is `start` or before; `newest` is the number of the tick that is never one."""
    offset, mask = own.offset, own.mask
    oldest, volume, left = own.oldest, own.volume, own.left
    high, low = own.high_first, own.low_first
    high_next, low_next = own.high_next, own.low_next
    if oldest == newest == 0:
        left += 1  # what an empty window is filled with leaves it with the first tick
    while oldest < newest and ring[offset + (oldest & mask)].ts <= start:
        volume -= ring[offset + (oldest & mask)].size
        left += 1
        if high < high_next and ring[offset + (high & mask)].high == oldest:
            high += 1
        if low < low_next and ring[offset + (low & mask)].low == oldest:
            low += 1
        oldest += 1
    if volume < own.most * THINNED or (left >= RESUM_EVERY and left >= newest - oldest):
        volume = total(ring, offset, mask, oldest, newest)
        own.most = volume
        left = 0
    own.oldest, own.volume, own.left = oldest, volume, left
    own.high_first, own.low_first = high, low
    slot = offset + (oldest & mask)
    own.oldest_ts, own.oldest_price = ring[slot].ts, ring[slot].price
    if high < high_next:
        own.high = ring[offset + (ring[offset + (high & mask)].high & mask)].price
    if low < low_next:
        own.low = ring[offset + (ring[offset + (low & mask)].low & mask)].price


@compiled
def total(ring: Any, offset: int, mask: int, first: int, last: int) -> float:
    """Add up the sizes of the ticks from one number to before another, as Python's own `sum` does."""
    found = 0.0
    rest = 0.0
    for number in range(first, last):
        size = ring[offset + (number & mask)].size
        if COMPENSATED:
            more = found + size
            rest += (found - more) + size if abs(found) >= abs(size) else (size - more) + found
            found = more
        else:
            found += size
    if COMPENSATED and rest != 0.0 and np.isfinite(rest):
        return found + rest
    return found
