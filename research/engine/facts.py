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


class SymbolFacts(NamedTuple):
    """A symbol's ticks, the quotes that came into force, and the seconds in which it was traded.

    `now` is the core's time at each tick, and `quote_now` at each quote. `quote` is the index of the quote in force at
    a tick, after its own; -1: none yet. `second` is the index of a tick's second; `ends` says when each second's candle
    closes (ns), `moves` how far its close is from that of the candle before it (a fraction; inf for the first).
    """

    ts: Any
    now: Any
    price: Any
    size: Any
    event: Any  # index of the tick's row
    quote: Any
    quote_now: Any
    bid: Any
    ask: Any
    second: Any
    ends: Any
    moves: Any
    high: Any  # highest price of each BLOCK of ticks
    low: Any
    latest: Any  # and their latest time


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


def _symbol_facts(columns: Columns, rows: Any, now: Any, accepted: Any) -> SymbolFacts:
    """Work out the facts of a symbol, of whose trades and quotes `rows` are the indices."""
    ticks = rows[accepted[rows]]
    quoting = rows[accepted[rows] | (columns.kind[rows] == QUOTE)]
    bid, ask = columns.bid[quoting], columns.ask[quoting]
    with np.errstate(invalid="ignore"):
        sound = (bid > 0) & (bid <= ask) & (ask < np.inf)
    quoting, bid, ask = quoting[sound], bid[sound], ask[sound]
    if len(bid):  # those that change nothing are left out
        news = np.concatenate(([True], (bid[1:] != bid[:-1]) | (ask[1:] != ask[:-1])))
        quoting, bid, ask = quoting[news], bid[news], ask[news]
    price, tick_now = columns.price[ticks], now[ticks]
    starts = np.arange(0, len(ticks), BLOCK)
    seconds = tick_now // SECOND
    last = np.flatnonzero(np.concatenate((seconds[1:] != seconds[:-1], [True]))) if len(ticks) else ticks[:0]
    closes = price[last]
    return SymbolFacts(
        ts=columns.ts[ticks],
        now=tick_now,
        price=price,
        size=columns.size[ticks],
        event=ticks,
        quote=np.searchsorted(quoting, ticks, side="right") - 1,
        quote_now=now[quoting],
        bid=bid,
        ask=ask,
        second=np.searchsorted(seconds[last], seconds) if len(ticks) else ticks,
        ends=(seconds[last] + 1) * SECOND,
        moves=np.concatenate(([np.inf], np.abs(closes[1:] / closes[:-1] - 1)))[: len(closes)],
        high=np.maximum.reduceat(price, starts) if len(ticks) else price,
        low=np.minimum.reduceat(price, starts) if len(ticks) else price,
        latest=tick_now[np.minimum(starts + BLOCK, len(ticks)) - 1] if len(ticks) else tick_now,
    )


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
