"""What is the same for many settings: the facts of a tape, and the readings of a window over each symbol's ticks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from actors.engine.core import Input
from research.engine.columns import Columns
from research.engine.jit import compiled
from research.engine.windows import FIRST_SLOTS, SLOT, WINDOW, push


class Facts(NamedTuple):
    """What no setting changes of a tape: one entry an accepted trade (a *tick*), in the order of the tape.

    Attributes:
        row: Where the tick stands among all the tape's events, from 0; its input number is that and one.
        symbol: Index of its symbol (int32).
        ts, price, size: The tick's own (ns, currency, shares).
        now: The core's time when it is handled (ns): the largest time so far.
        bid, ask: The quote in force when the tick is handled, its own included; NaN before the first.
        late: Trades that were not accepted, because they came before the last one's time.
        order: Indices of the symbols, in the order in which they were first heard of.
    """

    row: Any
    symbol: Any
    ts: Any
    price: Any
    size: Any
    now: Any
    bid: Any
    ask: Any
    late: int
    order: Any

    def of(self, symbol: int) -> Any:
        """Return which of the ticks are a symbol's, as indices."""
        return np.flatnonzero(self.symbol == symbol)


class Readings(NamedTuple):
    """What a window shows at each tick of one symbol, in the order of its ticks.

    `momentum` and `range` are fractions, `volume_ratio` a multiple of the mean size of the others, `ready` a bool.
    """

    momentum: Any
    volume_ratio: Any
    range: Any
    ready: Any


class Windowed(NamedTuple):
    """The same before it is said how many ticks make a window ready: `depth` are those in it, 0 before it is warm."""

    momentum: Any
    volume_ratio: Any
    range: Any
    depth: Any


def facts(columns: Columns) -> Facts:
    """Return the facts of a tape that is in memory as a whole."""
    trades = int((columns.kind == 0).sum())
    kinds = (np.int64, np.int32, np.int64, np.float64, np.float64, np.int64, np.float64, np.float64)
    out = tuple(np.empty(trades, kind) for kind in kinds)
    order = np.empty(len(columns.symbols), np.int32)
    ticks, late, seen = _facts(*columns[:7], len(columns.symbols), out, order)
    row, symbol, ts, price, size, now, bid, ask = (column[:ticks] for column in out)
    return Facts(row, symbol, ts, price, size, now, bid, ask, late, order[:seen])


def joined(batches: Sequence[Columns]) -> Columns:
    """Return the batches of a tape as one."""
    others: list[tuple[int, Input]] = []
    before = 0
    for batch in batches:
        others += [(before + row, event) for row, event in batch.others]
        before += len(batch)
    kind, symbol, ts, price, size, bid, ask = (np.concatenate([batch[at] for batch in batches]) for at in range(7))
    return Columns(kind, symbol, ts, price, size, bid, ask, batches[-1].symbols, others)


def readings(ts: Any, price: Any, size: Any, window: int, min_ticks: int) -> Readings:
    """Return the readings of one symbol's ticks (ns, currency, shares), for a window of so many ns."""
    seen, _ = windowed(ts, price, size, window)
    return Readings(seen.momentum, seen.volume_ratio, seen.range, seen.depth >= min_ticks)


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
def _facts(
    kind: Any, symbol: Any, ts: Any, price: Any, size: Any, bid: Any, ask: Any, symbols: int, out: Any, order: Any
) -> tuple[int, int, int]:
    last = np.zeros(symbols, np.int64)
    bids = np.full(symbols, np.nan)
    asks = np.full(symbols, np.nan)
    known = np.zeros(symbols, np.bool_)
    now = ticks = late = seen = 0
    rows, symbol_out, ts_out, price_out, size_out, now_out, bid_out, ask_out = out
    for row in range(len(kind)):
        what, time, whose = kind[row], ts[row], symbol[row]
        if what == 9:
            continue
        if what == 0 and time < last[whose]:
            late += 1
            continue
        now = max(now, time)
        if what == 2:
            continue
        if not known[whose]:
            known[whose] = True
            order[seen] = whose
            seen += 1
        if 0.0 < bid[row] <= ask[row] < np.inf:
            bids[whose], asks[whose] = bid[row], ask[row]
        if what == 0:
            last[whose] = time
            rows[ticks], symbol_out[ticks], ts_out[ticks], now_out[ticks] = row, whose, time, now
            price_out[ticks], size_out[ticks] = price[row], size[row]
            bid_out[ticks], ask_out[ticks] = bids[whose], asks[whose]
            ticks += 1
    return ticks, late, seen


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
