"""How long bars are, and when they begin: minutes and hours by the clock, days and longer by New York's dates."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import msgspec

from mock_exchange.events import SECOND
from mock_exchange.history import MINUTE
from mock_exchange.venue.day import NEW_YORK, in_new_york

_NAME = re.compile(r"([1-9][0-9]?)(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_AMOUNTS = {
    "T": frozenset(range(1, 60)),
    "H": frozenset(range(1, 24)),
    "D": frozenset({1}),
    "W": frozenset({1}),
    "M": frozenset({1, 2, 3, 4, 6, 12}),
}
"""How many of a unit a bar may last."""


class Span(msgspec.Struct, frozen=True):
    """How long a bar lasts."""

    amount: int
    unit: str  # T, H, D, W or M

    @property
    def is_minute(self) -> bool:
        """Whether it is the shortest there is."""
        return self == Span(1, "T")

    @property
    def is_days(self) -> bool:
        """Whether it is a day or longer. Such bars are returned while they still run."""
        return self.unit in "DWM"

    def start(self, ts: int) -> int:
        """Return when the bar began that holds a moment, both in nanoseconds since the epoch."""
        if not self.is_days:
            length = self.amount * (MINUTE if self.unit == "T" else 60 * MINUTE)
            return ts - ts % length
        return _start_of_days(self.amount, self.unit, ts // MINUTE)


def span(name: str) -> Span | None:
    """Read a span such as 1Min, 4Hour, 1Day, 1Week or 3Month; None if it is none.

    >>> span("3M"), span("2Week")
    (Span(amount=3, unit='M'), None)
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    unit = "T" if found[2] == "Min" else found[2][0]
    return Span(int(found[1]), unit) if int(found[1]) in _AMOUNTS[unit] else None


@lru_cache(maxsize=4_096)
def _start_of_days(amount: int, unit: str, minute: int) -> int:
    day = in_new_york(minute * MINUTE).date()
    if unit == "W":
        day -= timedelta(days=day.weekday())
    elif unit == "M":
        day = date(day.year, day.month - (day.month - 1) % amount, 1)
    return int(datetime.combine(day, time(), NEW_YORK).timestamp()) * SECOND
