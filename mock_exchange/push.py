"""The simple push: the protocol between the venue and one client, without a socket.

The venue greets, then pushes events; the client may narrow them to some symbols at any time:

    < {"type":"hello","venue":"mock","ts":1767623400000000000,"rate":10.0,"symbols":["AAPL","MSFT"],"seed":7}
    < {"type":"quote","symbol":"AAPL","ts":1767623400000012345,"bid":150.0,"ask":150.02}
    > {"type":"subscribe","symbols":["AAPL"]}
    < {"type":"subscribed","symbols":["AAPL"]}
    < {"type":"trade","symbol":"AAPL","ts":1767623400456789012,"price":150.02,"size":100,"bid":150.0,"ask":150.02,...

What the client gets wrong is answered by `{"type":"error","message":"..."}`. A frame holds one message, or
several events, one a line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mock_exchange.broadcast import Broadcast
from mock_exchange.connection_faults import PUSH
from mock_exchange.send_buffer import Bounds
from mock_exchange.session import Session


class Hello(msgspec.Struct, frozen=True, tag="hello", tag_field="type"):
    """The venue's first words. From `ts`, market time runs at `rate` market seconds a real second."""

    venue: str
    ts: int
    rate: float
    symbols: tuple[str, ...]
    seed: int


class PushSession(Session):
    """One client's conversation: what it is to get, and what waits to be sent to it.

    `hello` makes the venue's first words, or nothing for a client that is to be turned away.
    """

    junk = PUSH

    def __init__(self, symbols: Sequence[str], bounds: Bounds, hello: Callable[[], Hello | None]) -> None:
        super().__init__(bounds, b"\n".join)
        self._hello = hello
        self._symbols = tuple(symbols)  # that the venue has
        self._wanted = frozenset(symbols)

    @property
    def admitted(self) -> bool:
        """Whether the client was not turned away."""
        return not self.buffer.closing

    def greet(self) -> None:
        """Queue the first words, which are the last ones too if the client is turned away."""
        hello = self._hello()
        self._say(hello or _error("You are not wanted here."))
        self.buffer.closing = hello is None

    def publish(self, broadcast: Broadcast) -> None:
        """Queue those events that the client wants."""
        wanted = self._wanted
        self.buffer.put_all([line for symbol, line in broadcast.lines if symbol in wanted])

    def receive(self, message: str | bytes) -> None:
        """Take a message from the client and queue the answer to it."""
        self._say(self._answer(message))

    def _answer(self, message: str | bytes) -> dict[str, Any]:
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return _error("A message must be JSON.")
        if not isinstance(request, dict):
            return _error("A message must be a JSON object.")
        if request.get("type") != "subscribe":
            return _error('The type of a message must be "subscribe"; this venue takes no other.')
        symbols = request.get("symbols")
        if not isinstance(symbols, list) or not symbols or not all(isinstance(symbol, str) for symbol in symbols):
            return _error('To subscribe, "symbols" must be a list of one or more names, such as ["AAPL"].')
        unknown = [symbol for symbol in symbols if symbol not in self._symbols]
        if unknown:
            return _error(f"The symbol {unknown[0][:20]!r} is not traded here; these are: {', '.join(self._symbols)}.")
        self._wanted = frozenset(symbols)
        return {"type": "subscribed", "symbols": [symbol for symbol in self._symbols if symbol in self._wanted]}

    def _say(self, message: Hello | dict[str, Any]) -> None:
        self.buffer.put(msgspec.json.encode(message))


def _error(message: str) -> dict[str, Any]:
    return {"type": "error", "message": message}
