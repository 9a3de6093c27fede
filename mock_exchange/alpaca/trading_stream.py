"""The trading stream: what the venue tells a client about its orders, without a socket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mock_exchange.alpaca import schema
from mock_exchange.alpaca.keys import Keys
from mock_exchange.send_buffer import Alone, Bounds
from mock_exchange.session import Session
from mock_exchange.venue.orders import Update

STREAMS = ("trade_updates",)

_encode = msgspec.json.Encoder().encode

Report = tuple[str, bytes]
"""An update as it goes out: the account whose order it is about, and its JSON."""


def report(update: Update) -> Report:
    """Encode an update for the stream."""
    return update.order.account, Alone(_encode({"stream": "trade_updates", "data": schema.update(update)}))


class TradingSession(Session):
    """One client's conversation. Its frames are binary and hold JSON; it may speak in frames of either kind."""

    binary = True

    def __init__(self, keys: Keys, bounds: Bounds) -> None:
        super().__init__(bounds, b"".join)
        self.account: str | None = None  # once it is authorized
        self._keys = keys
        self._streams: list[str] = []

    @property
    def admitted(self) -> bool:
        """Whether the client has authenticated."""
        return self.account is not None

    def greet(self, account: str | None) -> None:
        """Take the account that headers of the handshake opened; nothing is sent."""
        self.account = account

    def publish(self, reports: Iterable[Report]) -> None:
        """Queue what is about the client's own orders, if it listens; each is a frame of its own."""
        if self._streams:
            self.buffer.put_all([encoded for account, encoded in reports if account == self.account])

    def receive(self, message: str | bytes) -> None:
        """Take a message and queue the answer to it."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            request = None
        action = request.get("action") if isinstance(request, dict) else None
        data = request.get("data") if isinstance(request, dict) else None
        if action in ("authenticate", "auth"):
            key, secret = ("key_id", "secret_key") if isinstance(data, dict) else ("key", "secret")
            pair = data if isinstance(data, dict) else request
            self._authorize(pair.get(key), pair.get(secret), action)
        elif action == "listen" and self.account is None:
            self._say("authorization", {"status": "unauthorized", "action": "listen"})
        elif action == "listen" and isinstance(data, dict) and isinstance(data.get("streams"), list):
            self._streams = [name for name in STREAMS if name in data["streams"]]
            self._say("listening", {"streams": self._streams})
        else:
            self._say("listening", {"streams": self._streams, "error": "invalid message"})

    def _authorize(self, key: object, secret: object, action: str) -> None:
        account = self._keys.account(key, secret)
        if account is not None:
            self.account = account
        status = "authorized" if account is not None else "unauthorized"
        self._say("authorization", {"status": status, "action": "authenticate" if action != "auth" else action})

    def _say(self, stream: str, data: dict[str, Any]) -> None:
        self.buffer.put(Alone(msgspec.json.encode({"stream": stream, "data": data})))
