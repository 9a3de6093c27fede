"""A tape's events as columns of numbers: what compiled code reads, batch after batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actors.engine.core import Input
from pipeline.events import Clock, Prints, Quote, Refused, Trade
from service.recorded import tapes
from service.recorded.tapes import Progress, Say

TRADE, QUOTE, CLOCK, OTHER = 0, 1, 2, 9
"""What `kind` says an event is."""

ROWS = 1 << 18
"""Events of a batch that is made of a tape in JSON Lines."""

_LATEST = 1 << 62  # ns; a time beyond it is none of a market


class Unreadable(ValueError):
    """A tape holds what compiled code has no way to decide on; the sentence says what."""


class Columns(NamedTuple):
    """A batch of events, one a row, in the order in which they are to be handled.

    `kind` is int8, `symbol` int32 (an index of `symbols`), `ts` int64 in ns; the others are float64, with NaN where
    there is nothing. `symbols` are those heard of so far in the whole tape; `others` are the events of kind 9 by row.
    """

    kind: Any
    symbol: Any
    ts: Any
    price: Any
    size: Any
    bid: Any
    ask: Any
    symbols: Sequence[str]
    others: Sequence[tuple[int, Input]] = ()

    def __len__(self) -> int:  # a row is an event
        return len(self.kind)


def read(path: Path, progress: Progress = lambda _: None, say: Say = lambda _: None) -> Iterator[Columns]:
    """Read a tape of any form in columns. Raises UserError if it is none, Unreadable for inputs of a session."""
    tapes.check(path)
    if tapes.recorded_settings(path) is not None:
        raise Unreadable("the tape is a recording of a session, whose inputs are more than market data")
    names: dict[str, int] = {}
    waiting: list[Input] = []
    for batch in tapes.read(path, progress, say):
        waiting += batch
        if len(waiting) >= ROWS:
            yield columns_of(waiting, names)
            waiting = []
    if waiting:
        yield columns_of(waiting, names)


def columns_of(events: Sequence[Input], names: dict[str, int] | None = None) -> Columns:
    """Return events as columns; `names` are the symbols heard of before, by name, and gets the new ones.

    Raises Unreadable for an input that is neither market data nor a count.
    """
    names = {} if names is None else names
    count = len(events)
    kind, symbol, ts = np.empty(count, np.int8), np.zeros(count, np.int32), np.zeros(count, np.int64)
    price, size, bid, ask = (np.full(count, np.nan) for _ in range(4))
    others: list[tuple[int, Input]] = []
    trades: list[int] = []
    for row, event in enumerate(events):
        if event.__class__ is Trade:
            trades.append(row)
        elif isinstance(event, Quote):
            kind[row], bid[row], ask[row] = QUOTE, event.bid, event.ask
            symbol[row], ts[row] = names.setdefault(event.symbol, len(names)), _time(event.ts)
        elif isinstance(event, Clock):
            kind[row], ts[row] = CLOCK, _time(event.ts)
        else:
            kind[row] = OTHER
            others.append((row, checked(event)))
    found: list[Any] = [events[row] for row in trades]
    kind[trades] = TRADE
    symbol[trades] = [names.setdefault(trade.symbol, len(names)) for trade in found]
    ts[trades] = [_time(trade.ts) for trade in found]
    price[trades] = [trade.price for trade in found]
    size[trades] = [trade.size for trade in found]
    bid[trades] = [trade.bid for trade in found]  # None is NaN
    ask[trades] = [trade.ask for trade in found]
    return Columns(kind, symbol, ts, price, size, bid, ask, list(names), others)


def checked(event: Input) -> Input:
    """Return an input that only counts. Raises Unreadable for any other."""
    if isinstance(event, Refused | Prints):
        return event
    kind = getattr(type(event).__struct_config__, "tag", "") or type(event).__name__
    raise Unreadable(f"the tape holds an input of a session ({kind}), and compiled code knows market data alone")


def _time(ts: int) -> int:
    if ts > _LATEST:
        raise Unreadable(f"the tape has the time {ts}, which is beyond what compiled code reckons with")
    return ts


def batched(events: Iterable[Input], rows: int) -> Iterator[Columns]:
    """Give events in batches of so many rows."""
    names: dict[str, int] = {}
    stream = iter(events)
    while batch := list(islice(stream, rows)):
        yield columns_of(batch, names)
