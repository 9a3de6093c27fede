"""A market with a seed: the trades and quotes of several stocks, the same ones every time.

Pure and deterministic: no clock, no I/O. Each stock draws from a random stream of its own, made from the
seed and its name, so one stock more or less changes no other stock's tape. The seed fixes prices and the
gaps between events; the start time only shifts them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter

from msgspec.structs import replace

from mock_exchange.events import SECOND, Event, Quote
from mock_exchange.price_process import PriceProcess
from mock_exchange.venue import hours
from mock_exchange.venue.hours import TradingSession

NIGHT_EDGE = 300 * SECOND
"""Of a night that is skipped, what is left of it after the close, and before the open."""


Sessions = Callable[[int], Iterator[TradingSession]]
"""When a market is open: from a time on (ns since the epoch), without end."""


def in_sessions(events: Iterable[Event], sessions: Iterator[TradingSession], start_ns: int) -> Iterator[Event]:
    """Shift events into sessions: the time in which the market is closed is none in which prices move."""
    session = next(sessions)
    shift = max(0, session.opens - start_ns)
    for event in events:
        while event.ts + shift >= session.closes:
            closed = session.closes
            session = next(sessions)
            shift += session.opens - closed
        yield replace(event, ts=event.ts + shift) if shift else event


def first_quotes(symbols: Iterable[str], seed: int, start_ns: int) -> Iterator[Quote]:
    """Yield what each stock is quoted at when its tape begins, dated to the start."""
    for symbol in symbols:
        quote = next(PriceProcess(symbol, seed, start_ns).events())
        assert isinstance(quote, Quote)  # a tape begins with one
        yield replace(quote, ts=start_ns)


class Market:
    """The events of several stocks in one order of time, without end.

    An iterator of events; `due` takes those up to a time. Times rise strictly within a symbol. Two symbols'
    events of the same nanosecond come in the order in which the symbols were given. Raises ValueError
    without a symbol, or with one twice. `sessions` are those outside of which there are no events; None: it never
    closes.
    """

    def __init__(self, symbols: Iterable[str], seed: int, start_ns: int, sessions: Sessions | None = None) -> None:
        self.symbols = tuple(symbols)
        if not self.symbols or len(set(self.symbols)) < len(self.symbols):
            raise ValueError(f"a market needs one symbol or several different ones, not {list(self.symbols)!r}")
        stocks = [PriceProcess(symbol, seed, start_ns).events() for symbol in self.symbols]
        if sessions is not None:
            stocks = [in_sessions(events, sessions(start_ns), start_ns) for events in stocks]
        self._events: Iterator[Event] = heapq.merge(*stocks, key=attrgetter("ts"))
        self._next = next(self._events)

    @property
    def next_ts(self) -> int:
        """The time of the next event."""
        return self._next.ts

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self._next
        self._next = next(self._events)
        return event

    def due(self, now_ns: int, limit: int) -> list[Event]:
        """Take the events up to and including `now_ns`, at most `limit` of them."""
        events: list[Event] = []
        while self._next.ts <= now_ns and len(events) < limit:
            events.append(next(self))
        return events


class LiveMarket:
    """A market whose events fall due by a monotonic clock, which is handed in as nanoseconds.

    A market that falls behind its clock by more than `most_lag_s` real seconds, because the process was
    stopped or the machine is too slow for the speed, does not hurry after it: that would flood all clients
    with a past that they missed. The clock is set back to where the market stands, and `slipped_s` is by how many
    real seconds in all. With `skip_nights`, time goes on a little before the open when the market has been closed for
    as long (NIGHT_EDGE).
    """

    def __init__(
        self,
        market: Market,
        start_ns: int,
        speed: float,
        most_lag_s: float,
        monotonic_ns: int,
        *,
        skip_nights: bool = False,
    ) -> None:
        self.slipped_s = 0.0
        self._market = market
        self._speed = speed  # market seconds a real second
        self._most_lag_s = most_lag_s
        self._skip_nights = skip_nights
        self._anchor_ns = start_ns  # the market's time ...
        self._monotonic_ns = monotonic_ns  # ... at this reading of the clock

    def now(self, monotonic_ns: int) -> int:
        """Return the market's time, nanoseconds since the epoch: no event still to come is before it."""
        return min(self._clock(monotonic_ns), self._market.next_ts)

    def seconds_to_next(self, monotonic_ns: int) -> float:
        """Return the real seconds until the next event is due; 0 if it is."""
        return max(0.0, self._real_s(self._market.next_ts - self._clock(monotonic_ns)))

    def take_due(self, monotonic_ns: int, limit: int) -> list[Event]:
        """Take the events that are due, at most `limit` of them."""
        lag_s = self._real_s(self._clock(monotonic_ns) - self._market.next_ts)
        if lag_s > self._most_lag_s:
            self.slipped_s += lag_s
            self._anchor_ns, self._monotonic_ns = self._market.next_ts, monotonic_ns
        elif self._skip_nights and self._market.next_ts - (now := self._clock(monotonic_ns)) > NIGHT_EDGE:
            opens = hours.next_open(now)
            if not hours.is_open(now) and now - hours.last_close(now) >= NIGHT_EDGE and opens - now > NIGHT_EDGE:
                self._anchor_ns, self._monotonic_ns = opens - NIGHT_EDGE, monotonic_ns
        return self._market.due(self._clock(monotonic_ns), limit)

    def run_at(self, speed: float, monotonic_ns: int) -> None:
        """Go on from here at another speed, market seconds a real second."""
        self._anchor_ns, self._monotonic_ns = self._clock(monotonic_ns), monotonic_ns
        self._speed = speed

    def _clock(self, monotonic_ns: int) -> int:
        return self._anchor_ns + int(self._speed * (monotonic_ns - self._monotonic_ns))

    def _real_s(self, market_ns: int) -> float:
        return market_ns / self._speed / SECOND


def tape(
    symbols: Iterable[str], seed: int, start_ns: int, seconds: float, sessions: Sessions | None = None
) -> Iterator[Event]:
    """Yield the events of a market's first `seconds`; each encodes to one line of a tape."""
    end_ns = start_ns + round(seconds * SECOND)
    for event in Market(symbols, seed, start_ns, sessions):
        if event.ts >= end_ns:
            return
        yield event
