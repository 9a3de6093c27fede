"""A tape's events as columns of numbers: what compiled code reads, batch after batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from actors.engine.core import Input
from pipeline.events import Clock, Prints, Quote, Refused, Trade
from pipeline.venues.jsonl import BAD_TRADE, JsonLines
from research.engine.jit import compiled
from service.recorded import columnar, tapes
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
    """Read a tape of any form in columns. Raises UserError if it is none, Unreadable for the recording of a session."""
    if columnar.is_columnar(path):
        first = columnar.first_line(path) or b""
        yield from _parquet(path, progress) if b'"settings"' not in first else _no_recording()
        return
    tapes.check(path)
    if tapes.recorded_settings(path) is not None:
        _no_recording()
    names: dict[str, int] = {}
    waiting: list[Input] = []
    for batch in tapes.read(path, progress, say):
        waiting += batch
        if len(waiting) >= ROWS:
            yield columns_of(waiting, names)
            waiting = []
    if waiting:
        yield columns_of(waiting, names)


def _no_recording() -> NoReturn:
    raise Unreadable("the tape is the recording of a session, and compiled code knows market data alone")


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


_READ = ("kind", "symbol", "ts", "price", "size", "bid", "ask")
_BATCH = 1 << 16  # rows of a batch of Parquet: they stay in the processor's cache


def _parquet(path: Path, progress: Progress) -> Iterator[Columns]:
    """Read a tape in Parquet, without making an event of each row."""
    info = columnar.info(path)
    names = (*_READ, "line") if info.counts.get("other") else _READ
    done, size = 0, path.stat().st_size
    for batch in columnar.batches(path, names, _BATCH):
        yield _of_batch(batch, info.symbols)
        done += len(batch)
        progress(size * done // max(1, info.rows))


def _of_batch(batch: Any, symbols: Sequence[str]) -> Columns:
    """Return the rows of a batch, all of them if each is sound."""
    kind, ts = numbers(batch.column("kind"), -1), numbers(batch.column("ts"), 0)
    symbol = numbers(batch.column("symbol").indices, -1)
    price, size, bid, ask = (numbers(batch.column(name), np.nan) for name in ("price", "size", "bid", "ask"))
    nameless = symbols.index("") if "" in symbols else -1
    columns = Columns(kind, symbol, ts, price, size, bid, ask, symbols)
    return columns if are_sound(kind, symbol, ts, price, size, nameless) else _sound_of(batch, columns, nameless)


def numbers(column: Any, missing: float) -> Any:
    """Return the numbers of a column of pyarrow, read-only, with `missing` for those that are null.

    What `to_numpy` does, which would load pandas where it is installed: 33 MB, and 0.1 s.
    """
    kind, count = np.dtype(column.type.to_pandas_dtype()), len(column)
    if column.null_count == count:
        found = np.full(count, missing, kind)
    else:
        valid, values = column.buffers()
        found = np.frombuffer(values, kind, count, column.offset * kind.itemsize)
        if column.null_count:
            bits = np.unpackbits(np.frombuffer(valid, np.uint8), count=column.offset + count, bitorder="little")
            found = np.where(bits[column.offset :], found, kind.type(missing))
    found.flags.writeable = False  # as what is null nowhere: compiled code is for the one or the other
    return found


def _sound_of(batch: Any, columns: Columns, nameless: int) -> Columns:
    """Return a batch's rows; what no tape may have is refused or left out, as where events are made of them."""
    kind, symbol, ts, price, size, bid, ask, symbols, _ = columns
    late = ts > _LATEST
    if late.any():
        _time(int(ts[late][0]))
    timed = ts > 0
    named = timed & (symbol >= 0) & (symbol != nameless)
    trades = kind == TRADE
    with np.errstate(invalid="ignore"):
        sound = named & (price > 0) & (price < np.inf) & (size >= 0) & (size < np.inf)
    keep = trades | ((kind == QUOTE) & named) | ((kind == CLOCK) & timed)
    others: dict[int, Input] = dict.fromkeys(np.flatnonzero(trades & ~sound).tolist(), Refused(BAD_TRADE))
    rest = np.flatnonzero(kind == OTHER)
    lines = batch.column("line").take(rest).to_pylist() if len(rest) else []
    for row, line in zip(rest.tolist(), lines, strict=True):
        event = _line(line.encode()) if line is not None else None
        if event is not None:
            others[row] = checked(event)
    if others:
        kind = kind.copy()
        rows = list(others)
        kind[rows], keep[rows] = OTHER, True
    symbol = np.where(named, symbol, 0) if not named.all() else symbol
    told = sorted(others.items(), key=itemgetter(0))
    if not keep.all():
        places = np.cumsum(keep) - 1
        told = [(int(places[row]), event) for row, event in told]
        kind, symbol, ts, price, size, bid, ask = (c[keep] for c in (kind, symbol, ts, price, size, bid, ask))
    return Columns(kind, symbol, ts, price, size, bid, ask, symbols, told)


_line = JsonLines[Input](Input).line


@compiled
def are_sound(kind: Any, symbol: Any, ts: Any, price: Any, size: Any, nameless: int) -> bool:
    """Whether each row is an event of a market that a tape may have, with a time to reckon with."""
    for row in range(len(kind)):
        what = kind[row]
        if not 0 < ts[row] <= _LATEST or what < TRADE or what > CLOCK:
            return False
        if what != CLOCK and (symbol[row] < 0 or symbol[row] == nameless):
            return False
        if what == TRADE and not (0.0 < price[row] < np.inf and 0.0 <= size[row] < np.inf):
            return False
    return True
