"""A WebSocket connection that hands over whole messages as they are read from the socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

OnMessages = Callable[[list[bytes]], None]


class FrameConnection(ClientConnection):
    """Calls its listener with all the messages that one read brought, in order, before the loop does anything else.

    `recv` puts each message into a queue and wakes a task that takes it out again: that costs more than a tick's
    decision, and when messages come faster than they are decided on, each costs it again. Here they come as one batch.
    For the same reason a message in one piece, as nearly all of them are, is cut out of the stream here: the library's
    parser, which costs as much as two decisions, sees only what else there is, a whole frame at a time.
    `max_size` bounds a message, fragmented or not. What the listener raises closes the connection and is kept in
    `fault`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fault: Exception | None = None
        self._on_messages: OnMessages | None = None  # until somebody listens, messages wait
        self._messages: list[bytes] = []
        self._fragments: list[bytes] = []  # of the message that is being received in parts
        self._held = bytearray()  # the beginning of a frame
        self._needed = 0  # bytes of it that there must be before another look is worth it

    @property
    def too_large(self) -> bool:
        """Whether the connection ended because of a message above `max_size`."""
        return isinstance(self.protocol.parser_exc, PayloadTooBig)

    def listen(self, on_messages: OnMessages) -> None:
        """Hand messages over from now on, and at once those that came with the handshake."""
        self._on_messages = on_messages
        self._hand_over()

    def process_event(self, event: Event) -> None:
        """Gather data frames; leave the handshake and control frames to the library."""
        if self.response is None or not isinstance(event, Frame) or event.opcode not in _DATA:
            super().process_event(event)
        elif event.fin and not self._fragments:
            self._messages.append(bytes(event.data))
        else:
            if event.data or not self._fragments:  # empty ones have no size that `max_size` could bound
                self._fragments.append(bytes(event.data))
            if event.fin:
                self._messages.append(b"".join(self._fragments))
                self._fragments.clear()

    def data_received(self, data: bytes) -> None:
        """Take what was read, and hand over the messages that it completed."""
        while self.response is None and data:
            # Line by line, because frames may follow the handshake in the same read.
            line = data.find(b"\n") + 1 or len(data)
            super().data_received(data[:line])
            data = data[line:]
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return
            data = bytes(self._held)
            self._held.clear()
        if data:
            self._cut(data)
        if self._messages:
            self._hand_over()

    def _cut(self, data: bytes) -> None:
        """Cut frames off the front: take messages, give other frames to the library, hold what is not whole."""
        protocol, messages = self.protocol, self._messages
        limit = protocol.max_message_size
        end = len(data)
        at = 0
        while protocol.state is State.OPEN:
            stop = body = at + 2
            if body <= end:
                length = data[at + 1]
                if length > 127:
                    break
                if length >= 126:
                    stop = body = at + (4 if length == 126 else 10)
                    length = int.from_bytes(data[at + 2 : body], "big")
                if limit is not None and length > limit:
                    break
                stop = body + length
            if stop > end:
                self._held += data[at:]
                self._needed = stop - at
                return
            if data[at] in _WHOLE and not self._fragments:
                messages.append(data[body:stop])
            else:
                super().data_received(data[at:stop])
            at = stop
        # Masked, too long, or after the end: faults are the library's to answer.
        if at < end:
            super().data_received(data[at:])

    def _hand_over(self) -> None:
        if self._messages and self._on_messages is not None and self.fault is None:
            messages, self._messages = self._messages, []
            try:
                self._on_messages(messages)
            except Exception as fault:  # asyncio would only log it: it is the feed's to pass on
                self.fault = fault
                self.transport.abort()


_DATA = frozenset((Opcode.TEXT, Opcode.BINARY, Opcode.CONT))
_WHOLE = (0x80 | Opcode.TEXT, 0x80 | Opcode.BINARY)  # how a message in one piece begins, if it is not compressed
