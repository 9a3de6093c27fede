"""Alpaca's market data stream, as JSON: its handshake, and its trades and quotes.

Source: docs.alpaca.markets, real-time stock data.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

import msgspec

from pipeline.events import Quote, Refused, Trade
from pipeline.venues.dialect import (
    BAD_TIME,
    EMPTY_FRAME,
    EMPTY_QUOTE,
    UNKNOWN_TYPE,
    Event,
    Turn,
    Unread,
    nanoseconds,
)
from pipeline.venues.jsonl import BAD_TRADE, NOT_JSON


class Message(msgspec.Struct, frozen=True, gc=False):
    """Any message of the stream; which fields are there depends on `T`."""

    T: str
    S: str = ""
    t: str = ""
    p: float = 0.0  # trade: price
    s: float = -1.0  # trade: size
    i: int | str | None = None  # trade: id, unique on its exchange
    x: str = ""  # trade: exchange
    bp: float = 0.0  # quote: bid, its size, ask, its size
    bs: float = 0.0
    ap: float = 0.0
    as_: float = msgspec.field(default=0.0, name="as")
    msg: str = ""  # success and error
    code: int = 0
    trades: tuple[str, ...] = ()  # subscription
    quotes: tuple[str, ...] = ()


class State(Enum):
    """How far the handshake is."""

    CONNECTING = auto()
    AUTHENTICATING = auto()
    SUBSCRIBING = auto()
    STREAMING = auto()


# Bars, updated and of a day, statuses, price bands, corrections, cancels, imbalances: of no use to us.
_OTHERS = frozenset(("b", "u", "d", "s", "l", "c", "x", "i"))

# Errors that another connection a little later may not meet: time-out, connection limit, slow client, internal.
_PASSING = frozenset((404, 406, 407, 500))


class AlpacaDialect:
    """Authenticates, subscribes to trades and quotes, and verifies that it got them."""

    def __init__(self, key: str, secret: str, symbols: Iterable[str]) -> None:
        self.state = State.CONNECTING
        self._key = key
        self._secret = secret
        self._symbols = tuple(symbols) or ("*",)
        self._unread: list[Unread] = []  # of the messages at hand
        self._decode = msgspec.json.Decoder(list[Message]).decode

    def opened(self) -> Turn:
        """The venue speaks first."""
        return Turn()

    def received(self, messages: list[bytes]) -> Turn:
        """Take part in the handshake; after it, decode."""
        events: list[Event] = []
        send: list[str] = []
        unread = self._unread = []
        for data in messages:
            try:
                items = self._decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                events.append(self._refuse(NOT_JSON, "", data))
                continue
            if not items:
                events.append(self._refuse(EMPTY_FRAME, "", data))
            for item in items:
                if item.T == "t":
                    events.append(self._trade(item))
                elif item.T == "q":
                    events.append(self._quote(item))
                elif item.T == "success":
                    send += self._success(item.msg)
                elif item.T == "error":
                    return self._error(item, events)
                elif item.T == "subscription":
                    if missing := self._missing(item):
                        sentence = f"the venue did not subscribe {missing}: check the symbols and the plan"
                        return Turn(events, failed=sentence)
                elif item.T not in _OTHERS:
                    events.append(self._refuse(UNKNOWN_TYPE, item.S, item))
        return Turn(events, tuple(send), unread=unread)

    def _success(self, said: str) -> list[str]:
        if said == "connected" and self.state is State.CONNECTING:
            self.state = State.AUTHENTICATING
            return [_say({"action": "auth", "key": self._key, "secret": self._secret})]
        if said == "authenticated" and self.state is not State.STREAMING:
            self.state = State.SUBSCRIBING
            return [_say({"action": "subscribe", "trades": self._symbols, "quotes": self._symbols})]
        return []

    def _missing(self, item: Message) -> str:
        self.state = State.STREAMING
        missing = [s for s in self._symbols if s not in item.trades or s not in item.quotes]
        return ", ".join(missing)

    def _error(self, item: Message, events: list[Event]) -> Turn:
        said = f"{item.msg} ({item.code})"
        if item.code in _PASSING:
            return Turn(events, lost=said)
        if item.code in (401, 402):
            return Turn(events, failed=f"the venue refused the keys: {said}; check APCA_API_KEY_ID and its secret")
        return Turn(events, failed=f"the venue refused: {said}")

    def _trade(self, item: Message) -> Event:
        ts = nanoseconds(item.t)
        if ts is None:
            return self._refuse(BAD_TIME, item.S, item)
        if not item.S or item.s < 0:
            return self._refuse(BAD_TRADE, item.S, item)
        trade_id = f"{item.x}{item.i}" if item.i is not None else None
        return Trade(item.S, ts, item.p, item.s, None, None, trade_id)

    def _quote(self, item: Message) -> Event:
        ts = nanoseconds(item.t)
        if ts is None or not item.S:
            return self._refuse(BAD_TIME, item.S, item)
        if not (item.bs > 0 and item.as_ > 0):
            return self._refuse(EMPTY_QUOTE, item.S, item)
        return Quote(item.S, ts, item.bp, item.ap)

    def _refuse(self, reason: str, symbol: str, what: bytes | Message) -> Refused:
        self._unread.append((reason, symbol, what))
        return Refused(reason)


def _say(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()
