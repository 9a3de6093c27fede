"""Dialects: what is said on a venue's connection, without a socket.

A dialect lives as long as one connection. It says what to send when the connection opens, and turns what is received
into events; handshakes are state machines in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from pipeline.events import (
    LONGEST_SYMBOL,
    SECOND,
    Clock,
    Gap,
    PriceBand,
    Prints,
    Quote,
    Refused,
    Trade,
    TradeId,
    TradingStatus,
)


class VolumeOnly(msgspec.Struct, frozen=True, gc=False):
    """A print whose price is none of now: admission adds its size to the symbol's next tick."""

    symbol: str
    ts: int
    size: float
    id: TradeId | None = None


class Undone(msgspec.Struct, frozen=True, gc=False):
    """A print was canceled or corrected: admission knows when it was made, and what became of it."""

    symbol: str
    ts: int  # of the cancel or the correction
    reason: str
    id: TradeId
    price: float  # as it was printed
    size: float
    corrected: float = 0.0  # the size that stands in its place


Admitted = Trade | Quote | Clock | Gap | Refused | TradingStatus | PriceBand | Prints
"""What may enter the log."""

Event = Admitted | VolumeOnly | Undone

EMPTY_FRAME = "empty frame"
EMPTY_QUOTE = "empty quote"
BAD_TIME = "bad time"
BAD_MESSAGE = "bad message"
UNKNOWN_TYPE = "unknown type"
TOO_LONG = "text too long"
TOO_MANY = "too many bad items in a frame"

MOST_ITEMS = 20_000
"""Of a frame; one with more holds no market data, and is refused as a whole."""

MOST_BAD = 100
"""Items of a frame that are looked at although they are bad; after them, the rest of it is refused unread."""

MOST_EXAMPLES = 20
"""Of what could not be read in the messages at hand."""

LONGEST_SAID = 300
"""Characters of a venue's own words that are kept."""

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding arbitrary bytes may raise."""

Text = Annotated[str, Meta(max_length=64)]
"""Any word, time or number of a venue; a longer one is none."""

ShortSymbol = Annotated[str, Meta(max_length=LONGEST_SYMBOL)]
"""A symbol, or none."""


class Hello(msgspec.Struct, frozen=True, tag="hello", tag_field="type"):
    """What a venue declares: its time (ns), and how many of its seconds pass in a real one."""

    ts: Annotated[int, Meta(gt=0, lt=1 << 62)]
    rate: Annotated[float, Meta(gt=0, le=1e6)] = 1.0
    venue: Text = ""
    symbols: tuple[str, ...] = ()


class Unread(NamedTuple):
    """Why something was not taken, its symbol if that is known, an example for people, and how often it came."""

    reason: str
    symbol: str
    example: bytes | msgspec.Struct
    times: int = 1


class Taken:
    """What becomes of messages that came together: events in order, and what is refused, counted by its reason.

    All refusals of one reason are one event, at the place of the first: what a venue says that is none costs a bounded
    number of inputs, however much of it comes at once. The examples are as few.
    """

    __slots__ = ("_examples", "_places", "events", "unread")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.unread: list[Unread] = []
        self._places: dict[str, int] = {}  # of refusals and counted prints among the events, by reason and kind
        self._examples: dict[tuple[str, str], int] = {}  # places of the examples, by reason and symbol

    def refuse(self, reason: str, symbol: str, example: bytes | msgspec.Struct, count: int = 1) -> None:
        """Count something that is not taken."""
        place = self._places.setdefault(reason, len(self.events))
        if place == len(self.events):
            self.events.append(Refused(reason, count))
        else:
            before = self.events[place]
            assert isinstance(before, Refused)
            self.events[place] = Refused(reason, before.count + count)
        if len(self.unread) >= MOST_EXAMPLES and (reason, symbol) not in self._examples:
            symbol = ""  # without a symbol there are as many as reasons
        shown = self._examples.setdefault((reason, symbol), len(self.unread))
        if shown == len(self.unread):
            self.unread.append(Unread(reason, symbol, example, count))
        else:
            seen = self.unread[shown]
            self.unread[shown] = seen._replace(times=seen.times + count)

    def count(self, kind: str, size: float) -> None:
        """Count a print that is no plain tick; all of one kind are one event, at the place of the first."""
        place = self._places.setdefault(kind, len(self.events))
        if place == len(self.events):
            self.events.append(Prints(kind, 1, size))
        else:
            before = self.events[place]
            assert isinstance(before, Prints)
            self.events[place] = Prints(kind, before.count + 1, before.size + size)

    def each(self, items: Sequence[bytes | msgspec.Raw], frame: bytes, take: Callable[[bytes], str]) -> None:
        """Take the items of a frame one by one; `take` returns why it refuses one, or nothing."""
        bad = 0
        for place, item in enumerate(items):
            data = bytes(item)
            if not (reason := take(data)):
                continue
            if bad == MOST_BAD:
                self.refuse_rest(frame, len(items) - place)
                return
            bad += 1
            self.refuse(reason, "", data)

    def refuse_rest(self, example: bytes, count: int) -> None:
        """Refuse items of a frame unread, since there are too many, or too many bad ones before them."""
        self.refuse(TOO_MANY, "", example, count)


class Turn(msgspec.Struct, frozen=True):
    """What a dialect makes of messages that came together."""

    events: list[Event] = []
    send: tuple[str, ...] = ()
    hello: Hello | None = None
    lost: str = ""  # why the connection is of no use: hang up, wait, and try again
    granted: bool = False  # what we asked for: keys and symbols are right
    failed: str = ""  # why trying again would not help; one sentence that says what to do
    unread: Sequence[Unread] = ()  # what each `Refused` among the events stands for
    said: Sequence[str] = ()  # what the venue calls an error, and goes on all the same


class Dialect(Protocol):
    """One connection's talk."""

    def opened(self) -> Turn:
        """Return what to say first."""

    def received(self, messages: list[bytes]) -> Turn:
        """Return what to make of messages, in order. Arbitrary bytes never raise.

        What the venue documents and we have no use for is left out; what it does not is refused, and so counted.
        """


_LATEST = 4_102_444_800 * SECOND
"""2100: no venue speaks of later, and times have to fit 64 bits wherever they are written."""


def nanoseconds(time: str) -> int | None:
    """Return an RFC 3339 time in UTC, with up to nine fractional digits, as ns; None if it is none, or after 2100.

    >>> nanoseconds("2024-03-28T16:59:00.114612043Z")
    1711645140114612043
    """
    if not time.endswith("Z") or len(time) < 20:
        return None
    second = _second(time[:19])
    fraction = time[20:-1]
    if second is None or len(fraction) > 9 or (time[19:-1] and not (time[19] == "." and fraction.isdecimal())):
        return None
    found = second + (int(fraction.ljust(9, "0")) if fraction else 0)
    return found if 0 < found < _LATEST else None


@lru_cache(maxsize=64)  # ticks come in order: most share their second with the one before
def _second(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * SECOND
    except ValueError:
        return None


def number(text: str | float | None) -> float:
    """Return a number that may be written as a string; NaN, which admission refuses, for what is none."""
    try:
        return float(text)  # type: ignore[arg-type]  # None is a TypeError, as it should be
    except (TypeError, ValueError):
        return float("nan")
