"""What the market has done since it opened: its trades and quotes, and bars made of the trades.

Bounded: of each stock the oldest are forgotten, a quarter of what is kept at a time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from mock_exchange.events import SECOND, Event, Quote, Trade

MINUTE = 60 * SECOND


class Bar(msgspec.Struct, gc=False):
    """The trades of one stock in a span of time that begins at `ts`."""

    symbol: str
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: int
    trades: int
    turnover: float  # sum of price x size

    @property
    def vwap(self) -> float:
        """The average price of a share."""
        return round(self.turnover / self.volume, 6) if self.volume else self.close

    def extend(self, later: Bar) -> None:
        """Add the trades of a later bar."""
        self.high, self.low, self.close = max(self.high, later.high), min(self.low, later.low), later.close
        self.volume += later.volume
        self.trades += later.trades
        self.turnover += later.turnover


T = TypeVar("T", Trade, Quote, Bar)


class Series(Generic[T]):
    """The latest of one kind of one stock, by their times, which never fall."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: list[T] = []

    def add(self, item: T) -> None:
        """Append the latest."""
        self._items.append(item)
        if len(self._items) > self._most + self._most // 4:
            del self._items[: -self._most]

    @property
    def latest(self) -> T | None:
        """The latest one, if there is any."""
        return self._items[-1] if self._items else None

    def between(self, start: int, end: int, limit: int, *, newest_first: bool) -> list[T]:
        """Return those from `start` to `end`, both included, at most `limit` of them."""
        first = bisect_left(self._items, start, key=_TS)
        last = bisect_right(self._items, end, key=_TS)
        if newest_first:
            return self._items[max(first, last - limit) : last][::-1]
        return self._items[first : min(last, first + limit)]


_TS: Any = attrgetter("ts")


class History:
    """Trades, quotes and one-minute bars of all stocks."""

    def __init__(self, symbols: Iterable[str], most_events: int) -> None:
        symbols = tuple(symbols)
        most = max(1, most_events // (2 * len(symbols)))
        self.trades: dict[str, Series[Trade]] = {symbol: Series(most) for symbol in symbols}
        self.quotes: dict[str, Series[Quote]] = {symbol: Series(most) for symbol in symbols}
        self.bars: dict[str, Series[Bar]] = {symbol: Series(most) for symbol in symbols}
        self._forming: dict[str, Bar] = {}
        self._minute = 0

    def add(self, event: Event) -> list[Bar]:
        """Add an event; return the bars of the minute that it has shown to be over."""
        minute = event.ts - event.ts % MINUTE
        done = self._complete() if minute > self._minute else []
        self._minute = minute
        if isinstance(event, Quote):
            self.quotes[event.symbol].add(event)
            return done
        self.trades[event.symbol].add(event)
        price, size = event.price, event.size
        bar = Bar(event.symbol, minute, price, price, price, price, size, 1, price * size)
        if (forming := self._forming.setdefault(event.symbol, bar)) is not bar:
            forming.extend(bar)
        return done

    def running(self, symbol: str) -> Bar | None:
        """Return the bar of the minute that is not over yet, if the stock has been traded in it."""
        return self._forming.get(symbol)

    def _complete(self) -> list[Bar]:
        done = sorted(self._forming.values(), key=attrgetter("symbol"))
        self._forming = {}
        for bar in done:
            self.bars[bar.symbol].add(bar)
        return done


def joined(bars: Iterable[Bar], start_of: Callable[[int], int]) -> list[Bar]:
    """Make longer bars of one-minute bars; `start_of` returns when the longer bar begins that holds a moment."""
    longer: list[Bar] = []
    for bar in bars:
        start = start_of(bar.ts)
        if longer and longer[-1].ts == start:
            longer[-1].extend(bar)
        else:
            longer.append(msgspec.structs.replace(bar, ts=start))
    return longer
