"""Series over time that keep what matters when they are made coarser: bars in columns, bounded, the oldest go first."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from pipeline.events import SECOND
from web.messages import Bar, SeriesPart, Tick, WorthSeen

DAY_WIDTH = 30
"""Seconds of a bar of the whole day."""

DAY_BARS = 2_880
"""Bars of that width that are kept: 24 hours of trading without a pause, and more days where there are pauses."""

WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)
"""Seconds that a bar may have."""

_PART_ROWS = 8_192  # of a message: half a megabyte
_SLACK = 256  # rows beyond the limit before the oldest are cut off, all at once

Row = tuple[float, ...]
"""When it begins (a Unix second), and a value for each column."""


def _first(before: float, _after: float) -> float:
    return before


def _last(before: float, after: float) -> float:
    return before if math.isnan(after) else after


def _sum(before: float, after: float) -> float:
    return before + after


Fold = Callable[[float, float], float]

PRICES: dict[str, Fold] = {
    "open": _first,
    "high": max,
    "low": min,
    "close": _last,
    "volume": _sum,
    "bid": _last,
    "ask": _last,
}
"""The columns of a symbol's bars, and what becomes of two values in one bar; `bid` and `ask` may be NaN."""

WORTH: dict[str, Fold] = {"worth": _last, "low": min, "drawdown": max}
"""Likewise of the account: what it is worth with open profit, at last and at least, and how far below its best."""


def bars_of(ticks: Iterable[Tick]) -> tuple[Bar, ...]:
    """Return what ticks, in their order, add to each second: one that is earlier than the last second adds nothing."""
    bars: list[Bar] = []
    second = -1
    begun = high = low = close = volume = 0.0
    bid: float | None = None
    ask: float | None = None
    for ts, price, size, tick_bid, tick_ask in ((t.ts, t.price, t.size, t.bid, t.ask) for t in ticks):
        now = ts // SECOND
        if now > second:
            if second >= 0:
                bars.append(Bar(second, begun, high, low, close, volume, bid, ask))
            second, begun, high, low, volume = now, price, price, price, 0.0
        elif now < second:
            continue
        elif price > high:
            high = price
        elif price < low:
            low = price
        close, bid, ask = price, tick_bid, tick_ask
        volume += size
    if second >= 0:
        bars.append(Bar(second, begun, high, low, close, volume, bid, ask))
    return tuple(bars)


def folded(rows: Iterable[Row], folds: Sequence[Fold], width: int) -> list[Row]:
    """Return rows, in their order, as bars of that width: none of what they come to is lost."""
    bars: list[Row] = []
    start = math.nan
    values: list[float] = []
    for second, *new in rows:
        begins = second - second % width
        if begins != start:
            if values:
                bars.append((start, *values))
            start, values = begins, new
        else:
            values = [fold(before, after) for fold, before, after in zip(folds, values, new, strict=True)]
    if values:
        bars.append((start, *values))
    return bars


def width_for(span: float, points: int) -> int:
    """Return how wide bars have to be, in seconds, so that no more than `points` of them cover a span."""
    return next((width for width in WIDTHS if span <= width * points), math.ceil(span / points))


