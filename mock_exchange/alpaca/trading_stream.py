"""The trading stream: what the venue tells a client about its orders, without a socket."""

from __future__ import annotations

from typing import Any

import msgspec

from mock_exchange.alpaca.keys import Keys
from mock_exchange.broadcast import Broadcast
from mock_exchange.connection_faults import UPDATES
from mock_exchange.send_buffer import Alone, Bounds
from mock_exchange.session import Session

STREAMS = ("trade_updates",)


class TradingSession(Session):
    """One client's conversation. Its frames are binary and hold JSON; it may speak in frames of either kind.

    `account` is the one that headers of the handshake have opened already.
    """

    binary = True
    junk = UPDATES

    def __init__(self, keys: Keys, bounds: Bounds, account: str | None = None) -> None:
        super().__init__(bounds, b"".join)
        self.account = account  # once it is authorized
        self._keys = keys
        self._streams: list[str] = []

    @property
    def admitted(self) -> bool:
        """Whether the client has authenticated."""
        return self.account is not None

    def publish(self, broadcast: Broadcast) -> None:
        """Queue what is about the client's own orders, if it listens; each is a frame of its own."""
        if self._streams:
            self.buffer.put_all([Alone(encoded) for account, encoded in broadcast.reports if account == self.account])

    def receive(self, message: str | bytes) -> None:
        """Take a message and queue the answer to it."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            request = None
        if not isinstance(request, dict):
            request = {}
        action, data = request.get("action"), request.get("data")
        if action in ("authenticate", "auth"):
            key, secret = ("key_id", "secret_key") if isinstance(data, dict) else ("key", "secret")
            pair = data if isinstance(data, dict) else request
            account = self._keys.account(pair.get(key), pair.get(secret))
            self.account = account or self.account
            self._say("authorization", {"status": "authorized" if account else "unauthorized", "action": action})
        elif action == "listen" and self.account is None:
            self._say("authorization", {"status": "unauthorized", "action": "listen"})
        elif action == "listen" and isinstance(data, dict) and isinstance(data.get("streams"), list):
            self._streams = [name for name in STREAMS if name in data["streams"]]
            self._say("listening", {"streams": self._streams})
        else:
            self._say("listening", {"streams": self._streams, "error": "invalid message"})

    def _say(self, stream: str, data: dict[str, Any]) -> None:
        self.buffer.put(msgspec.json.encode({"stream": stream, "data": data}))
