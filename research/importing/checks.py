"""What a tape is like: order, silences, crossed quotes, prices that stand alone, sessions, a picture of each symbol.

Everything is counted by columns while the tape is written, in memory that does not grow with its length.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from pipeline.events import SECOND
from research.importing import rows
from research.importing.rows import QUOTE, TRADE, Numbers

SESSION_BREAK = 3 * 3600 * SECOND
"""A silence of the whole tape that long parts two sessions."""

GAP = 60 * SECOND
"""The shortest silence of a symbol, within a session, that is told ..."""

GAP_TIMES = 50
"""... if it is so many times its mean silence."""

SPIKE = 0.01
"""A price that is that far from the trade before it, and that the next trade comes back from, stands alone."""

MOST_BUCKETS = 240
"""Of a picture; from there on each is of twice the time."""

_LISTED = 3
_LOOKED_AT = ("kind", "symbol", "ts", "price", "size", "bid", "ask")
_MANY = 50  # symbols
_AT_ONCE = 1_000_000  # rows of many symbols
_RESOLUTIONS = ((SECOND, "s"), (1_000_000, "ms"), (1_000, "us"))


class Span(msgspec.Struct, frozen=True):
    """A stretch of time, in ns."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Nanoseconds."""
        return self.end - self.start


class Alone(msgspec.Struct, frozen=True):
    """A price that stands alone: the trade before it and the one after it were elsewhere."""

    ts: int
    before: float
    price: float
    after: float


class Found(msgspec.Struct):
    """What the checks found of one symbol."""

    symbol: str
    trades: int = 0
    quotes: int = 0
    quoted_trades: int = 0  # trades that come with the quote in force
    first_ts: int = 0
    last_ts: int = 0
    first_price: float = 0.0
    last_price: float = 0.0
    low: float = 0.0
    high: float = 0.0
    volume: float = 0.0
    late: int = 0  # trades whose time is before that of the trade before: a replay leaves them out
    ties: int = 0  # trades at the very time of the one before
    repeated: int = 0  # of the ties, those with the price and size of the one before too
    crossed: int = 0  # quotes whose bid is above the ask: a replay leaves them out
    locked: int = 0  # quotes whose bid is the ask
    no_size: int = 0  # trades of size 0
    alone: int = 0  # prices that stand alone
    gaps: int = 0  # silences
    longest_gaps: list[Span] = []
    alone_examples: list[Alone] = []


