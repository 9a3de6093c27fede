"""Coinbase Exchange's public feed: matches, ticker and heartbeat, without keys.

Source: docs.cdp.coinbase.com, Exchange WebSocket channels.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.events import Clock, Gap, Quote, Refused, Trade
from pipeline.venues.dialect import BAD_TIME, UNKNOWN_TYPE, Event, Turn, Unread, nanoseconds, number
from pipeline.venues.jsonl import NOT_JSON

URL = "wss://ws-feed.exchange.coinbase.com"

_OURS = frozenset(("match", "ticker", "heartbeat"))
# The answer to our wish, and what other channels say.
_OTHERS = frozenset(("subscriptions", "status", "ticker_batch", "auction", "rfq_match", "balance", "snapshot"))
_OTHERS |= {"l2update", "received", "open", "done", "change", "activate"}


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
        self._unread: list[Unread] = []  # of the messages at hand
        self._decode = msgspec.json.Decoder(Message).decode

    def opened(self) -> Turn:
        """Subscribe."""
        wish = {"type": "subscribe", "product_ids": self._symbols, "channels": ["matches", "ticker", "heartbeat"]}
        return Turn(send=(msgspec.json.encode(wish).decode(),))

    def received(self, messages: list[bytes]) -> Turn:
        """Decode; other channels' messages are left out."""
        events: list[Event] = []
        unread = self._unread = []
        for data in messages:
            try:
                item = self._decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                events.append(self._refuse(NOT_JSON, "", data))
                continue
            if item.type == "error":
                return Turn(events, failed=f"the venue refused: {item.message} {item.reason}".rstrip())
            if item.type == "last_match":
                self._count(item)
            elif item.type in _OURS:
                events += self._events(item)
            elif item.type not in _OTHERS:
                events.append(self._refuse(UNKNOWN_TYPE, item.product_id, data))
        return Turn(events, unread=unread)

    def _events(self, item: Message) -> list[Event]:
        ts = nanoseconds(item.time)
        if ts is None:
            return [self._refuse(BAD_TIME, item.product_id, item)]
        if item.type == "match":
            return self._match(item, ts)
        if item.type == "heartbeat":
            return [Clock(ts)]
        return [Quote(item.product_id, ts, number(item.best_bid), number(item.best_ask))] if item.best_bid else []

    def _refuse(self, reason: str, symbol: str, what: bytes | Message) -> Refused:
        self._unread.append((reason, symbol, what))
        return Refused(reason)

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
