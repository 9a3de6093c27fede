"""Alpaca's market data stream, as JSON: its handshake, its trades and quotes, halts and price bands.

Of its prints, those that may set the last price are trades; of odd lots the size counts, and the others are counted
(`pipeline.venues.conditions`).

Source: docs.alpaca.markets, real-time stock data.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

import msgspec

from pipeline.events import PriceBand, Quote, Trade, TradeId, TradingStatus
from pipeline.venues.conditions import UNKNOWN_CONDITION, PrintKind, is_tick, kind_of
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
    Undone,
    VolumeOnly,
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
    rc: Text = ""
    rm: str = ""
    oi: TradeId | None = None  # correction: the print's id, price and size, and the size that is right
    op: float = 0.0
    os: float = -1.0
    cs: float = -1.0
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
_CANCELED = "a print was canceled"
_CORRECTED = "a print was corrected"

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

# Codes of reasons, where the message leaves out the words: those of tapes A and B, then of C and O.
_REASONS = {
    "D": "news released",
    "I": "order imbalance",
    "M": "limit up, limit down",
    "P": "news pending",
    "X": "operational",
    "Y": "sub-penny trading",
    "1": "market-wide circuit breaker, level 1",
    "2": "market-wide circuit breaker, level 2",
    "3": "market-wide circuit breaker, level 3",
    "T1": "news pending",
    "T2": "news released",
    "T3": "news and resumption times",
    "T5": "single-stock pause",
    "T6": "extraordinary activity",
    "T7": "single-stock pause, quotation only",
    "T8": "ETF",
    "H10": "SEC suspension",
    "T12": "information requested",
    "LUDP": "volatility pause",
    "LUDS": "volatility pause, straddle condition",
    **{f"MWC{n}": f"market-wide circuit breaker, level {n}" for n in "123"},
    "MWC0": "market-wide circuit breaker, carried over",
    "MWCQ": "market-wide circuit breaker, resumption",
    "IPO1": "IPO not yet trading",
    "IPOQ": "IPO released for quotation",
    "IPOE": "IPO, positioning extended",
    "M1": "corporate action",
    "M2": "quotation not available",
    "01": "operations",
}


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
                elif item.T == "x" or item.T == "c":
                    _take_undone(item, taken)
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
    else:
        trade_id = f"{item.x}{item.i}" if item.i is not None else None
        if not item.c or is_tick(item.z, item.c):
            taken.events.append(Trade(item.S, ts, item.p, item.s, None, None, trade_id))
        else:
            _take_apart(item, ts, trade_id, taken)


def _take_apart(item: Message, ts: int, trade_id: str | None, taken: Taken) -> None:
    """Take what of a print counts that is no plain tick, and count it."""
    kind, unknown = kind_of(item.z, item.c)
    taken.count(kind, item.s)
    if unknown:
        taken.refuse(UNKNOWN_CONDITION, item.S, item)
    if kind is PrintKind.VOLUME:
        taken.events.append(VolumeOnly(item.S, ts, item.s, trade_id))
    elif kind is PrintKind.AUCTION:
        taken.events.append(Trade(item.S, ts, item.p, 0.0, None, None, trade_id))


def _take_undone(item: Message, taken: Taken) -> None:
    """Decode a cancel or a correction, whose print is known by its exchange and its id there."""
    canceled = item.T == "x"
    made, price, size = (item.i, item.p, item.s) if canceled else (item.oi, item.op, item.os)
    ts = nanoseconds(item.t)
    if ts is None or not item.S:
        taken.refuse(BAD_TIME, item.S, item)
    elif made is None or size < 0 or (not canceled and item.cs < 0):
        taken.refuse(BAD_TRADE, item.S, item)
    else:
        reason, corrected = (_CANCELED, 0.0) if canceled else (_CORRECTED, item.cs)
        taken.events.append(Undone(item.S, ts, reason, f"{item.x}{made}", price, size, corrected))


def _take_quote(item: Message, taken: Taken) -> None:
    ts = nanoseconds(item.t)
    if ts is None or not item.S:
        taken.refuse(BAD_TIME, item.S, item)
    elif not (item.bs > 0 and item.as_ > 0):
        taken.refuse(EMPTY_QUOTE, item.S, item)
    else:
        taken.events.append(Quote(item.S, ts, item.bp, item.ap, item.bs, item.as_))


def _take_other(item: Message, taken: Taken) -> None:
    """Decode a status or a band."""
    if item.T == "s":
        halted = _HALTED.get(item.sc)
        if halted is None:
            return
    elif item.T != "l":
        taken.refuse(UNKNOWN_TYPE, item.S, item)
        return
    ts = nanoseconds(item.t)
    if ts is None or not item.S:
        taken.refuse(BAD_TIME, item.S, item)
    elif item.T == "s":
        reason = ": ".join(filter(None, (item.sm, item.rm or _REASONS.get(item.rc, item.rc))))
        taken.events.append(TradingStatus(ts, item.S, bool(halted), reason[:LONGEST_SAID]))
    else:
        taken.events.append(PriceBand(ts, item.S, item.d, item.u))


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
