"""The exchange's side of a conversation with one client, without a socket: what all protocols share."""

from __future__ import annotations

from collections.abc import Callable

from mock_exchange.broadcast import Broadcast
from mock_exchange.connection_faults import JunkFrames
from mock_exchange.send_buffer import Bounds, SendBuffer


class Session:
    """A conversation with one client: its messages come in by `receive`, what is said to it waits in `buffer`."""

    binary = False  # whether its frames are binary or text
    farewell = b""  # the payload of the last frame for a client that does not read
    junk: JunkFrames  # of its protocol

    def __init__(self, bounds: Bounds, join: Callable[[list[bytes]], bytes]) -> None:
        self.buffer = SendBuffer(bounds, join)

    @property
    def admitted(self) -> bool:
        """Whether the client may have what it came for. The market opens for the first one who may."""
        raise NotImplementedError

    def greet(self) -> None:
        """Queue the first words, if the protocol has any."""

    def publish(self, broadcast: Broadcast) -> None:
        """Queue what the client wants of a broadcast."""
        raise NotImplementedError

    def receive(self, message: str | bytes) -> None:
        """Take a message from the client and queue the answer to it."""
        raise NotImplementedError

    def expire(self) -> None:
        """End the conversation if the client has not been admitted by now."""

    def leave(self) -> None:
        """Release what the conversation holds; the client is gone."""
