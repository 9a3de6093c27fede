"""The market-data stream: the protocol between the venue and one client, without a socket."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from mock_exchange.alpaca.data_schema import Codec
from mock_exchange.alpaca.keys import Keys
from mock_exchange.broadcast import Broadcast
from mock_exchange.connection_faults import JSON_FEED, MSGPACK_FEED
from mock_exchange.send_buffer import Bounds
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
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}
"""What the codes of errors mean."""

LAST_WORDS = frozenset({404, 407})
"""After these the connection is closed; after all others the venue leaves it open, and waits for the client."""

WITH_TRADES = ("corrections", "cancelErrors")
"""The channels that come with the trades, without being asked for."""

CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", *WITH_TRADES)
"""What can be subscribed to. Updated and daily bars never come."""

COUNTED = ("trades", "quotes")
"""The channels whose symbols the plan limits."""

EVERY = "*"


class FeedConnections:
    """The connections of one feed: how many each account has."""

    def __init__(self, most: int, channels: int | None, *, covered: bool, name: str = "iex") -> None:
        self.name = name
        self.most = most  # connections of one account
        self.channels = channels  # subscriptions to trades and quotes of one connection; None: as many as it likes
        self.covered = covered  # whether the plan has this feed
        self._taken: Counter[str] = Counter()

    def acquire(self, account: str) -> bool:
        """Take a connection for an account, if it may have one more."""
        if self._taken[account] >= self.most:
            return False
        self._taken[account] += 1
        return True

    def release(self, account: str) -> None:
        """End a connection of an account."""
        self._taken[account] -= 1


class DataSession(Session):
    """One client's conversation on a feed.

    `symbols` is how many "*" stands for; `refuse` is a code with which every authentication is refused; `opened` is the
    account that headers of the handshake have opened already.
    """

    def __init__(
        self,
        keys: Keys,
        feed: FeedConnections,
        codec: Codec,
        symbols: int,
        bounds: Bounds,
        refuse: int | None = None,
        opened: str | None = None,
    ) -> None:
        super().__init__(bounds, codec.array)
        self.binary = codec is Codec.MSGPACK
        self.junk = MSGPACK_FEED if self.binary else JSON_FEED
        self.codec = codec
        self.account: str | None = None  # once it is authenticated
        self.farewell = self._encoded({"T": "error", "code": 407, "msg": ERRORS[407]})
        self._keys = keys
        self._feed = feed
        self._all_symbols = symbols
        self._refuse = refuse
        self._opened = opened
        self._wanted: dict[str, dict[str, None]] = {channel: {} for channel in CHANNELS}

    def greet(self) -> None:
        """Queue the greeting."""
        self._say({"T": "success", "msg": "connected"})
        if self._opened is not None:
            self._fail(self._open(self._opened))

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

    def publish(self, broadcast: Broadcast) -> None:
        """Queue those messages that the client subscribed to."""
        wanted = self._wanted
        if any(wanted.values()):
            self.buffer.put_all(
                [
                    encoded
                    for channel, symbol, encoded in broadcast.data(self.codec, self._feed.name)
                    if symbol in wanted[channel] or EVERY in wanted[channel]
                ]
            )

    def receive(self, message: str | bytes) -> None:
        """Take a message and queue the answer to it."""
        try:
            request = self.codec.decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError, TypeError, ValueError):
            request = None
        self._fail(self._answer(request) if isinstance(request, dict) else 400)

    # -- what it asks for, each with the code of what is wrong with it, or None --------------------------------------

    def _answer(self, request: dict[str, Any]) -> int | None:
        match request.get("action"):
            case "auth":
                return self._authenticate(request)
            case "subscribe" | "unsubscribe" as action:
                return self._subscribe(request, add=action == "subscribe") if self.admitted else 401
            case _:
                return 400

    def _authenticate(self, request: dict[str, Any]) -> int | None:
        if self.account is not None:
            return 403
        account = self._keys.account(request.get("key"), request.get("secret"))
        return self._open(account) if account is not None else 402

    def _open(self, account: str) -> int | None:
        if self._refuse is not None:
            return self._refuse
        if not self._feed.covered:
            return 409
        if not self._feed.acquire(account):
            return 406
        self.account = account
        self._say({"T": "success", "msg": "authenticated"})
        return None

    def _subscribe(self, request: dict[str, Any], *, add: bool) -> int | None:
        named = _named(request)
        if isinstance(named, int):
            return named
        wanted = self._wanted.copy()
        for channel, symbols in named.items():
            if add:
                wanted[channel] = wanted[channel] | dict.fromkeys(symbols)
            else:
                wanted[channel] = {symbol: None for symbol in wanted[channel] if symbol not in symbols}
        counted = sum(self._weight(wanted[channel]) for channel in COUNTED)
        if self._feed.channels is not None and counted > self._feed.channels:
            return 405
        self._wanted = wanted
        lists = {name: sorted(wanted[name]) for name in CHANNELS if wanted[name]}
        self._say({"T": "subscription", **lists})
        return None

    def _weight(self, symbols: dict[str, None]) -> int:
        return len(symbols) + (self._all_symbols - 1 if EVERY in symbols else 0)

    # -- messages to it --------------------------------------------------------------------------------------------

    def _fail(self, code: int | None) -> None:
        """Say what is wrong, if something is."""
        if code is not None:
            self._say({"T": "error", "code": code, "msg": ERRORS.get(code, "refused")})
            if code in LAST_WORDS:
                self.buffer.closing = True

    def _say(self, message: dict[str, Any]) -> None:
        self.buffer.put(self._encoded(message))

    def _encoded(self, message: dict[str, Any]) -> bytes:
        return self.codec.array([self.codec.encode(message)])


def _named(request: dict[str, Any]) -> dict[str, list[str]] | int:
    """Read which symbols of which channels a request names, or return the code of what is wrong with it."""
    named: dict[str, list[str]] = {}
    for channel, symbols in request.items():
        if channel == "action":
            continue
        if channel not in CHANNELS or not isinstance(symbols, list) or not symbols:
            return 400
        if not all(isinstance(symbol, str) for symbol in symbols):
            return 400
        named[channel] = symbols
    if "trades" in named:
        named |= {channel: [*named.get(channel, ()), *named["trades"]] for channel in WITH_TRADES}
    return named or 400
