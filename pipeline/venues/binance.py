"""Binance's public spot streams: trades and best bid and ask, without keys.

Source: developers.binance.com, WebSocket streams (spot).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Annotated

import msgspec
from msgspec import Meta

from pipeline.events import Quote, Trade
from pipeline.venues.dialect import UNDECODABLE, UNKNOWN_TYPE, ShortSymbol, Taken, Text, Turn, number
from pipeline.venues.jsonl import NOT_JSON

_MS = 1_000_000  # ns
URL = "wss://stream.binance.com:9443"

# Other streams of a symbol, and the notice before the venue hangs up.
_OTHERS = frozenset(("aggTrade", "avgPrice", "depthUpdate", "kline", "serverShutdown"))
_OTHERS |= {"24hrMiniTicker", "24hrTicker", "1hTicker", "4hTicker", "1dTicker"}

_Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Payload(msgspec.Struct, frozen=True, gc=False):
    """A trade has `e` and a time `T` in ms; a bookTicker has neither. Numbers are strings.

    Only an answer has `id`; only a picture of the book, which we did not ask for, has `lastUpdateId`.
    """

    s: ShortSymbol = ""
    e: Text = ""
    t: _Whole | None = None  # trade id
    p: Text = ""
    q: Text = ""
    T: _Whole = 0
    b: Text | list[object] | int = ""
    a: Text | list[object] | int = ""
    B: Text | list[object] | int | None = None  # sizes at the best prices, where it is a bookTicker
    A: Text | list[object] | int | None = None
    id: str | int | msgspec.UnsetType | None = msgspec.UNSET
    lastUpdateId: int = 0


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A combined stream wraps its payload; a raw one is the payload."""

    data: Payload | None = None


class BinanceDialect:
    """Decodes combined and raw streams. A quote gets the time of the trade before it, since it has none."""

    def __init__(self) -> None:
        self._ts = 0
        self._wrapped = msgspec.json.Decoder(Frame).decode
        self._raw = msgspec.json.Decoder(Payload).decode

    @staticmethod
    def url(symbols: Iterable[str], base: str = URL) -> str:
        """Return the address of the combined stream of `symbols`."""
        names = [s.lower() for s in symbols]
        return f"{base}/stream?streams=" + "/".join(f"{s}@trade/{s}@bookTicker" for s in names)

    def opened(self) -> Turn:
        """The address says what is wanted."""
        return Turn()

    def received(self, messages: list[bytes]) -> Turn:
        """Decode; other streams' frames, answers, and quotes before the first trade are left out."""
        taken = Taken()
        for data in messages:
            self._take(data, taken)
        return Turn(taken.events, unread=taken.unread)

    def _take(self, data: bytes, taken: Taken) -> None:
        try:
            payload = self._wrapped(data).data or self._raw(data)
        except UNDECODABLE:
            taken.refuse(NOT_JSON, "", data)
            return
        add = taken.events.append
        if payload.e == "trade" and payload.s:
            self._ts = payload.T * _MS
            add(Trade(payload.s, self._ts, number(payload.p), number(payload.q), None, None, payload.t))
        elif not payload.e and payload.s and isinstance(payload.b, str) and isinstance(payload.a, str):
            if self._ts:
                bid, ask = number(payload.b), number(payload.a)
                add(Quote(payload.s, self._ts, bid, ask, _size(payload.B), _size(payload.A)))
        elif not (payload.e in _OTHERS or payload.id is not msgspec.UNSET or payload.lastUpdateId):
            taken.refuse(UNKNOWN_TYPE, "", data)


def _size(said: object) -> float | None:
    """Return a size, or None for what is none: a quote is of use without."""
    size = number(said) if isinstance(said, str) else -1.0
    return size if 0 <= size < inf else None
