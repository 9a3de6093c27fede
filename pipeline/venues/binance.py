"""Binance's public spot streams: trades and best bid and ask, without keys.

Source: developers.binance.com, WebSocket streams (spot).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.events import Quote, Refused, Trade
from pipeline.venues.dialect import UNKNOWN_TYPE, Event, Turn, Unread, number
from pipeline.venues.jsonl import NOT_JSON

_MS = 1_000_000  # ns
URL = "wss://stream.binance.com:9443"

# Other streams of a symbol, and the notice before the venue hangs up.
_OTHERS = frozenset(("aggTrade", "avgPrice", "depthUpdate", "kline", "serverShutdown"))
_OTHERS |= {"24hrMiniTicker", "24hrTicker", "1hTicker", "4hTicker", "1dTicker"}


class Payload(msgspec.Struct, frozen=True, gc=False):
    """A trade has `e` and a time `T` in ms; a bookTicker has neither. Numbers are strings.

    Only an answer has `id`; only a picture of the book, which we did not ask for, has `lastUpdateId`.
    """

    s: str = ""
    e: str = ""
    t: int | None = None  # trade id
    p: str = ""
    q: str = ""
    T: int = 0
    b: str | list[object] | int = ""
    a: str | list[object] | int = ""
    id: str | int | msgspec.UnsetType | None = msgspec.UNSET
    lastUpdateId: int = 0


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A combined stream wraps its payload; a raw one is the payload."""

    data: Payload | None = None


class BinanceDialect:
    """Decodes combined and raw streams. A quote gets the time of the trade before it, since it has none."""

    def __init__(self) -> None:
        self._ts = 0
        self._unread: list[Unread] = []  # of the messages at hand
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
        unread = self._unread = []
        return Turn([event for data in messages if (event := self._event(data)) is not None], unread=unread)

    def _event(self, data: bytes) -> Event | None:
        try:
            payload = self._wrapped(data).data or self._raw(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._refuse(NOT_JSON, data)
        if payload.e == "trade" and payload.s:
            self._ts = payload.T * _MS
            return Trade(payload.s, self._ts, number(payload.p), number(payload.q), None, None, payload.t)
        if not payload.e and payload.s and isinstance(payload.b, str) and isinstance(payload.a, str):
            return Quote(payload.s, self._ts, number(payload.b), number(payload.a)) if self._ts else None
        known = payload.e in _OTHERS or payload.id is not msgspec.UNSET or payload.lastUpdateId
        return None if known else self._refuse(UNKNOWN_TYPE, data)

    def _refuse(self, reason: str, data: bytes) -> Refused:
        self._unread.append((reason, "", data))
        return Refused(reason)
