"""Dialects: what is said on a venue's connection, without a socket.

A dialect lives as long as one connection. It says what to send when the connection opens, and turns what is received
into events; handshakes are state machines in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from pipeline.events import SECOND, Clock, Gap, PriceBand, Quote, Refused, Trade, TradingStatus

Event = Trade | Quote | Clock | Gap | Refused | TradingStatus | PriceBand

EMPTY_FRAME = "empty frame"
EMPTY_QUOTE = "empty quote"
BAD_TIME = "bad time"
BAD_MESSAGE = "bad message"
UNKNOWN_TYPE = "unknown type"


class Hello(msgspec.Struct, frozen=True, tag="hello", tag_field="type"):
    """A venue's word on its time (ns), and on how many of its seconds pass in a real one."""

    ts: Annotated[int, Meta(gt=0, lt=1 << 62)]
    rate: Annotated[float, Meta(gt=0, le=1e6)] = 1.0
    venue: str = ""
    symbols: tuple[str, ...] = ()


Unread = tuple[str, str, bytes | msgspec.Struct]
"""Why something could not be read, its symbol if that is known, and what it was: an example for people."""


class Turn(msgspec.Struct, frozen=True):
    """What a dialect makes of messages that came together."""

    events: list[Event] = []
    send: tuple[str, ...] = ()
    hello: Hello | None = None
    lost: str = ""  # why the connection is of no use: hang up, wait, and try again
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


def nanoseconds(time: str) -> int | None:
    """Return an RFC 3339 time in UTC, with up to nine fractional digits, as ns; None if it is none.

    >>> nanoseconds("2024-03-28T16:59:00.114612043Z")
    1711645140114612043
    """
    if not time.endswith("Z") or len(time) < 20:
        return None
    second = _second(time[:19])
    fraction = time[20:-1]
    if second is None or len(fraction) > 9 or (time[19:-1] and not (time[19] == "." and fraction.isdecimal())):
        return None
    return second + (int(fraction.ljust(9, "0")) if fraction else 0)


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
