"""Trades, quotes and bars as Alpaca writes them, in JSON or msgpack."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec

from mock_exchange.alpaca.stamps import stamp
from mock_exchange.events import SECOND, Quote, Trade
from mock_exchange.halts import TradingStatus
from mock_exchange.history import Bar
from mock_exchange.luld_bands import PriceBand
from mock_exchange.market_data_faults import BadPriceTrade, Published

TEST_SYMBOL = "FAKEPACA"
"""The only one of the test feed."""

ROUND_LOT = 100
EXCHANGE = "V"
TAPE = "C"

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


def trade(it: Trade, time: Callable[[int], Any]) -> Json:
    """Write a trade."""
    conditions = ["@"] if it.size >= ROUND_LOT else ["@", "I"]
    return {"i": it.id, "x": EXCHANGE, "p": it.price, "s": it.size, "t": time(it.ts), "c": conditions, "z": TAPE}


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
        "z": TAPE,
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
    """Write a halt or a resumption, in the words of the tape of NASDAQ's stocks."""
    code, said = ("H", "Trading Halt") if it.halted else ("T", "Trading Resumption")
    why, reason = ("T12", "Additional Information Requested") if it.halted else ("T3", "News and Resumption Times")
    return {"sc": code, "sm": said, "rc": why, "rm": reason, "t": time(it.ts), "z": TAPE}


def band(it: PriceBand, time: Callable[[int], Any]) -> Json:
    """Write the limits up and down."""
    return {"u": it.up, "d": it.down, "i": it.indicator, "t": time(it.ts), "z": TAPE}


def careless(price: float | str) -> Any:
    """Return a price as careless encoders put it into JSON, which has neither NaN nor Infinity."""
    if isinstance(price, str) or math.isfinite(price):
        return price
    return msgspec.Raw(b"NaN" if math.isnan(price) else b"Infinity")


_STREAMED: dict[type, tuple[str, str, Callable[[Any, Callable[[int], Any]], Json]]] = {
    Trade: ("trades", "t", trade),
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
    channel, kind, write = _STREAMED[type(it)]
    return channel, symbol, codec.encode({"T": kind, "S": symbol, **write(it, codec.time)})
