"""A WebSocket connection that hands over whole messages as they are read from the socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

OnMessages = Callable[[list[bytes]], None]


class FrameConnection(ClientConnection):
    """Calls its listener with all the messages that one read brought, in order, before the loop does anything else.

    `recv` puts each message into a queue and wakes a task that takes it out again: that costs more than a tick's
    decision, and when messages come faster than they are decided on, each costs it again. Here they come as one batch.
    `max_size` bounds a message, fragmented or not. What the listener raises closes the connection and is kept in
    `fault`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fault: Exception | None = None
        self._on_messages: OnMessages | None = None  # until somebody listens, messages wait
        self._messages: list[bytes] = []
        self._fragments: list[bytes] = []  # of the message that is being received in parts

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
            self._fragments.append(bytes(event.data))
            if event.fin:
                self._messages.append(b"".join(self._fragments))
                self._fragments.clear()

    def data_received(self, data: bytes) -> None:
        """Take what was read, and hand over the messages that it completed."""
        super().data_received(data)
        if self._messages:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._messages and self._on_messages is not None and self.fault is None:
            messages, self._messages = self._messages, []
            try:
                self._on_messages(messages)
            except Exception as fault:  # asyncio would only log it: it is the feed's to pass on
                self.fault = fault
                self.transport.abort()


_DATA = frozenset((Opcode.TEXT, Opcode.BINARY, Opcode.CONT))
