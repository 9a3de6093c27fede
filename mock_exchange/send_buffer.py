"""What waits to be sent to one client, within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum


class Overflow(StrEnum):
    """Why a client has to go: more waits for it than it may leave unread."""

    EVENTS = "queue_events"
    BYTES = "queue_bytes"


class Alone(bytes):
    """A message that shares its frame with no other."""


class Bounds:
    """How much may wait for a client, and how many events one frame may hold."""

    def __init__(self, queue_events: int, queue_bytes: int, frame_events: int) -> None:
        self.queue_events = queue_events
        self.queue_bytes = queue_bytes
        self.frame_events = frame_events


class SendBuffer:
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
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0

    @property
    def admitted(self) -> bool:
        """Whether the client may have what it came for: the market opens for the first one who may."""
        return not self.closing

    @property
    def up_to_date(self) -> bool:
        """Whether nothing waits, so that what comes may go out at once."""
        return not (self._queue or self.overflow or self.closing)

    @property
    def waits(self) -> bool:
        """Whether there is something to do: to send, or to end."""
        return bool(self._queue or self.overflow or self.closing)

    def receive(self, message: str | bytes) -> None:
        """Take a message from the client and queue the answer to it."""
        raise NotImplementedError

    def expire(self) -> None:
        """End the conversation if the client has not been admitted by now."""

    def leave(self) -> None:
        """Let go of what the conversation had; the client is gone."""

    def take_frame(self) -> bytes:
        """Take what the next frame holds: as many events as wait, or one answer; empty if nothing waits."""
        frames = self.take_frames(1)
        return frames[0] if frames else b""

    def take_frames(self, size: int) -> list[bytes]:
        """Take what the next frames hold, together about `size` bytes."""
        queue, most = self._queue, self._bounds.frame_events
        frames: list[bytes] = []
        taken = 0
        while queue and taken < size:
            message = queue.popleft()
            taken += len(message)
            if most > 1 and type(message) is not Alone:
                messages = [message]
                while len(messages) < most and queue and type(queue[0]) is not Alone:
                    message = queue.popleft()
                    taken += len(message)
                    messages.append(message)
                message = self._join(messages)
            elif type(message) is not Alone:
                message = self._join([message])
            frames.append(message)
        self._queued_bytes -= taken
        return frames

    def frames_of(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return what the frames of messages hold that need not wait: each as many as one may."""
        most, join = self._bounds.frame_events, self._join
        return [join(list(messages[start : start + most])) for start in range(0, len(messages), most)]

    def put(self, message: bytes) -> None:
        """Queue an event, or a message that is a frame of its own if it is Alone."""
        self.put_all([message])

    def put_all(self, messages: Sequence[bytes]) -> None:
        """Queue messages, as far as the bounds let them."""
        if self.overflow or self.closing:
            return
        room = self._bounds.queue_events - len(self._queue)
        size = sum(map(len, messages))
        if len(messages) <= room and self._queued_bytes + size <= self._bounds.queue_bytes:
            self._queue.extend(messages)
            self._queued_bytes += size
        else:
            self._fill_up(messages, room)

    def _fill_up(self, messages: Sequence[bytes], room: int) -> None:
        """Queue as many of too many messages as fit, and note which bound the next one breaks."""
        for message in messages:
            if room == 0:
                self.overflow = Overflow.EVENTS
                return
            if self._queued_bytes + len(message) > self._bounds.queue_bytes:
                self.overflow = Overflow.BYTES
                return
            room -= 1
            self._queue.append(message)
            self._queued_bytes += len(message)
