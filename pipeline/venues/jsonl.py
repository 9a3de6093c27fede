"""JSON Lines: the format of tapes, of recordings and of the mock exchange's feed."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Generic, TypeVar

import msgspec

from pipeline.events import Clock, Quote, Refused, Trade

NOT_JSON = "not JSON"
NOT_AN_OBJECT = "not an object"
BAD_TRADE = "bad trade"
TOO_LONG = "too long"

MOST_LENIENT = 1 << 16
"""Bytes of a line that is read although it is off the fast path: beyond it stands no trade of any venue."""

_SURROGATE = re.compile("[\ud800-\udfff]")  # half of a character: it is no text, and cannot be written down again

TapeEvent = Trade | Quote | Clock
T = TypeVar("T")


class JsonLines(Generic[T]):
    """Decodes lines of JSON to events: many at a time, and where one does not decode, one by one.

    `types` are the tagged Structs to decode besides Trade, Quote and Clock. A line that is no JSON object, or a
    trade with a bad field, becomes `Refused`; unknown types, and quotes and clocks with a bad ts or symbol, are
    left out. `on_refused` is told the reason and the line.
    """

    def __init__(self, types: Any = TapeEvent, on_refused: Callable[[str, bytes], None] = lambda *_: None) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(types)
        self._on_refused = on_refused

    def chunk(self, text: bytes) -> list[T | Refused]:
        """Decode a text of whole lines, in order."""
        # What follows the last line end is no line: an empty one would send all of them the slow way.
        return self.lines(text.removesuffix(b"\n").split(b"\n"))

    def lines(self, lines: Sequence[bytes]) -> list[T | Refused]:
        """Decode lines, with or without their ends, in order."""
        try:
            return list(map(self._decoder.decode, lines))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return [event for line in lines if (event := self.line(line)) is not None]

    def line(self, line: bytes) -> T | Refused | None:
        """Decode one line; None for a blank one and for what is to be ignored."""
        # Files that were put one behind the other have their marks in the middle.
        line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            return None
        try:
            event: T = self._decoder.decode(line)
            return event
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            lenient: T | Refused | None = self._leniently(line)
            if isinstance(lenient, Refused):
                self._on_refused(lenient.reason, line)
            return lenient

    def _leniently(self, line: bytes) -> Any:
        """Decode what is off the fast path: a bad quote within a trade, an unknown type, garbage."""
        if len(line) > MOST_LENIENT:
            return Refused(TOO_LONG)
        try:
            event: Any = json.loads(line.decode(), parse_constant=float)  # of bytes, it would guess at the encoding
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
            sound = type(trade_id) is int or (isinstance(trade_id, str) and not _SURROGATE.search(trade_id))
            return Trade(symbol, ts, price, size, bid, ask, trade_id if sound else None)
        if kind == "quote" and timed and named:
            bid, ask = _number(event.get("bid")), _number(event.get("ask"))
            # A quote without sound sides is not taken, but its time counts: 0 is never a bid.
            sizes = _number(event.get("bid_size")), _number(event.get("ask_size"))
            return Quote(symbol, ts, bid or 0.0, ask or 0.0, *sizes)
        if kind == "clock" and timed:
            return Clock(ts)
        return self._useless(kind)

    def _useless(self, kind: object) -> Refused | None:
        """Say what becomes of an object that is no event, by its type: on a tape, nothing."""
        return None


def _number(value: object) -> float | None:
    """Return a JSON number as a finite float; None for anything else (a boolean is no number)."""
    if type(value) not in (int, float):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # an int or a float, as just seen
    except OverflowError:
        return None
    return number if isfinite(number) else None
