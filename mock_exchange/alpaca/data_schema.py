"""Trades, quotes and bars as Alpaca writes them, in JSON or msgpack."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from mock_exchange.alpaca.stamps import stamp
from mock_exchange.events import SECOND, Quote, Trade
from mock_exchange.halts import TradingStatus
from mock_exchange.history import Bar
from mock_exchange.luld_bands import PriceBand
from mock_exchange.market_data_faults import BadPriceTrade, Published
from mock_exchange.prints import Print, Undone, conditions_of, tape_of

TEST_SYMBOL = "FAKEPACA"
"""The only one of the test feed."""

EXCHANGE = "V"
OFF_EXCHANGE = "D"
"""Where trades are reported that were made on no exchange."""

Json = dict[str, Any]

Message = tuple[str, str, bytes]
"""A message of the stream: its channel, its symbol, and how it is encoded."""


class Codec(Enum):
    """How the messages of the market-data stream are encoded."""

    JSON = "json"
    MSGPACK = "msgpack"

    def encode(self, message: Any) -> bytes:
        """Encode a message."""
        return msgspec.json.encode(message) if self is Codec.JSON else msgspec.msgpack.encode(message)

    def decode(self, message: bytes | str) -> Any:
        """Decode a message. Raises msgspec.DecodeError, UnicodeError, RecursionError or TypeError."""
        if self is Codec.JSON:
            return msgspec.json.decode(message)
        return msgspec.msgpack.decode(message.encode() if isinstance(message, str) else message)

    def time(self, ts: int) -> Any:
        """Return a time as this codec writes it: text, or msgpack's own kind of time."""
        return stamp(ts) if self is Codec.JSON else _timestamp(ts)

    def array(self, encoded: list[bytes]) -> bytes:
        """Join encoded messages to one that is an array of them."""
        if self is Codec.JSON:
            return b"[" + b",".join(encoded) + b"]"
        return msgspec.msgpack.encode([msgspec.Raw(message) for message in encoded])


def _timestamp(ts: int) -> msgspec.msgpack.Ext:
    """Return msgpack's timestamp of 64 bits: 30 of nanoseconds, 34 of seconds."""
    seconds, rest = divmod(ts, SECOND)
    return msgspec.msgpack.Ext(-1, (rest << 34 | seconds).to_bytes(8, "big"))


def trade(it: Trade | Print, time: Callable[[int], Any]) -> Json:
    """Write a trade."""
    exchange = OFF_EXCHANGE if isinstance(it, Print) else EXCHANGE
    told = {"i": it.id, "x": exchange, "p": it.price, "s": it.size, "t": time(it.ts)}
    return told | {"c": conditions_of(it), "z": tape_of(it.symbol)}


def undone(it: Undone, time: Callable[[int], Any]) -> Json:
    """Write a cancel, or a correction with the trade as it was and as it is."""
    common = {"x": EXCHANGE, "t": time(it.ts), "z": tape_of(it.symbol)}
    was, right = it.trade, it.corrected
    if right is None:
        return {"i": was.id, "p": was.price, "s": was.size, "a": "C", **common}
    before = {"oi": was.id, "op": was.price, "os": was.size, "oc": conditions_of(was)}
    return {**before, "ci": right.id, "cp": right.price, "cs": right.size, "cc": conditions_of(right), **common}


def quote(it: Quote, time: Callable[[int], Any]) -> Json:
    """Write a quote; sizes are in shares."""
    return {
        "bx": EXCHANGE,
        "bp": it.bid,
        "bs": it.bid_size or 0,
        "ax": EXCHANGE,
        "ap": it.ask,
        "as": it.ask_size or 0,
        "t": time(it.ts),
        "c": ["R"],
        "z": tape_of(it.symbol),
    }


def bar(it: Bar, time: Callable[[int], Any]) -> Json:
    """Write a bar."""
    return {
        "o": it.open,
        "h": it.high,
        "l": it.low,
        "c": it.close,
        "v": it.volume,
        "n": it.trades,
        "vw": it.vwap,
        "t": time(it.ts),
    }


def status(it: TradingStatus, time: Callable[[int], Any]) -> Json:
    """Write a halt or a resumption, with the codes and the words of the stock's tape."""
    tape = tape_of(it.symbol)
    words = _HALT_WORDS[it.reason]
    if tape == "C":
        pause = ("P", "Volatility Trading Pause") if it.reason == "LUDP" else ("H", "Trading Halt")
        code, said = pause if it.halted else ("T", "Trading Resumption")
        why, reason = it.reason, words.nasdaq
    else:
        code, said = ("2", "Trading Halt") if it.halted else ("3", "Trading Resumption")
        why, reason = words.code, words.nyse
    return {"sc": code, "sm": said, "rc": why, "rm": reason, "t": time(it.ts), "z": tape}


class _Words(NamedTuple):
    """A reason to halt: in words on tape C, its code on tapes A and B, and in words there."""

    nasdaq: str
    code: str
    nyse: str


_HALT_WORDS = {
    "LUDP": _Words("Volatility Trading Pause", "M", "Limit Up Limit Down Pause"),
    "T1": _Words("News Pending", "P", "News Pending"),
    "T12": _Words("Trading Halted; For information requested by NASDAQ", "X", "Operational"),
}
"""By the code of tape C; `REASONS` in mock_exchange.halts names them."""


def band(it: PriceBand, time: Callable[[int], Any]) -> Json:
    """Write the limits up and down."""
    return {"u": it.up, "d": it.down, "i": it.indicator, "t": time(it.ts), "z": tape_of(it.symbol)}


def careless(price: float | str) -> Any:
    """Return a price as careless encoders put it into JSON, which has neither NaN nor Infinity."""
    if isinstance(price, str) or math.isfinite(price):
        return price
    return msgspec.Raw(b"NaN" if math.isnan(price) else b"Infinity")


_STREAMED: dict[type, tuple[str, str, Callable[[Any, Callable[[int], Any]], Json]]] = {
    Trade: ("trades", "t", trade),
    Print: ("trades", "t", trade),
    Quote: ("quotes", "q", quote),
    Bar: ("bars", "b", bar),
    TradingStatus: ("statuses", "s", status),
    PriceBand: ("lulds", "l", band),
}
"""Of each kind of message: its channel, what it is called, and who writes it."""


def streamed(it: Published, codec: Codec, symbol: str = "") -> Message:
    """Encode a message of the market-data stream, as of another symbol if one is named."""
    symbol = symbol or it.symbol
    if isinstance(it, BadPriceTrade):
        price = careless(it.price) if codec is Codec.JSON else it.price
        return "trades", symbol, codec.encode({"T": "t", "S": symbol, **trade(it.trade, codec.time), "p": price})
    if isinstance(it, Undone):
        channel, kind = ("cancelErrors", "x") if it.corrected is None else ("corrections", "c")
        return channel, symbol, codec.encode({"T": kind, "S": symbol, **undone(it, codec.time)})
    channel, kind, write = _STREAMED[type(it)]
    return channel, symbol, codec.encode({"T": kind, "S": symbol, **write(it, codec.time)})
