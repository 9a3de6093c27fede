"""What a tape says whatever the settings are: its ticks, quotes and seconds in arrays, worked out once for all of them.

A tick is a trade that is accepted. `now` is the core's time, the largest so far of what moves it; it never falls, so
that "before the timer that is due at d" is "while now < d", and a binary search finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from actors.engine.core import Input
from pipeline.events import SECOND, Clock, Quote, Trade
from research.engine.columns import CLOCK, QUOTE, TRADE, Columns
from research.engine.jit import compiled

BLOCK = 32
"""Ticks whose highest and lowest price are kept together: what leaves a position seldom looks at each."""


TICK = np.dtype([("now", np.int64), ("price", np.float64), ("second", np.int32), ("quote", np.int32)])
SECOND_TRADED = np.dtype([("end", np.int64), ("move", np.float64)])
BLOCK_OF_TICKS = np.dtype([("high", np.float64), ("low", np.float64), ("latest", np.int64)])


class Course(NamedTuple):
    """What positions in a symbol meet: what is looked at together lies together, in arrays of records.

    Attributes:
        ticks: TICK: the core's time, price, and the index of its second and of the quote in force (-1: none yet).
        seconds: SECOND_TRADED: when each second's candle closes (ns), and how far its close is from that of the candle
            before it (a fraction; inf for the first).
        blocks: BLOCK_OF_TICKS: the highest and the lowest price, and the latest time, of each BLOCK of ticks.
        quotes: The core's time at each quote that changed something (ns).
    """

    ticks: Any
    seconds: Any
    blocks: Any
    quotes: Any


class SymbolFacts(NamedTuple):
    """A symbol's ticks (`ts`, `price`, `size`, and the `row` of the tape in which each is), and its quotes' sides."""

    ts: Any
    price: Any
    size: Any
    row: Any
    bid: Any
    ask: Any
    course: Course


class TapeFacts(NamedTuple):
    """A tape's facts: by symbol, in the order in which the core hears of them first; `now` after each row (ns)."""

    names: tuple[str, ...]
    symbols: tuple[SymbolFacts, ...]
    now: Any
    late: int
    columns: Columns

    @property
    def ticks(self) -> int:
        """Accepted trades."""
        return sum(len(symbol.ts) for symbol in self.symbols)

    @property
    def last(self) -> int:
        """The time at its end, in ns: what is due later does not fire."""
        return int(self.now[-1]) if len(self.now) else 0


def facts_of(columns: Columns) -> TapeFacts:
    """Work out a tape's facts."""
    now, accepted, first = _pass_time(columns.kind, columns.symbol, columns.ts, len(columns.symbols))
    named = (columns.kind == TRADE) | (columns.kind == QUOTE)
    order = np.flatnonzero(named)
    order = order[np.argsort(columns.symbol[order], kind="stable")]
    bounds = np.searchsorted(columns.symbol[order], np.arange(len(columns.symbols) + 1))
    known = sorted((code for code in range(len(columns.symbols)) if first[code] >= 0), key=lambda code: first[code])
    symbols = []
    for code in known:
        rows = order[bounds[code] : bounds[code + 1]]
        symbols.append(_symbol_facts(columns, rows, now, accepted))
    late = int(np.count_nonzero((columns.kind == TRADE) & ~accepted))
    return TapeFacts(tuple(columns.symbols[code] for code in known), tuple(symbols), now, late, columns)


def _symbol_facts(columns: Columns, named: Any, now: Any, accepted: Any) -> SymbolFacts:
    """Work out the facts of a symbol, whose trades and quotes are in the rows `named`."""
    rows = named[accepted[named]]
    quoting = named[accepted[named] | (columns.kind[named] == QUOTE)]
    bid, ask = columns.bid[quoting], columns.ask[quoting]
    with np.errstate(invalid="ignore"):
        sound = (bid > 0) & (bid <= ask) & (ask < np.inf)
    quoting, bid, ask = quoting[sound], bid[sound], ask[sound]
    if len(bid):  # those that change nothing are left out
        news = np.concatenate(([True], (bid[1:] != bid[:-1]) | (ask[1:] != ask[:-1])))
        quoting, bid, ask = quoting[news], bid[news], ask[news]
    price, tick_now = columns.price[rows], now[rows]
    ticks = np.empty(len(rows), TICK)
    ticks["now"], ticks["price"] = tick_now, price
    ticks["quote"] = np.searchsorted(quoting, rows, side="right") - 1
    course = Course(ticks, _seconds(ticks), _blocks(ticks), now[quoting])
    return SymbolFacts(columns.ts[rows], price, columns.size[rows], rows, bid, ask, course)


def _seconds(ticks: Any) -> Any:
    """Return the seconds in which there are ticks, and write into each tick which of them is its own."""
    seconds = ticks["now"] // SECOND
    last = np.flatnonzero(np.diff(seconds, append=-1))  # ticks
    closes = ticks["price"][last]
    found = np.empty(len(last), SECOND_TRADED)
    found["end"] = (seconds[last] + 1) * SECOND
    found["move"][:1] = np.inf
    found["move"][1:] = np.abs(closes[1:] / closes[:-1] - 1)
    ticks["second"] = np.searchsorted(seconds[last], seconds)
    return found


def _blocks(ticks: Any) -> Any:
    """Return what blocks of ticks have in common."""
    starts = np.arange(0, len(ticks), BLOCK)
    found = np.empty(len(starts), BLOCK_OF_TICKS)
    if len(starts):
        found["high"] = np.maximum.reduceat(ticks["price"], starts)
        found["low"] = np.minimum.reduceat(ticks["price"], starts)
        found["latest"] = ticks["now"][np.minimum(starts + BLOCK, len(ticks)) - 1]
    return found


@compiled
def _pass_time(kind: Any, symbol: Any, ts: Any, symbols: int) -> tuple[Any, Any, Any]:
    """Return `now` after each row, which trades are accepted, and the row at which each symbol is heard of first."""
    rows = len(kind)
    now = np.empty(rows, np.int64)
    accepted = np.zeros(rows, np.bool_)
    first = np.full(symbols, -1, np.int64)
    newest = np.zeros(symbols, np.int64)
    time = 0
    for row in range(rows):
        moves = kind[row] == CLOCK or kind[row] == QUOTE
        code = symbol[row]
        if kind[row] == TRADE and ts[row] >= newest[code]:
            newest[code] = ts[row]
            accepted[row] = moves = True
        if kind[row] <= QUOTE and first[code] < 0:
            first[code] = row
        if moves and ts[row] > time:
            time = ts[row]
        now[row] = time
    return now, accepted, first


def events_of(columns: Columns) -> Iterator[list[Input]]:
    """Give the events of columns again, in batches, without ids and sizes of quotes, which decide nothing."""
    names, others = columns.symbols, dict(columns.others)
    for start in range(0, len(columns), 10_000):
        batch: list[Input] = []
        rows = zip(*(column[start : start + 10_000].tolist() for column in columns[:7]), strict=True)
        for row, (kind, code, ts, price, size, bid, ask) in enumerate(rows, start):
            if kind == TRADE:
                sides = (None if side != side else side for side in (bid, ask))
                batch.append(Trade(names[code], ts, price, size, *sides))
            elif kind == QUOTE:
                batch.append(Quote(names[code], ts, bid, ask))
            else:
                batch.append(Clock(ts) if kind == CLOCK else others[row])
        yield batch