class Series:
    """Bars of one width in columns; what comes for an earlier bar than the newest is left out."""

    def __init__(self, folds: dict[str, Fold], width: int, limit: int) -> None:
        self.width = width
        self.trimmed = False  # whether the oldest were cut off
        self._folds = tuple(folds.values())
        self._limit = limit
        self._columns = tuple(array("d") for _ in range(len(folds) + 1))

    def __len__(self) -> int:
        return len(self._columns[0])

    @property
    def first(self) -> float:
        """When its oldest bar begins; infinite without one."""
        return self._columns[0][0] if len(self) else math.inf

    def add(self, second: float, *values: float) -> bool:
        """Add values to the bar of a second; False if they come too late for it."""
        begins = second - second % self.width
        times, *columns = self._columns
        newest = times[-1] if times else -1.0
        if begins > newest:
            times.append(begins)
            for column, value in zip(columns, values, strict=True):
                column.append(value)
            if len(times) > self._limit + _SLACK:
                self._cut(len(times) - self._limit)
        elif begins == newest:
            for column, fold, value in zip(columns, self._folds, values, strict=True):
                column[-1] = fold(column[-1], value)
        else:
            return False
        return True

    def _cut(self, rows: int) -> None:
        self.trimmed = True
        for column in self._columns:
            del column[:rows]

    def rows(self, since: float = -math.inf, until: float = math.inf) -> Iterator[Row]:
        """Yield the bars that begin at `since` or later, and before `until`."""
        times = self._columns[0]
        start = max(bisect_left(times, since), len(times) - self._limit)
        return zip(*(column[start : bisect_left(times, until)] for column in self._columns), strict=True)

    def parts(self) -> Iterator[tuple[bytes, ...]]:
        """Yield all of it in pieces for another process on this machine."""
        start = max(0, len(self) - self._limit)
        for begin in range(start, len(self), _PART_ROWS):
            yield tuple(column[begin : begin + _PART_ROWS].tobytes() for column in self._columns)

    def recall(self, part: Sequence[bytes]) -> None:
        """Take in a piece of what was before; it may come behind what is newer."""
        before = [array("d", column) for column in part]
        if not before or len(before) != len(self._columns):
            return
        rows = sorted([*zip(*before, strict=True), *self.rows()], key=lambda row: row[0])
        self._columns = tuple(array("d") for _ in self._columns)
        for row in rows:
            self.add(*row)


class Course:
    """A value by the second for a while, and coarser for the whole day."""

    def __init__(self, folds: dict[str, Fold], seconds: int) -> None:
        self._folds = tuple(folds.values())
        self._fine = Series(folds, 1, seconds)
        self._day = Series(folds, DAY_WIDTH, DAY_BARS)

    @property
    def first(self) -> float | None:
        """When the oldest bar that is known begins; None without any."""
        first = min(self._fine.first, self._day.first)
        return first if first < math.inf else None

    def add(self, second: float, *values: float) -> bool:
        """Add values to a second; False if they come too late."""
        self._day.add(second, *values)
        return self._fine.add(second, *values)

    def since(self, second: float) -> list[Row]:
        """Return the bars of a second each from that second on."""
        return list(self._fine.rows(second))

    def between(self, since: float, until: float, width: int) -> tuple[int, list[Row]]:
        """Return the bars of a stretch of time, and how wide they are: `width`, or more where none finer are left."""
        fine = self._fine
        known = not fine.trimmed or since >= fine.first
        source = fine if (width < DAY_WIDTH and known) or not len(self._day) else self._day
        width = max(width, source.width)
        begin, end = since - since % width, until + -until % width  # a bar that is shown is whole
        return width, folded(source.rows(begin, end), self._folds, width)

    def parts(self) -> Iterator[SeriesPart]:
        """Yield all of it in pieces for another process on this machine."""
        for fine, day in zip_longest(self._fine.parts(), self._day.parts(), fillvalue=()):
            yield SeriesPart(fine, day)

    def recall(self, part: SeriesPart) -> None:
        """Take in a piece of what was before."""
        self._fine.recall(part.fine)
        self._day.recall(part.day)
        if self._day.first < self._fine.first - DAY_WIDTH:
            self._fine.trimmed = True


class PriceCourse(Course):
    """The prices of a symbol."""

    def __init__(self, seconds: int) -> None:
        super().__init__(PRICES, seconds)

    def see(self, bars: Iterable[Bar]) -> float:
        """Add what came in each second; return the first second that has changed, infinite if none has."""
        changed = math.inf
        for bar in bars:
            bid = math.nan if bar.bid is None else bar.bid
            ask = math.nan if bar.ask is None else bar.ask
            if self.add(bar.second, bar.open, bar.high, bar.low, bar.close, bar.volume, bid, ask):
                changed = min(changed, bar.second)
        return changed


class WorthCourse(Course):
    """What the account is worth."""

    def __init__(self, seconds: int) -> None:
        super().__init__(WORTH, seconds)

    def see(self, seen: WorthSeen) -> float:
        """Add what it is worth at a moment; return the second that has changed, infinite if none has."""
        second = float(seen.ts // SECOND)
        return second if self.add(second, seen.worth, seen.worth, seen.drawdown) else math.inf


def columns(names: Sequence[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return rows as a list for each name, times as whole seconds: compact in JSON, where NaN becomes null."""
    turned: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    turned[0] = [int(second) for second in turned[0]]
    return dict(zip(names, turned, strict=True))
