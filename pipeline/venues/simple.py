"""The simple push feed: a tape's events as WebSocket text frames, which the mock exchange speaks.

A frame holds one event, or several as JSON Lines or as a JSON array. A `hello` says the venue's time and rate, an
`error` what it thinks of something that was said to it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.events import Clock, Quote, Refused, Trade
from pipeline.venues.dialect import EMPTY_FRAME, UNKNOWN_TYPE, Event, Hello, Turn, Unread
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
    """A tape's lines as a venue pushes them: a type that nobody knows is refused, where a tape's is left out."""

    def _useless(self, kind: object) -> Refused | None:
        return None if kind in _KNOWN else Refused(UNKNOWN_TYPE)


class SimpleDialect:
    """Narrows the symbols, if there are some to narrow to, and takes what is pushed."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self._symbols = tuple(symbols)
        self._decoder = SimpleDecoder()

    def opened(self) -> Turn:
        """Subscribe."""
        return Turn(send=(msgspec.json.encode(Subscribe(self._symbols)).decode(),) if self._symbols else ())

    def received(self, messages: list[bytes]) -> Turn:
        """Decode."""
        decoder = self._decoder
        events: list[Event] = decoder.messages(messages)  # type: ignore[assignment]  # a list of some of them
        hello, decoder.hello = decoder.hello, None
        unread, said = decoder.unread, decoder.said
        if unread or said:
            decoder.unread, decoder.said = [], []
        return Turn(events, hello=hello, unread=unread, said=said)


class SimpleDecoder:
    """From messages to events. Arbitrary bytes give events, never an exception; an empty message is refused.

    A hello is not among the events: it stands in `hello` until somebody takes it from there. So do what was `unread`,
    and what the venue `said` was an error.
    """

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self.unread: list[Unread] = []
        self.said: list[str] = []
        self._event = msgspec.json.Decoder(Trade | Quote | Clock)
        self._other = msgspec.json.Decoder(Hello | Complaint)
        self._lines = _PushedLines(on_refused=self._note)

    def messages(self, messages: list[bytes]) -> list[Message]:
        """Decode messages that came together, in order."""
        try:
            return list(map(self._event.decode, messages))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [event for message in messages for event in self.message(message)]

    def message(self, data: bytes) -> list[Message]:
        """Decode one message: an event, several lines of them, an array of them, or a hello."""
        try:
            return [self._event.decode(data)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        try:
            other = self._other.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._several(data)
        if isinstance(other, Hello) and (unit := other_unit(other.ts)):
            self.said.append(f"its hello's time is in {unit}, and must be in nanoseconds: {other.ts}")
        elif isinstance(other, Hello):
            self.hello = other
        else:
            self.said.append(other.message)
        return []

    def _several(self, data: bytes) -> list[Message]:
        start = data.lstrip()[:1]
        if not start:
            return [self._refuse(EMPTY_FRAME, data)]
        return self._array(data) if start == b"[" else self._lines.chunk(data)

    def _refuse(self, reason: str, data: bytes) -> Refused:
        self._note(reason, data)
        return Refused(reason)

    def _note(self, reason: str, data: bytes) -> None:
        self.unread.append((reason, "", data))

    def _array(self, data: bytes) -> list[Message]:
        try:
            items = msgspec.json.decode(data, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [self._refuse(NOT_JSON, data)]
        if not items:
            return [self._refuse(EMPTY_FRAME, data)]
        return [event for item in items if (event := self._lines.line(bytes(item))) is not None]
