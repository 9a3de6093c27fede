"""The market's hours: the sessions of an exchange's calendar, early closes and holidays included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from actors.messages import MarketHours
from service.errors import UserError

_DAYS = 10  # of the calendar that the core is told at once


class HoursSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[hours]: when to trade."""

    calendar: str = "auto"  # an exchange's code such as XNYS; "off": always; "auto": XNYS at Alpaca, off in a rehearsal

    def wanted(self, *, real: bool) -> str | None:
        """Return the calendar to use at a stock broker (`real`: no rehearsal), None for always open."""
        if self.calendar == "auto":
            return "XNYS" if real else None
        return None if self.calendar == "off" else self.calendar


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
