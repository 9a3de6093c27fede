"""The simple push feed: a tape's events as WebSocket text frames, which the mock exchange speaks.

A frame holds one event, or several as JSON Lines or as a JSON array. A `hello` says the venue's time and rate, an
`error` what it thinks of something that was said to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from pipeline.events import LONGEST_ID, LONGEST_SYMBOL, Clock, Quote, Refused, Trade
from pipeline.venues.dialect import (
    EMPTY_FRAME,
    LONGEST_SAID,
    MOST_ITEMS,
    TOO_LONG,
    UNDECODABLE,
    UNKNOWN_TYPE,
    Hello,
    Taken,
    Turn,
)
from pipeline.venues.jsonl import NOT_JSON, JsonLines
from pipeline.venues.units import other_unit


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe", tag_field="type"):
    """What a client says to narrow the symbols it gets."""

    symbols: tuple[str, ...]


class Complaint(msgspec.Struct, frozen=True, tag="error", tag_field="type"):
    """What the venue could not do for its client."""

    message: str


Message = Trade | Quote | Clock | Refused

# An answer, and what has no sound time or symbol: on a tape too, such quotes and clocks are ignored.
_KNOWN = ("subscribed", "error", "hello", "quote", "clock")


class _PushedLines(JsonLines[Message]):
    """A tape's lines as a venue pushes them: an unknown type is refused, where a tape's is left out.

    So is a text that no symbol or id is as long as: a tape may have been written with longer ones.
    """

    def _leniently(self, line: bytes) -> Any:
        event = super()._leniently(line)
        return Refused(TOO_LONG) if isinstance(event, Trade | Quote) and _too_long(event) else event

    def _useless(self, kind: object) -> Refused | None:
        return None if kind in _KNOWN else Refused(UNKNOWN_TYPE)


class SimpleDialect:
    """Narrows the symbols, if there are some to narrow to, and takes what is pushed.

    Arbitrary bytes give events, never an exception; an empty message is refused.
    """

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self._symbols = tuple(symbols)
        self._event = msgspec.json.Decoder(Trade | Quote | Clock)
        self._other = msgspec.json.Decoder(Hello | Complaint)
        self._lines = _PushedLines()
        self._array = msgspec.json.Decoder(list[msgspec.Raw])

    def opened(self) -> Turn:
        """Subscribe."""
        return Turn(send=(msgspec.json.encode(Subscribe(self._symbols)).decode(),) if self._symbols else ())

    def received(self, messages: list[bytes]) -> Turn:
        """Decode messages that came together, in order."""
        try:
            return Turn(list(map(self._event.decode, messages)))
        except UNDECODABLE:
            pass
        taken = Taken()
        hello: Hello | None = None
        said: list[str] = []
        for data in messages:
            match self._message(data, taken):
                case Hello() as found if unit := other_unit(found.ts):
                    said.append(f"its hello's time is in {unit}, and must be in nanoseconds: {found.ts}")
                case Hello() as hello:
                    pass
                case Complaint(message):
                    said.append(message[:LONGEST_SAID])
        return Turn(taken.events, hello=hello, unread=taken.unread, said=said)

    def _message(self, data: bytes, taken: Taken) -> Hello | Complaint | None:
        """Decode one message: an event, several lines of them, an array of them; return any other."""
        with suppress(*UNDECODABLE):
            taken.events.append(self._event.decode(data))
            return None
        with suppress(*UNDECODABLE):
            other: Hello | Complaint = self._other.decode(data)
            return other
        self._several(data, taken)
        return None

    def _several(self, data: bytes, taken: Taken) -> None:
        start = data.lstrip()[:1]
        items: Sequence[bytes | msgspec.Raw] = ()
        if start == b"[":
            try:
                items = self._array.decode(data)
            except UNDECODABLE:
                taken.refuse(NOT_JSON, "", data)
                return
        elif start:
            text = data.removesuffix(b"\n")
            if (count := text.count(b"\n")) >= MOST_ITEMS:
                taken.refuse_rest(data, count + 1)
                return
            items = text.split(b"\n")
        if not items:
            taken.refuse(EMPTY_FRAME, "", data)
        elif len(items) > MOST_ITEMS:
            taken.refuse_rest(data, len(items))
        else:
            self._each(items, data, taken)

    def _each(self, items: Sequence[bytes | msgspec.Raw], data: bytes, taken: Taken) -> None:
        """Decode items, one by one where they are not all sound: one that is bad costs no other."""
        with suppress(*UNDECODABLE):
            taken.events += list(map(self._event.decode, items))
            return

        def take(item: bytes) -> str:
            event = self._lines.line(item)
            if isinstance(event, Refused):
                return event.reason
            if event is not None:
                taken.events.append(event)
            return ""

        taken.each(items, data, take)


def _too_long(event: Trade | Quote) -> bool:
    """Whether a symbol or an id is longer than `Trade` allows, which a lenient reading does not ask."""
    if len(event.symbol) > LONGEST_SYMBOL:
        return True
    match event:
        case Trade(id=str(text)):
            return len(text) > LONGEST_ID
        case Trade(id=int(number)):
            return not -(2**63) <= number < 2**63
    return False
