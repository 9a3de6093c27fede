"""The market's hours: the sessions of an exchange's calendar, early closes and holidays included, read day by day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from loguru import logger

from actors.messages import MarketHours
from service.errors import UserError

_LOOK_S = 1.0  # real seconds between two looks whether the hours are still known
_DAYS = 10  # of the calendar that the core is told at once
DAY_NS = 86_400_000_000_000
_AGAIN_NS = 900_000_000_000  # between two attempts to learn of hours that are not known


def market_hours(calendar: str, now: int) -> MarketHours:
    """Return the sessions of a calendar from the day of `now` (ns) on. Raises UserError for a name that is none."""
    import exchange_calendars  # half a second, and only a stock exchange needs it

    day = datetime.fromtimestamp(now // 1_000_000_000, UTC).date()
    try:
        first, last = day - timedelta(days=1), day + timedelta(days=_DAYS)
        found = exchange_calendars.get_calendar(calendar, start=first, end=last)
    except exchange_calendars.errors.InvalidCalendarName:
        raise UserError(
            f"hours.calendar: {calendar!r} is no exchange that is known: use a code such as XNYS, auto, or off"
        ) from None
    sessions = tuple((open_.value, close.value) for open_, close in zip(found.opens, found.closes, strict=True))
    return MarketHours(sessions, now)


def earlier(hours: MarketHours, delay_s: float) -> MarketHours:
    """Return hours as they are by the time of a feed that is behind the market: it is closed out in time by it."""
    delay = round(delay_s * 1_000_000_000)
    return MarketHours(tuple((opens - delay, closes - delay) for opens, closes in hours.sessions), hours.ts)


class Hours:
    """Says when a calendar is to be read again: on each new day (UTC), and when the hours that are known run out.

    A bot that runs for weeks would else come to the end of what it was told, and take the market for closed. What was
    read by the machine's clock is read again as soon as the venue's time is known. Where a calendar cannot be read, it
    is tried again after a while, and the hours that are known hold.
    """

    def __init__(self, calendar: str, read: Callable[[str, int], MarketHours] = market_hours) -> None:
        self._calendar = calendar
        self._read = read
        self._day = -1  # since the epoch, of the venue's time at which it was read last
        self._known_until = 0  # the last close that is known, ns
        self._not_before = 0  # venue time before which it is not tried again, ns

    def due(self, now: int) -> bool:
        """Whether to read it, at `now` (venue time, ns; 0 while it is not known)."""
        if now <= 0 or (now < self._not_before and now // DAY_NS == self._day):
            return False
        return now // DAY_NS != self._day or now >= self._known_until - DAY_NS

    def read(self, now: int) -> MarketHours:
        """Read the hours around `now`; it may take a second, and raise whatever the calendar raises."""
        self._day = now // DAY_NS
        self._not_before = now + _AGAIN_NS
        self._known_until = 0  # should it fail
        hours = self._read(self._calendar, now)
        self._known_until = hours.sessions[-1][1] if hours.sessions else 0
        return hours


async def keep_known(calendar: str, now: Callable[[], int], take: Callable[[list[MarketHours]], None]) -> None:
    """Keep the market's hours known, however long the bot runs; a calendar is read beside the loop.

    `now` is the venue's time, ns; `take` feeds inputs.
    """
    hours = Hours(calendar)
    while True:
        await asyncio.sleep(_LOOK_S)
        if not hours.due(at := now()):
            continue
        log = logger.bind(logger="microbot.service", event="hours.read", calendar=calendar)
        try:
            told = await asyncio.to_thread(hours.read, at)
        except Exception as error:  # whatever a calendar raises, the hours that are known hold
            log.bind(event="hours.failed").error(f"the hours of {calendar} cannot be read: {error}")
            continue
        log.debug(f"the hours of {calendar} are known for {len(told.sessions)} sessions")
        take([told])
