"""What waits to be sent to one client, within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum


class Overflow(StrEnum):
    """Why a client has to go: more waits for it than it may leave unread."""

    EVENTS = "queue_events"
    BYTES = "queue_bytes"


class Bounds:
    """How much may wait for a client, and how many events one frame may hold."""

    def __init__(self, queue_events: int, queue_bytes: int, frame_events: int) -> None:
        self.queue_events = queue_events
        self.queue_bytes = queue_bytes
        self.frame_events = frame_events


class Outbox:
    """A bounded queue of messages that leaves in frames.

    A client that lets it overflow is not to be waited for: from then on `overflow` says which bound it broke,
    nothing more is queued, and the connection has to be closed. `closing` asks for the same when the queue is
    empty.
    """

    binary = False  # frames are of text
    farewell = b""  # the last frame for a client that did not read

    def __init__(self, bounds: Bounds, join: Callable[[list[bytes]], bytes]) -> None:
        self.overflow: Overflow | None = None
        self.closing = False
        self._bounds = bounds
        self._join = join  # makes a frame of events
        self._queue: deque[tuple[bytes, bool]] = deque()  # a message, and whether it is a frame by itself
        self._queued_bytes = 0

    @property
    def admitted(self) -> bool:
        """Whether the client may have what it came for: the market opens for the first one who may."""
        return not self.closing

    def receive(self, message: str | bytes) -> None:
        """Take a message from the client and queue the answer to it."""
        raise NotImplementedError

    def expire(self) -> None:
        """End the conversation if the client has not been admitted by now."""

    def leave(self) -> None:
        """Let go of what the conversation had; the client is gone."""

    def take_frame(self) -> bytes:
        """Take what the next frame holds: as many events as wait, or one answer; empty if nothing waits."""
        if not self._queue:
            return b""
        message, alone = self._queue.popleft()
        self._queued_bytes -= len(message)
        if alone:
            return message
        messages, most = [message], self._bounds.frame_events
        while len(messages) < most and self._queue and not self._queue[0][1]:
            message = self._queue.popleft()[0]
            self._queued_bytes -= len(message)
            messages.append(message)
        return self._join(messages)

    def put(self, message: bytes, *, alone: bool) -> None:
        """Queue an event, or a message that is a frame of its own."""
        if self.overflow or self.closing:
            return
        if len(self._queue) >= self._bounds.queue_events:
            self.overflow = Overflow.EVENTS
        elif self._queued_bytes + len(message) > self._bounds.queue_bytes:
            self.overflow = Overflow.BYTES
        else:
            self._queue.append((message, alone))
            self._queued_bytes += len(message)
