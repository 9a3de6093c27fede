"""Alpaca's market data stream, as JSON: its handshake, its trades and quotes, halts and price bands.

Of its prints, those that may set the last price are trades; the others are counted (`pipeline.venues.conditions`).

Source: docs.alpaca.markets, real-time stock data.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

import msgspec

from pipeline.events import Gap, PriceBand, Quote, Trade, TradeId, TradingStatus
from pipeline.venues.conditions import why_no_last_price
from pipeline.venues.dialect import (
    BAD_MESSAGE,
    BAD_TIME,
    EMPTY_FRAME,
    EMPTY_QUOTE,
    LONGEST_SAID,
    MOST_ITEMS,
    UNDECODABLE,
    UNKNOWN_TYPE,
    ShortSymbol,
    Taken,
    Text,
    Turn,
    nanoseconds,
)
from pipeline.venues.jsonl import BAD_TRADE, NOT_JSON


class Message(msgspec.Struct, frozen=True, gc=False):
    """Any message of the stream; which fields are there depends on `T`."""

    T: Text
    S: ShortSymbol = ""
    t: Text = ""
    p: float = 0.0  # trade: price
    s: float = -1.0  # trade: size
    i: TradeId | None = None  # trade: id, unique on its exchange
    x: Text = ""  # trade: exchange
    c: list[str] | float | None = None  # trade, quote: conditions; bar: its close
    z: Text = ""  # trade, quote: tape
    bp: float = 0.0  # quote: bid, its size, ask, its size
    bs: float = 0.0
    ap: float = 0.0
    as_: float = msgspec.field(default=0.0, name="as")
    u: float = 0.0  # limit up, limit down: the upper band, and the lower one
    d: float = 0.0
    sc: Text = ""  # trading status: its code, in words, and why, in words
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


# Bars, updated and of a day, imbalances: of no use to us.
_OTHERS = frozenset(("b", "u", "d", "i"))

# What was printed before was none, or another one.
_UNDONE = {"x": "a print was cancelled", "c": "a print was corrected"}

# Errors that another connection a little later may not meet: time-out, connection limit, slow client, internal.
_PASSING = frozenset((404, 406, 407, 500))

NOT_IN_PLAN = 409
"""The error of a feed that the account's plan does not cover. After it, as after others, the venue says no more, and
leaves the connection open: we hang up."""

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
        self._wished = False  # for statuses and bands, which may be denied
        self._answered = False  # that wish
        self._decode = msgspec.json.Decoder(list[Message]).decode

    def opened(self) -> Turn:
        """The venue speaks first."""
        return Turn()

    def received(self, messages: list[bytes]) -> Turn:
        """Answer the handshake's messages; after it, decode."""
        taken = Taken()
        send: list[str] = []
        granted = False
        for data in messages:
            for item in self._items(data, taken):
                if item.T == "t":
                    _take_trade(item, taken)
                elif item.T == "q":
                    _take_quote(item, taken)
                elif item.T == "success":
                    send += self._success(item.msg)
                elif item.T == "error":
                    if self._wished and not self._answered and item.code in _DENIALS:
                        self._answered = True
                        continue
                    return _error(item, taken)
                elif item.T == "subscription":
                    if missing := self._missing(item):
                        sentence = f"the venue did not subscribe {missing}: check the symbols and the plan"
                        return Turn(taken.events, failed=sentence, unread=taken.unread)
                    granted = True
                    send += self._wish()
                elif item.T not in _OTHERS:
                    _take_other(item, taken)
        return Turn(taken.events, tuple(send), granted=granted, unread=taken.unread)

    def _items(self, data: bytes, taken: Taken) -> list[Message]:
        try:
            items = self._decode(data)
        except UNDECODABLE:
            return _one_by_one(data, taken)
        if len(items) > MOST_ITEMS:
            taken.refuse_rest(data, len(items))
            return []
        if not items:
            taken.refuse(EMPTY_FRAME, "", data)
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
        """Return what was asked for and is not granted: a list may be in any order, and an empty one left out."""
        self.state = State.STREAMING
        granted = set(item.trades) & set(item.quotes)
        missing = [symbol for symbol in self._symbols if symbol not in granted]
        return ", ".join(missing)

    def _wish(self) -> list[str]:
        if self._wished:
            self._answered = True
            return []
        self._wished = True
        return [_say({"action": "subscribe", "statuses": self._symbols, "lulds": self._symbols})]


def _one_by_one(data: bytes, taken: Taken) -> list[Message]:
    """Decode a frame that does not decode as a whole: one bad message costs no other symbol its ticks."""
    try:
        parts = _PARTS.decode(data)
    except UNDECODABLE:
        taken.refuse(NOT_JSON, "", data)
        return []
    if len(parts) > MOST_ITEMS:
        taken.refuse_rest(data, len(parts))
        return []
    items = []

    def take(part: bytes) -> str:
        try:
            items.append(_MESSAGE.decode(part))
        except UNDECODABLE:
            return BAD_MESSAGE
        return ""

    taken.each(parts, data, take)
    return items


def _take_trade(item: Message, taken: Taken) -> None:
    ts = nanoseconds(item.t)
    if ts is None:
        taken.refuse(BAD_TIME, item.S, item)
    elif not item.S or item.s < 0:
        taken.refuse(BAD_TRADE, item.S, item)
    elif item.c and (why := why_no_last_price(item.z, item.c)):
        taken.refuse(why, item.S, item)
    else:
        trade_id = f"{item.x}{item.i}" if item.i is not None else None
        taken.events.append(Trade(item.S, ts, item.p, item.s, None, None, trade_id))


def _take_quote(item: Message, taken: Taken) -> None:
    ts = nanoseconds(item.t)
    if ts is None or not item.S:
        taken.refuse(BAD_TIME, item.S, item)
    elif not (item.bs > 0 and item.as_ > 0):
        taken.refuse(EMPTY_QUOTE, item.S, item)
    else:
        taken.events.append(Quote(item.S, ts, item.bp, item.ap, item.bs, item.as_))


def _take_other(item: Message, taken: Taken) -> None:
    """Decode a status, a band, and what undoes a print: the window that holds it is no good any more."""
    if item.T == "s":
        halted = _HALTED.get(item.sc)
        if halted is None:
            return
    elif item.T != "l" and item.T not in _UNDONE:
        taken.refuse(UNKNOWN_TYPE, item.S, item)
        return
    ts = nanoseconds(item.t)
    if ts is None or not item.S:
        taken.refuse(BAD_TIME, item.S, item)
    elif item.T == "s":
        reason = ": ".join(filter(None, (item.sm, item.rm)))
        taken.events.append(TradingStatus(ts, item.S, bool(halted), reason[:LONGEST_SAID]))
    elif item.T == "l":
        taken.events.append(PriceBand(ts, item.S, item.d, item.u))
    else:
        taken.events.append(Gap(ts, item.S, _UNDONE[item.T]))


def _error(item: Message, taken: Taken) -> Turn:
    said = f"{item.msg[:LONGEST_SAID]} ({item.code})"
    if item.code in _PASSING:
        return Turn(taken.events, lost=said, unread=taken.unread)
    refused = f"the venue refused: {said}"
    if item.code == NOT_IN_PLAN:
        refused = f"the account's plan does not have this feed: {said}; --data-feed auto takes what it has"
    if item.code in (401, 402):
        refused = f"the venue refused the keys: {said}; check APCA_API_KEY_ID and its secret"
    return Turn(taken.events, failed=refused, unread=taken.unread)


def _say(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()
