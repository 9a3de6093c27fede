"""What waits to be sent to one client, within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple


class Overflow(StrEnum):
    """Which bound a client broke by not reading."""

    EVENTS = "queue_events"
    BYTES = "queue_bytes"


class Alone(bytes):
    """A message that shares its frame with no other."""


class Bounds(NamedTuple):
    """How much may wait for a client, and how many events one frame may hold."""

    queue_events: int
    queue_bytes: int
    frame_events: int


class SendBuffer:
    """A bounded queue of encoded messages that leaves in frames.

    The client is not waited for: once a message does not fit, `overflow` says which bound it broke, nothing more is
    queued, and the connection has to be closed. `closing` asks for the same as soon as the queue is empty.
    """

    def __init__(self, bounds: Bounds, join: Callable[[list[bytes]], bytes]) -> None:
        self.overflow: Overflow | None = None
        self.closing = False
        self._bounds = bounds
        self._join = join  # makes the payload of a frame of several events
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0

    @property
    def waits(self) -> bool:
        """Whether there is something to do: to send, or to close."""
        return bool(self._queue or self.overflow or self.closing)

    def take_frame(self) -> bytes:
        """Take the payload of the next frame: as many events as it may hold, or one answer; empty if nothing waits."""
        queue = self._queue
        if not queue:
            return b""
        messages = [queue.popleft()]
        if type(messages[0]) is not Alone:
            while queue and len(messages) < self._bounds.frame_events and type(queue[0]) is not Alone:
                messages.append(queue.popleft())
        self._queued_bytes -= sum(map(len, messages))
        return messages[0] if type(messages[0]) is Alone else self._join(messages)

    def put(self, message: bytes) -> None:
        """Queue a message that is a frame of its own."""
        self.put_all([Alone(message)])

    def put_all(self, messages: Sequence[bytes]) -> None:
        """Queue messages; the first that breaks a bound, and all after it, are dropped."""
        for message in messages:
            if self.overflow or self.closing:
                return
            if len(self._queue) >= self._bounds.queue_events:
                self.overflow = Overflow.EVENTS
            elif self._queued_bytes + len(message) > self._bounds.queue_bytes:
                self.overflow = Overflow.BYTES
            else:
                self._queue.append(message)
                self._queued_bytes += len(message)
