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
from mock_exchange.prints import Print, Undone, moves

MINUTE = 60 * SECOND

MOST_UNDONE = 1_000


class Bar(msgspec.Struct, gc=False):
    """The prints of one stock in a span of time that begins at `ts`; prices are 0 as long as none may be set."""

    symbol: str
    ts: int
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    volume: int = 0
    trades: int = 0
    turnover: float = 0.0  # sum of price x size, of what may move high and low
    priced: int = 0  # shares of the same

    @property
    def vwap(self) -> float:
        """The average price of a share."""
        return round(self.turnover / self.priced, 6) if self.priced else self.close

    def add(self, it: Trade | Print) -> None:
        """Add a print, as far as its conditions let it move the bar."""
        may = moves(it)
        if may.close:
            self.open, self.close = self.open or it.price, it.price
        if may.range:
            self.high, self.low = max(self.high, it.price), min(self.low or it.price, it.price)
            self.turnover += it.price * it.size
            self.priced += it.size
        self.volume += it.size
        self.trades += 1

    def extend(self, later: Bar) -> None:
        """Add the prints of a later bar, which has prices."""
        self.open, self.close = self.open or later.open, later.close
        self.high, self.low = max(self.high, later.high), min(self.low or later.low, later.low)
        self.volume += later.volume
        self.trades += later.trades
        self.turnover += later.turnover
        self.priced += later.priced


T = TypeVar("T", Trade | Print, Quote, Bar)


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
        self.trades: dict[str, Series[Trade | Print]] = {symbol: Series(most) for symbol in symbols}
        self.last_sales: dict[str, Trade] = {}  # the latest trades that may set a bar's price
        self.undone: dict[tuple[str, int], str] = {}  # by symbol and id: canceled or corrected; the latest thousand
        self.quotes: dict[str, Series[Quote]] = {symbol: Series(most) for symbol in symbols}
        self.bars: dict[str, Series[Bar]] = {symbol: Series(most) for symbol in symbols}
        self._forming: dict[str, Bar] = {}
        self._minute = 0

    def add(self, event: Event | Print | Undone) -> list[Bar]:
        """Add an event; return the bars of the minute that it has shown to be over."""
        minute = event.ts - event.ts % MINUTE
        done = self._complete() if minute > self._minute else []
        self._minute = minute
        if isinstance(event, Quote):
            self.quotes[event.symbol].add(event)
            return done
        if isinstance(event, Undone):
            self._undo(event, minute)
            return done
        self.trades[event.symbol].add(event)
        self._forming.setdefault(event.symbol, Bar(event.symbol, minute)).add(event)
        if isinstance(event, Trade) and moves(event).close:
            self.last_sales[event.symbol] = event
        return done

    def _undo(self, undone: Undone, minute: int) -> None:
        """Mark a trade, and take its shares out of the minute that is not over yet."""
        self.undone[undone.symbol, undone.trade.id] = "corrected" if undone.corrected else "canceled"
        if len(self.undone) > MOST_UNDONE:
            del self.undone[next(iter(self.undone))]
        forming = self._forming.get(undone.symbol)
        if forming is not None and undone.trade.ts >= minute and undone.corrected is None:
            forming.volume -= undone.trade.size
            forming.trades -= 1

    def running(self, symbol: str) -> Bar | None:
        """Return the bar of the minute that is not over yet, if it has a price."""
        forming = self._forming.get(symbol)
        return forming if forming is not None and forming.open else None

    def _complete(self) -> list[Bar]:
        done = sorted((bar for bar in self._forming.values() if bar.open), key=attrgetter("symbol"))
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
