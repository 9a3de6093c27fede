"""The simple push feed: a tape's events as WebSocket text frames, which the mock exchange speaks.

A frame holds one event, or several as JSON Lines or as a JSON array. A `hello` says the venue's time and rate.
"""

from __future__ import annotations

import msgspec

from pipeline.events import Clock, Quote, Refused, Trade
from pipeline.venues.jsonl import JsonLines


class Hello(msgspec.Struct, frozen=True, tag="hello", tag_field="type"):
    """The venue's first word: its time (ns), and how many of its seconds pass in a real one."""

    ts: int
    rate: float = 1.0
    venue: str = ""
    symbols: tuple[str, ...] = ()


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe", tag_field="type"):
    """What a client says to narrow the symbols it gets."""

    symbols: tuple[str, ...]


Message = Trade | Quote | Clock | Hello | Refused


class SimpleDecoder:
    """From frames to messages. Arbitrary bytes give messages, never an exception."""

    def __init__(self) -> None:
        self._one = msgspec.json.Decoder(Trade | Quote | Clock | Hello)
        self._lines: JsonLines[Message] = JsonLines(Trade | Quote | Clock | Hello)

    def frame(self, data: bytes) -> list[Message]:
        """Decode one frame."""
        try:
            return [self._one.decode(data)]  # one event a frame is the common case
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        if data.lstrip()[:1] == b"[":
            return self._array(data)
        return self._lines.chunk(data)

    def _array(self, data: bytes) -> list[Message]:
        try:
            items = msgspec.json.decode(data, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [Refused("not JSON")]
        return [event for item in items if (event := self._lines.line(bytes(item))) is not None]
