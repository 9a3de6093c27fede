"""The market-data stream: the protocol between the venue and one client, without a socket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mock_exchange.alpaca.data_schema import Codec
from mock_exchange.alpaca.keys import Keys
from mock_exchange.send_buffer import Alone, Bounds
from mock_exchange.session import Session

ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    408: "v2 not enabled",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}
"""What the codes of errors mean."""

LAST_WORDS = frozenset({402, 404, 406, 407, 408, 409})
"""After these the connection is closed."""

CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
"""What can be subscribed to. Updated and daily bars never come."""

COUNTED = ("trades", "quotes")
"""The channels whose symbols the plan limits."""

ECHOED = ("trades", "quotes", "bars")
"""The channels that the list of subscriptions names even if they are empty."""

EVERY = "*"

Message = tuple[str, str, bytes]
"""A message of the stream: its channel, its symbol, and how it is encoded."""


class FeedConnections:
    """The connections of one feed: how many each account has."""

    def __init__(self, feed: str, most: int, channels: int, *, covered: bool) -> None:
        self.feed = feed
        self.most = most  # connections of one account
        self.channels = channels  # subscriptions to trades and quotes of one connection
        self.covered = covered  # whether the plan has this feed
        self._taken: dict[str, int] = {}

    def acquire(self, account: str) -> bool:
        """Take a connection for an account, if it may have one more."""
        if self._taken.get(account, 0) >= self.most:
            return False
        self._taken[account] = self._taken.get(account, 0) + 1
        return True

    def release(self, account: str) -> None:
        """End a connection of an account."""
        self._taken[account] -= 1


class DataSession(Session):
    """One client's conversation on a feed.

    `symbols` is how many "*" stands for; `refuse` is a code with which every authentication is refused.
    """

    def __init__(
        self,
        keys: Keys,
        feed: FeedConnections,
        codec: Codec,
        symbols: int,
        bounds: Bounds,
        refuse: int | None = None,
    ) -> None:
        super().__init__(bounds, codec.array)
        self.binary = codec is Codec.MSGPACK
        self.codec = codec
        self.account: str | None = None  # once it is authenticated
        self.farewell = self._encoded({"T": "error", "code": 407, "msg": ERRORS[407]})
        self._keys = keys
        self._feed = feed
        self._all_symbols = symbols
        self._refuse = refuse
        self._wanted: dict[str, dict[str, None]] = {channel: {} for channel in CHANNELS}

    def greet(self, account: str | None) -> None:
        """Queue the greeting; headers of the handshake may have opened an account already."""
        self._say({"T": "success", "msg": "connected"})
        if account is not None:
            self._open(account)

    @property
    def admitted(self) -> bool:
        """Whether the client has authenticated."""
        return self.account is not None

    def expire(self) -> None:
        """End the conversation if the client has not authenticated by now."""
        if self.account is None:
            self._fail(404)

    def leave(self) -> None:
        """Give the connection back to the feed; the client is gone."""
        if self.account is not None:
            self._feed.release(self.account)
            self.account = None

    @property
    def subscribed(self) -> bool:
        """Whether the client subscribed to anything."""
        return any(self._wanted.values())

    def publish(self, messages: Iterable[Message]) -> None:
        """Queue those messages that the client subscribed to."""
        wanted = self._wanted
        self.buffer.put_all(
            [encoded for channel, symbol, encoded in messages if symbol in wanted[channel] or EVERY in wanted[channel]]
        )

    # -- messages of the client ----------------------------------------------------------------------------------

    def receive(self, message: str | bytes) -> None:
        """Take a message and queue the answer to it."""
        try:
            request = self.codec.decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError, TypeError, ValueError):
            request = None
        if not isinstance(request, dict):
            self._fail(400)
            return
        match request.get("action"):
            case "auth":
                self._authenticate(request)
            case "subscribe" | "unsubscribe" if self.account is None:
                self._fail(401)
            case "subscribe":
                self._subscribe(request)
            case "unsubscribe":
                self._unsubscribe(request)
            case _:
                self._fail(400)

    def _authenticate(self, request: dict[str, Any]) -> None:
        if self.account is not None:
            self._fail(403)
            return
        account = self._keys.account(request.get("key"), request.get("secret"))
        if account is None:
            self._fail(402)
        else:
            self._open(account)

    def _open(self, account: str) -> None:
        if self._refuse is not None:
            self._fail(self._refuse)
        elif not self._feed.covered:
            self._fail(409)
        elif not self._feed.acquire(account):
            self._fail(406)
        else:
            self.account = account
            self._say({"T": "success", "msg": "authenticated"})

    def _subscribe(self, request: dict[str, Any]) -> None:
        named = _named(request)
        if isinstance(named, int):
            self._fail(named)
            return
        wanted = {channel: self._wanted[channel] | dict.fromkeys(named.get(channel, ())) for channel in CHANNELS}
        if sum(self._weight(wanted[channel]) for channel in COUNTED) > self._feed.channels:
            self._fail(405)
            return
        self._wanted = wanted
        self._list()

    def _unsubscribe(self, request: dict[str, Any]) -> None:
        named = _named(request)
        if isinstance(named, int):
            self._fail(named)
            return
        for channel, symbols in named.items():
            for symbol in symbols:
                self._wanted[channel].pop(symbol, None)
        self._list()

    def _weight(self, symbols: dict[str, None]) -> int:
        return len(symbols) + (self._all_symbols - 1 if EVERY in symbols else 0)

    # -- messages to it --------------------------------------------------------------------------------------------

    def _list(self) -> None:
        lists = {name: list(self._wanted[name]) for name in CHANNELS if name in ECHOED or self._wanted[name]}
        self._say({"T": "subscription", **lists})

    def _fail(self, code: int) -> None:
        self._say({"T": "error", "code": code, "msg": ERRORS.get(code, "refused")})
        if code in LAST_WORDS or self._refuse == code:
            self.buffer.closing = True

    def _say(self, message: dict[str, Any]) -> None:
        self.buffer.put(Alone(self._encoded(message)))

    def _encoded(self, message: dict[str, Any]) -> bytes:
        return self.codec.array([self.codec.encode(message)])


def _named(request: dict[str, Any]) -> dict[str, list[str]] | int:
    """Read which symbols of which channels a request names, or return the code of what is wrong with it."""
    named: dict[str, list[str]] = {}
    for channel, symbols in request.items():
        if channel == "action":
            continue
        if channel not in CHANNELS:
            return 410
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            return 400
        named[channel] = symbols
    return named or 400
