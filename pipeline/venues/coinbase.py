"""Coinbase Exchange's public feed: matches, ticker and heartbeat, without keys.

Source: docs.cdp.coinbase.com, Exchange WebSocket channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from pipeline.events import Clock, Gap, Quote, Trade
from pipeline.venues.dialect import (
    BAD_TIME,
    LONGEST_SAID,
    UNDECODABLE,
    UNKNOWN_TYPE,
    Event,
    ShortSymbol,
    Taken,
    Text,
    Turn,
    nanoseconds,
    number,
)
from pipeline.venues.jsonl import NOT_JSON

URL = "wss://ws-feed.exchange.coinbase.com"

_OURS = frozenset(("match", "ticker", "heartbeat"))
# The answer to our wish, and what other channels say.
_OTHERS = frozenset(("subscriptions", "status", "ticker_batch", "auction", "rfq_match", "balance", "snapshot"))
_OTHERS |= {"l2update", "received", "open", "done", "change", "activate"}

# In errors that another connection a little later may not meet.
_PASSING = ("rate limit", "too many", "try again", "internal", "unavailable", "timeout", "timed out")


class Message(msgspec.Struct, frozen=True, gc=False):
    """Any message of the feed. Prices and sizes are strings."""

    type: Text
    product_id: ShortSymbol = ""
    time: Text = ""
    trade_id: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    price: Text = ""
    size: Text = ""
    best_bid: Text = ""
    best_ask: Text = ""
    message: str = ""  # of an error
    reason: str = ""


class CoinbaseDialect:
    """Subscribes at once, since the venue waits five seconds for it, and notices missing trades by their ids.

    `last_match` comes first and is history: it only says from which trade on to count.
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self._symbols = tuple(symbols)
        self._last: dict[str, int | None] = dict.fromkeys(self._symbols)  # trade id, by product that was asked for
        self._decode = msgspec.json.Decoder(Message).decode

    def opened(self) -> Turn:
        """Subscribe."""
        wish = {"type": "subscribe", "product_ids": self._symbols, "channels": ["matches", "ticker", "heartbeat"]}
        return Turn(send=(msgspec.json.encode(wish).decode(),))

    def received(self, messages: list[bytes]) -> Turn:
        """Decode; other channels' messages are left out."""
        taken = Taken()
        for data in messages:
            try:
                item = self._decode(data)
            except UNDECODABLE:
                taken.refuse(NOT_JSON, "", data)
                continue
            if item.type == "error":
                return _error(item, taken)
            if item.type == "last_match":
                self._count(item)
            elif item.type not in _OURS:
                if item.type not in _OTHERS:
                    taken.refuse(UNKNOWN_TYPE, item.product_id, data)
            elif (ts := nanoseconds(item.time)) is None:
                taken.refuse(BAD_TIME, item.product_id, item)
            else:
                taken.events += self._events(item, ts)
        return Turn(taken.events, unread=taken.unread)

    def _events(self, item: Message, ts: int) -> list[Event]:
        if item.type == "match":
            return self._match(item, ts)
        if item.type == "heartbeat":
            return [Clock(ts)]
        return [Quote(item.product_id, ts, number(item.best_bid), number(item.best_ask))] if item.best_bid else []

    def _match(self, item: Message, ts: int) -> list[Event]:
        last = self._count(item)
        trade = Trade(item.product_id, ts, number(item.price), number(item.size), None, None, item.trade_id)
        if last is not None and item.trade_id > last + 1:
            return [Gap(ts, item.product_id, f"{item.trade_id - last - 1} trades are missing"), trade]
        return [trade]

    def _count(self, item: Message) -> int | None:
        """Remember a trade's id; return that of the trade before it."""
        last = self._last.get(item.product_id)
        if item.product_id in self._last:
            self._last[item.product_id] = item.trade_id
        return last


def _error(item: Message, taken: Taken) -> Turn:
    """Tell a refusal that passes, since we came too often or too many, from one of what we want."""
    said = f"{item.message} {item.reason}".strip()[:LONGEST_SAID]
    if any(word in said.lower() for word in _PASSING):
        return Turn(taken.events, lost=f"the venue says: {said}", unread=taken.unread)
    return Turn(taken.events, failed=f"the venue refused: {said}", unread=taken.unread)
