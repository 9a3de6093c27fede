"""The trading hours of the New York stock exchange: holidays, early closes and both changes of daylight saving."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime
from functools import cache
from itertools import count
from typing import NamedTuple

from mock_exchange.venue.day import EPOCH, in_new_york

_OVERNIGHT_FROM, _OVERNIGHT_TO = 20, 4  # hours of the day in New York


class TradingSession(NamedTuple):
    """One day's regular hours, from its open to its close, in nanoseconds since the epoch."""

    opens: int
    closes: int


@cache
def _sessions(year: int) -> tuple[TradingSession, ...]:
    """Return the sessions of a year, in order."""
    import exchange_calendars  # half a second, and only an exchange that keeps hours needs it

    found = exchange_calendars.get_calendar("XNYS", start=f"{year}-01-01", end=f"{year}-12-31")
    return tuple(TradingSession(o.value, c.value) for o, c in zip(found.opens, found.closes, strict=True))


def load() -> None:
    """Load what knows of calendars."""
    _sessions(EPOCH.year)


def sessions_from(ts: int) -> Iterator[TradingSession]:
    """Yield the session that holds `ts` (ns since the epoch), or else the next one, and all after it."""
    for year in count(in_new_york(ts).year):
        yield from (session for session in _sessions(year) if session.closes > ts)


def session_after(ts: int) -> TradingSession:
    """Return the session that holds `ts` (ns since the epoch), or else the next one."""
    return next(sessions_from(ts))


def last_close(ts: int) -> int:
    """Return the last close that is not after `ts`, both in ns since the epoch."""
    year = in_new_york(ts).year
    closes = [session.closes for at in (year - 1, year) for session in _sessions(at)]
    return closes[bisect_right(closes, ts) - 1]


def is_open(ts: int) -> bool:
    """Whether the market is open at `ts`, ns since the epoch."""
    return session_after(ts).opens <= ts


def next_open(ts: int) -> int:
    """Return the first open after `ts`, both in ns since the epoch."""
    return next(session.opens for session in sessions_from(ts) if session.opens > ts)


def close_after(ts: int) -> int:
    """Return the first close after `ts`, both in ns since the epoch."""
    return session_after(ts).closes


def is_overnight(ts: int) -> bool:
    """Whether `ts` (ns since the epoch) is in the overnight session, from 20:00 to 04:00 in New York."""
    hour = in_new_york(ts).hour
    return hour >= _OVERNIGHT_FROM or hour < _OVERNIGHT_TO


def sessions_of(first: date, last: date) -> list[TradingSession]:
    """Return the sessions of the dates from `first` to `last`, both included."""
    years = range(first.year, last.year + 1)
    return [session for year in years for session in _sessions(year) if first <= date_of(session) <= last]


def date_of(session: TradingSession) -> date:
    """Return a session's date in New York."""
    return in_new_york(session.opens).date()


def clock_times(session: TradingSession) -> tuple[datetime, datetime]:
    """Return when a session opens and closes, as the clocks in New York show it."""
    return in_new_york(session.opens), in_new_york(session.closes)