class Picture:
    """Last price and volume by second; by two, four ... seconds where there are too many."""

    def __init__(self) -> None:
        self.width = SECOND  # ns
        self.price: dict[int, float] = {}
        self.volume: dict[int, float] = {}

    def add(self, ts: Numbers, price: Numbers, size: Numbers) -> None:
        """Add trades."""
        bucket = ts // self.width
        starts = np.concatenate(([0], np.flatnonzero(bucket[1:] != bucket[:-1]) + 1))
        ends = np.concatenate((starts[1:], [len(ts)])) - 1
        volumes = np.add.reduceat(size, starts)
        for place, last, volume in zip(bucket[starts].tolist(), price[ends].tolist(), volumes.tolist(), strict=True):
            self.price[place] = last
            self.volume[place] = self.volume.get(place, 0.0) + volume
        while len(self.price) > MOST_BUCKETS:
            self._halve()

    def _halve(self) -> None:
        price, volume = self.price, self.volume
        self.width *= 2
        self.price, self.volume = {}, {}
        for place in price:
            self.price[place // 2] = price[place]
            self.volume[place // 2] = self.volume.get(place // 2, 0.0) + volume[place]


class _OfSymbol:
    """Counts of one symbol, and what its next rows are looked at beside."""

    def __init__(self, symbol: str) -> None:
        self.found = Found(symbol)
        self.picture = Picture()
        self._latest = 0  # ns, of a trade
        self._event = 0  # ns, of the last event
        self._silent = self._steps = 0  # ns between events of a session, and how many times
        self._size = np.nan  # of the last trade
        self._prices: list[tuple[int, float]] = []  # of the last two trades, which the next one is needed for

    def trades(self, ts: Numbers, price: Numbers, size: Numbers) -> None:
        found = self.found
        steps = np.diff(ts, prepend=self._latest or ts[0] - 1)
        ties = np.flatnonzero(steps == 0)
        found.ties += len(ties)
        if len(ties):
            before = [(price, self._prices[-1][1] if self._prices else np.nan), (size, self._size)]
            same = [column[ties] == np.where(ties > 0, column[ties - 1], first) for column, first in before]
            found.repeated += int((same[0] & same[1]).sum())
        self._size = float(size[-1])
        if (steps < 0).any():
            found.late += int((ts < np.maximum.accumulate(np.maximum(ts, self._latest))).sum())
        self._latest = max(self._latest, int(ts.max()))
        if not found.trades:
            found.first_price, found.low = float(price[0]), float(price.min())
        found.trades += len(ts)
        found.last_price = float(price[-1])
        found.low, found.high = min(found.low, float(price.min())), max(found.high, float(price.max()))
        found.volume += float(size.sum())
        found.no_size += int((size == 0).sum())
        self.picture.add(ts, price, size)
        self._alone(ts, price)

    def _alone(self, ts: Numbers, price: Numbers) -> None:
        if self._prices:
            ts = np.concatenate(([t for t, _ in self._prices], ts))
            price = np.concatenate(([p for _, p in self._prices], price))
        self._prices = list(zip(ts[-2:].tolist(), price[-2:].tolist(), strict=True))
        if len(price) < 3:
            return
        far = np.flatnonzero(np.abs(price[1:-1] - price[:-2]) > SPIKE * price[:-2])
        if not len(far):
            return
        out, back = price[far + 1] / price[far] - 1, price[far + 2] / price[far + 1] - 1
        alone = far[(out * back < 0) & (np.abs(out + back) < np.abs(out) / 2)]
        self.found.alone += len(alone)
        for place in alone[: max(0, _LISTED - len(self.found.alone_examples))].tolist():
            example = Alone(int(ts[place + 1]), *(float(price[place + n]) for n in range(3)))
            self.found.alone_examples.append(example)

    def quotes(self, bid: Numbers, ask: Numbers) -> None:
        found = self.found
        found.quotes += len(bid)
        found.crossed += int((bid > ask).sum())
        found.locked += int((bid == ask).sum())

    def events(self, ts: Numbers) -> None:
        """Look at the silences between events of any kind."""
        found = self.found
        found.first_ts = found.first_ts or int(ts[0])
        steps = np.diff(ts, prepend=self._event or ts[0])
        within = steps < SESSION_BREAK
        self._silent += int(steps[within].sum())
        self._steps += int(within.sum())
        limit = max(GAP, GAP_TIMES * self._silent / max(1, self._steps))
        silent = np.flatnonzero((steps > limit) & within)
        if len(silent):
            found.gaps += len(silent)
            ends = ts[silent]
            spans = [Span(int(end - step), int(end)) for end, step in zip(ends, steps[silent], strict=True)]
            found.longest_gaps = sorted([*found.longest_gaps, *spans], key=lambda span: -span.length)[:_LISTED]
        found.last_ts = self._event = max(self._event, int(ts.max()))


class Checks:
    """Looks at the rows of a tape in their order."""

    def __init__(self) -> None:
        self.sessions: list[Span] = []
        self.resolution = "s"  # the coarsest unit that all times are whole in
        self._symbols: dict[str, _OfSymbol] = {}
        self._latest = 0
        self._waiting: list[pa.Table] = []

    def finish(self) -> None:
        """Look at what waits."""
        self._look_at_waiting()

    def look(self, table: pa.Table) -> None:
        """Look at rows; those of many symbols wait until there are enough of each."""
        if not len(table):
            return
        table = table.select([name for name in _LOOKED_AT if name in table.column_names])
        if not self._waiting and len(rows.codes(table)[1]) < _MANY:
            self._look(table)
            return
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= _AT_ONCE:
            self._look_at_waiting()

    def _look_at_waiting(self) -> None:
        if self._waiting:
            table, self._waiting = rows.joined(self._waiting), []
            self._look(table)

    def _look(self, table: pa.Table) -> None:
        kind, ts = rows.numbers(table, "kind"), rows.numbers(table, "ts")
        market = (kind == TRADE) | (kind == QUOTE)
        if not market.any():
            return
        whole = market.all()
        self._times(ts if whole else ts[market])
        codes, names = rows.codes(table)
        columns = {name: rows.numbers(table, name) for name in ("price", "size", "bid", "ask")}
        if whole and (codes == codes[0]).all():
            self._of_symbol(names[codes[0]], kind, ts, columns)
            return
        for code, mine in rows.groups(codes, market & (codes >= 0)):
            given = {name: column[mine] for name, column in columns.items()}
            self._of_symbol(names[code], kind[mine], ts[mine], given)

    def _of_symbol(self, name: str, kind: Numbers, ts: Numbers, columns: dict[str, Numbers]) -> None:
        if not len(ts):
            return
        symbol = self._symbols.setdefault(name, _OfSymbol(name))
        symbol.events(ts)
        trades = kind == TRADE
        if trades.all():
            symbol.trades(ts, columns["price"], columns["size"])
        elif trades.any():
            symbol.trades(ts[trades], columns["price"][trades], columns["size"][trades])
        symbol.found.quoted_trades += int((trades & ~np.isnan(columns["bid"]) & ~np.isnan(columns["ask"])).sum())
        if not trades.all():
            symbol.quotes(columns["bid"][~trades], columns["ask"][~trades])

    def _times(self, ts: Numbers) -> None:
        while self.resolution != "ns":
            unit = next(unit for unit, name in _RESOLUTIONS if name == self.resolution)
            if not (ts % unit).any():
                break
            following = [name for _, name in _RESOLUTIONS] + ["ns"]
            self.resolution = following[following.index(self.resolution) + 1]
        edges = np.flatnonzero(np.diff(ts) >= SESSION_BREAK)
        places = [0, *(edges + 1).tolist(), len(ts)]
        for start, end in pairwise(places):
            first, last = int(ts[start]), int(ts[end - 1])
            if self.sessions and first - self._latest < SESSION_BREAK:
                before = self.sessions.pop()
                self.sessions.append(Span(before.start, max(before.end, last)))
            else:
                self.sessions.append(Span(first, last))
            self._latest = max(self._latest, last)

    @property
    def found(self) -> list[Found]:
        """What was found, by symbol: those with the most events first."""
        every = [symbol.found for symbol in self._symbols.values()]
        return sorted(every, key=lambda found: (-found.trades - found.quotes, found.symbol))

    def picture(self, symbol: str) -> Picture:
        """Return a symbol's prices and volumes over time."""
        return self._symbols[symbol].picture


def as_dict(found: Found) -> dict[str, Any]:
    """Return what was found as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain
