"""Alpaca's market data stream, as JSON: its handshake, its trades and quotes, halts and price bands.

Source: docs.alpaca.markets, real-time stock data.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

import msgspec

from pipeline.events import PriceBand, Quote, Refused, Trade, TradingStatus
from pipeline.venues.dialect import (
    BAD_MESSAGE,
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
    u: float = 0.0  # limit up, limit down: the upper band, and the lower one
    d: float = 0.0
    sc: str = ""  # trading status: its code, in words, and why, in words
    sm: str = ""
    rm: str = ""
    msg: str = ""  # success and error
    code: int = 0
    trades: tuple[str, ...] = ()  # subscription
    quotes: tuple[str, ...] = ()


_MESSAGE = msgspec.json.Decoder(Message)
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])


class State(Enum):
    """How far the handshake is."""

    CONNECTING = auto()
    AUTHENTICATING = auto()
    SUBSCRIBING = auto()
    STREAMING = auto()


# Bars, updated and of a day, corrections, cancels, imbalances: of no use to us.
_OTHERS = frozenset(("b", "u", "d", "c", "x", "i"))

# Errors that another connection a little later may not meet: time-out, connection limit, slow client, internal.
_PASSING = frozenset((404, 406, 407, 500))

# Errors that may deny the wish for statuses and bands: bad syntax, too many symbols, not in the plan, not of this feed.
_DENIALS = frozenset((400, 405, 409, 410))

# Status codes of the consolidated tapes: A and B have figures, C and O letters. While quoting resumes (Q) there is no
# trading yet. The others (imbalances, indications, short sale restrictions) neither stop nor resume it.
_HALTED = {"2": True, "H": True, "P": True, "Q": True, "3": False, "T": False}


class AlpacaDialect:
    """Authenticates, subscribes to trades and quotes, and verifies that it got them.

    Trading statuses and price bands are asked for once it has, in a message of their own: not every feed and plan has
    them, and a refusal of that message leaves the subscription as it was.
    """

    def __init__(self, key: str, secret: str, symbols: Iterable[str]) -> None:
        self.state = State.CONNECTING
        self._key = key
        self._secret = secret
        self._symbols = tuple(symbols) or ("*",)
        self._unread: list[Unread] = []  # of the messages at hand
        self._wished = False  # for statuses and bands, which may be denied
        self._answered = False  # that wish
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
                items = self._one_by_one(data, events)
            else:
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
                    if self._wished and not self._answered and item.code in _DENIALS:
                        self._answered = True
                        continue
                    return self._error(item, events)
                elif item.T == "s":
                    events += self._status(item)
                elif item.T == "l":
                    events.append(self._band(item))
                elif item.T == "subscription":
                    if missing := self._missing(item):
                        sentence = f"the venue did not subscribe {missing}: check the symbols and the plan"
                        return Turn(events, failed=sentence)
                    send += self._wish()
                elif item.T not in _OTHERS:
                    events.append(self._refuse(UNKNOWN_TYPE, item.S, item))
        return Turn(events, tuple(send), unread=unread)

    def _one_by_one(self, data: bytes, events: list[Event]) -> list[Message]:
        """Decode a frame that does not decode as a whole: one bad message costs no other symbol its ticks."""
        try:
            parts = _PARTS.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            events.append(self._refuse(NOT_JSON, "", data))
            return []
        items = []
        for part in parts:
            try:
                items.append(_MESSAGE.decode(part))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                events.append(self._refuse(BAD_MESSAGE, "", bytes(part)))
        return items

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

    def _wish(self) -> list[str]:
        if self._wished:
            self._answered = True
            return []
        self._wished = True
        return [_say({"action": "subscribe", "statuses": self._symbols, "lulds": self._symbols})]

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

    def _status(self, item: Message) -> list[Event]:
        halted = _HALTED.get(item.sc)
        if halted is None:
            return []
        ts = nanoseconds(item.t)
        if ts is None or not item.S:
            return [self._refuse(BAD_TIME, item.S, item)]
        return [TradingStatus(ts, item.S, halted, ": ".join(filter(None, (item.sm, item.rm))))]

    def _band(self, item: Message) -> Event:
        ts = nanoseconds(item.t)
        if ts is None or not item.S:
            return self._refuse(BAD_TIME, item.S, item)
        return PriceBand(ts, item.S, item.d, item.u)

    def _refuse(self, reason: str, symbol: str, what: bytes | Message) -> Refused:
        self._unread.append((reason, symbol, what))
        return Refused(reason)


def _say(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()
