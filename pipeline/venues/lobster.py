"""LOBSTER: order-book recordings, a message and an order-book CSV whose rows belong together."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import zip_longest
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pipeline.events import SECOND, Quote, Refused, Trade
from pipeline.venues.jsonl import BAD_TRADE

_NAME = re.compile(
    r"(?P<symbol>[^_/\\]+)_(?P<date>\d{4}-\d{2}-\d{2})_\d+_\d+_(?P<kind>message|orderbook)_(?P<levels>\d+)\.csv$"
)
_VISIBLE, _HIDDEN = "4", "5"  # executions
_EMPTY = 9_999_999_999  # price of an empty side, either sign
_INFINITY = float("inf")
_LATEST = 1 << 62  # ns: the year 2116
_UNIT = 10_000  # prices are integers of 1/10,000


class BadRecording(ValueError):
    """A recording that cannot be read, and why, in one sentence."""


class Name(NamedTuple):
    """What a file's name says."""

    symbol: str
    date: date
    kind: str  # "message" or "orderbook"

    @classmethod
    def of(cls, path: str) -> Name | None:
        """Parse SYMBOL_DATE_startms_endms_(message|orderbook)_LEVELS.csv; None if it is not of that form."""
        found = _NAME.search(path)
        if found is None:
            return None
        try:
            return cls(found["symbol"], date.fromisoformat(found["date"]), found["kind"])
        except ValueError:
            return None


def events(name: Name, messages: Iterable[str], books: Iterable[str]) -> Iterator[Trade | Quote | Refused]:
    """Turn the rows of the two files into trades and quotes, in the order of the rows.

    A row of type 4 or 5 is a trade; then, if the best bid or ask differ from the last quote given and both sides
    are there with 0 < bid <= ask, a quote. Times are seconds after midnight New York, parsed exactly.

    A trade without a positive price or a size becomes `Refused`, as on any tape.

    Raises BadRecording where a row cannot be read.
    """
    midnight = int(datetime.combine(name.date, datetime.min.time(), ZoneInfo("America/New_York")).timestamp()) * SECOND
    last: tuple[int, int] | None = None
    row = 0
    try:
        for message, book in zip_longest(csv.reader(messages), csv.reader(books), fillvalue=()):
            row += 1
            if not (message and book):
                raise ValueError("it has no counterpart in the other file")
            ts = midnight + _nanoseconds(message[0])
            if not 0 < ts < _LATEST:
                raise ValueError("its time is out of range")
            if message[1] in (_VISIBLE, _HIDDEN):
                price, size = int(message[4]) / _UNIT, float(message[3])
                yield Trade(name.symbol, ts, price, size) if price > 0 and 0 <= size < _INFINITY else Refused(BAD_TRADE)
            ask, bid = int(book[0]), int(book[2])
            if (bid, ask) != last and 0 < bid <= ask < _EMPTY:
                last = (bid, ask)
                yield Quote(name.symbol, ts, bid / _UNIT, ask / _UNIT)
    except (ValueError, IndexError, OverflowError, csv.Error) as error:
        raise BadRecording(f"row {row} of the {name.symbol} recording cannot be read ({error})") from None


def _nanoseconds(seconds: str) -> int:
    """Return a decimal string of seconds, up to nine digits behind the point, as ns."""
    whole, _, fraction = seconds.partition(".")
    return int(whole) * SECOND + int(fraction[:9].ljust(9, "0"))
