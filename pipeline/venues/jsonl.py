"""JSON Lines: the format of tapes, of recordings and of the mock exchange's feed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any, Generic, TypeVar

import msgspec

from pipeline.events import Clock, Gap, Quote, Refused, Trade

NOT_JSON = "not JSON"
NOT_AN_OBJECT = "not an object"
BAD_TRADE = "bad trade"

_SURROGATE = re.compile("[\ud800-\udfff]")  # half of a character: it is no text, and cannot be written down again

TapeEvent = Trade | Quote | Clock
T = TypeVar("T")


class JsonLines(Generic[T]):
    """Decodes lines of JSON to events: whole chunks at a time, and where one resists, line by line.

    `types` are the tagged Structs to decode besides Trade, Quote and Clock. A line that is no JSON object, or a
    trade with a bad field, becomes `Refused`; unknown types, and quotes and clocks with a bad ts or symbol, are
    left out.
    """

    def __init__(self, types: Any = TapeEvent) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(types)

    def chunk(self, lines: bytes) -> list[T | Refused]:
        """Decode whole lines, in order."""
        if b"\r" in lines:
            lines = lines.replace(b"\r\n", b"\n")
        events = self.at_once(lines)
        if events is None:
            return [event for line in lines.split(b"\n") if (event := self.line(line)) is not None]
        return events

    def at_once(self, lines: bytes) -> list[T | Refused] | None:
        """Decode lines that are an event each; None if one of them is anything else.

        The decoder reads one value after another, wherever the lines end. That each line is a value follows from each
        beginning with { and ending with }, and from there being as many values as lines.
        """
        try:
            events: list[T | Refused] = self._decoder.decode_lines(lines)  # type: ignore[assignment]  # a list of T
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        inner = len(events) - 1
        if lines[:1] == b"{" and lines.count(b"\n{") == inner and lines.count(b"}\n") == inner + (lines[-1:] == b"\n"):
            return events if lines.count(b"\n") == inner + (lines[-1:] == b"\n") else None
        return None if lines.strip() else []

    def line(self, line: bytes) -> T | Refused | None:
        """Decode one line; None for a blank one and for what is to be ignored."""
        if not line.strip():
            return None
        try:
            event: T = self._decoder.decode(line)
            return event
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            lenient: T | Refused | None = self._leniently(line)
            return lenient

    def _leniently(self, line: bytes) -> Any:
        """Decode what is off the fast path: a bad quote within a trade, an unknown type, garbage."""
        try:
            event: Any = json.loads(line, parse_constant=float)
        except (ValueError, RecursionError):
            return Refused(NOT_JSON)
        if not isinstance(event, dict):
            return Refused(NOT_AN_OBJECT)
        kind: Any = event.get("type")
        ts: Any = event.get("ts")
        symbol: Any = event.get("symbol")
        timed = type(ts) is int and ts > 0
        named = isinstance(symbol, str) and symbol != "" and not _SURROGATE.search(symbol)
        if kind == "trade":
            price, size = _number(event.get("price")), _number(event.get("size"))
            if not (timed and named and price is not None and price > 0 and size is not None and size >= 0):
                return Refused(BAD_TRADE)
            bid, ask = _number(event.get("bid")), _number(event.get("ask"))
            trade_id = event.get("id")
            return Trade(symbol, ts, price, size, bid, ask, trade_id if type(trade_id) in (int, str) else None)
        if kind == "quote" and timed and named:
            bid, ask = _number(event.get("bid")), _number(event.get("ask"))
            # A quote without sound sides is not taken, but its time counts: 0 is never a bid.
            return Quote(symbol, ts, bid or 0.0, ask or 0.0)
        if kind == "clock" and timed:
            return Clock(ts)
        return None


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream of bytes after line ends, so that every chunk holds whole lines only."""
    rest = b""
    for chunk in chunks:
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            rest += chunk
            continue
        yield rest + chunk[:cut]
        rest = chunk[cut:]
    if rest:
        yield rest


def _number(value: object) -> float | None:
    """Return a JSON number as a finite float; None for anything else (a boolean is no number)."""
    if type(value) not in (int, float):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # an int or a float, as just seen
    except OverflowError:
        return None
    return number if isfinite(number) else None


__all__ = ["BAD_TRADE", "NOT_AN_OBJECT", "NOT_JSON", "Gap", "JsonLines", "TapeEvent", "whole_lines"]
