"""What the indicators over a span share: which items are in it, and sums and extremes kept as items come and go.

All of it is O(1) an item, amortised, and holds no more than the span's items.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.checked import number
from pipeline.events import SECOND

_RESUM_EVERY = 512
"""Items that leave a running sum before it is added up afresh: float noise does not gather."""


class Span(NamedTuple):
    """How far back an indicator looks: over `items`, or over `ns`, (ts - ns, ts]. One of them is 0."""

    items: int
    ns: int

    @classmethod
    def of(cls, who: str, items: float | None, seconds: float | None, least: int = 1) -> Span:
        """Check what an author said. Raises ValueError unless it is one length, and a sane one."""
        if (items is None) == (seconds is None):
            raise ValueError(f"{who}: give one length: a number of items, or seconds=, and not both")
        if seconds is not None:
            if not number(f"{who}: seconds is", seconds) > 0:
                raise ValueError(f"{who}: seconds must be more than 0, not {seconds}")
            return cls(0, round(seconds * SECOND))
        return cls(count(who, items, least), 0)

    def __str__(self) -> str:
        return str(self.items) if self.items else f"{self.ns / SECOND:g} s"


def count(who: str, items: Any, least: int = 1) -> int:
    """Return a whole number of items. Raises ValueError."""
    found = number(f"{who}: the number of items is", items)
    if found != int(found) or found < least:
        raise ValueError(f"{who}: the number of items must be whole and {least} or more, not {items}")
    return int(found)


class Rolling:
    """The newest values of a span, their sum and the sum of their squares.

    Squares are of differences to an anchor, one of the values: so they keep their digits where all values are alike.
    """

    __slots__ = ("_items", "_left", "_ns", "_since", "anchor", "squares", "total", "values")

    def __init__(self, span: Span) -> None:
        self.values: deque[tuple[int, float]] = deque()  # (ts, value), oldest first
        self.total = 0.0  # of value - anchor
        self.squares = 0.0
        self.anchor = 0.0
        self._items = span.items
        self._ns = span.ns
        self._left = 0
        self._since: int | None = None  # the first item's ts

    def add(self, ts: int, value: float) -> bool:
        """Take a value in, and let go of what is out of the span; return whether the span is full."""
        values, items = self.values, self._items
        if not values:
            self.anchor, self.total, self.squares = value, 0.0, 0.0
            if self._since is None:
                self._since = ts
        difference = value - self.anchor
        values.append((ts, value))
        if items and len(values) > items and self._left < _RESUM_EVERY - 1:
            # By far the most common: one comes and one goes. What `_drop` does, in line, in the same order.
            gone = values.popleft()[1] - self.anchor
            self.total = self.total + difference - gone
            self.squares = self.squares + difference * difference - gone * gone
            self._left += 1
            return True
        self.total += difference
        self.squares += difference * difference
        if items:
            if len(values) > items:
                self._drop()
            return len(values) == items
        start = ts - self._ns
        while values[0][0] <= start:
            self._drop()
        return self._since <= start  # type: ignore[operator]  # it is that of the first item by now

    def _drop(self) -> None:
        difference = self.values.popleft()[1] - self.anchor
        self.total -= difference
        self.squares -= difference * difference
        self._left += 1
        if self._left >= _RESUM_EVERY and self._left >= len(self.values):
            self._left = 0
            self.anchor = anchor = self.values[-1][1] if self.values else 0.0
            self.total = sum(value - anchor for _, value in self.values)
            self.squares = sum((value - anchor) ** 2 for _, value in self.values)

    @property
    def sum(self) -> float:
        return self.anchor * len(self.values) + self.total

    @property
    def mean(self) -> float:
        return self.anchor + self.total / len(self.values)

    @property
    def variance(self) -> float:
        """The population's: the mean squared distance from the mean."""
        n = len(self.values)
        mean = self.total / n
        return max(0.0, self.squares / n - mean * mean)

    @property
    def oldest(self) -> float:
        return self.values[0][1]


class Extreme:
    """The highest value of a span, or the lowest with `sign` -1."""

    __slots__ = ("_items", "_ns", "_number", "_sign", "_since", "_values")

    def __init__(self, span: Span, sign: int) -> None:
        self._values: deque[tuple[int, int, float]] = deque()  # (number, ts, value), each beyond the ones after it
        self._items = span.items
        self._ns = span.ns
        self._sign = sign
        self._number = 0
        self._since: int | None = None

    def add(self, ts: int, value: float) -> bool:
        """Take a value in; return whether the span is full."""
        values, sign = self._values, self._sign
        while values and sign * values[-1][2] <= sign * value:
            values.pop()
        self._number += 1
        values.append((self._number, ts, value))
        if self._since is None:
            self._since = ts
        if self._items:
            if values[0][0] <= self._number - self._items:
                values.popleft()
            return self._number >= self._items
        start = ts - self._ns
        while values[0][1] <= start:
            values.popleft()
        return self._since <= start

    @property
    def value(self) -> float:
        return self._values[0][2]


Follow = Callable[[float], float | None]


def exponential(items: int, weight: float) -> Follow:
    """Return a moving average that begins with the mean of the first `items`: value += weight x (new - value)."""
    seen = 0
    average = 0.0

    def follow(value: float) -> float | None:
        nonlocal seen, average
        if seen < items:
            seen += 1
            average += (value - average) / seen
            return average if seen == items else None
        average += weight * (value - average)
        return average

    return follow


def ema_of(items: int) -> Follow:
    """An exponential average of weight 2 / (items + 1)."""
    return exponential(items, 2.0 / (items + 1))


def wilder_of(items: int) -> Follow:
    """Wilder's smoothing: an exponential average of weight 1 / items."""
    return exponential(items, 1.0 / items)
