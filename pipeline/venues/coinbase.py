"""Coinbase Exchange's public feed: matches, ticker and heartbeat, without keys.

Source: docs.cdp.coinbase.com, Exchange WebSocket channels.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.events import Clock, Gap, Quote, Refused, Trade
from pipeline.venues.dialect import Event, Turn, Unread, nanoseconds, number
from pipeline.venues.jsonl import NOT_JSON

URL = "wss://ws-feed.exchange.coinbase.com"


class Message(msgspec.Struct, frozen=True, gc=False):
    """Any message of the feed. Prices and sizes are strings."""

    type: str
    product_id: str = ""
    time: str = ""
    trade_id: int = 0
    price: str = ""
    size: str = ""
    best_bid: str = ""
    best_ask: str = ""
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
        """Decode; subscriptions and unknown types are left out."""
        events: list[Event] = []
        unread: list[Unread] = []
        for data in messages:
            try:
                item = self._decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                events.append(Refused(NOT_JSON))
                unread.append((NOT_JSON, "", data))
                continue
            if item.type == "error":
                return Turn(events, failed=f"the venue refused: {item.message} {item.reason}".rstrip())
            ts = nanoseconds(item.time)
            if ts is None:
                continue
            if item.type == "match":
                events += self._match(item, ts)
            elif item.type == "last_match":
                self._count(item)
            elif item.type == "ticker" and item.best_bid:
                events.append(Quote(item.product_id, ts, number(item.best_bid), number(item.best_ask)))
            elif item.type == "heartbeat":
                events.append(Clock(ts))
        return Turn(events, unread=unread)

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
