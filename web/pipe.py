"""The framing of the pipes between the bot and the web process: sans I/O, the same at both ends.

A frame is a four-byte big-endian length and then one msgpack message of that length:

    +--------+--------+--------+--------+----------------- ... --+
    |   length of the message, bytes    |  message (msgpack)     |
    +--------+--------+--------+--------+----------------- ... --+

Down the pipe (the web process's stdin) go `FromBot`, up (its stdout) `FromWeb`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import msgspec

from web.messages import FromBot, FromWeb

MAX_FRAME = 1 << 20
"""Largest message, bytes: a length beyond it is taken for a pipe out of step, not for an order to allocate."""

_HEADER = 4

M = TypeVar("M")


class PipeError(Exception):
    """The other end of the pipe broke the framing or the vocabulary."""


class FrameTooLarge(PipeError):
    """A frame is longer than the limit; nothing after it can be trusted, so the pipe is to be closed."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(f"a frame of {length} bytes is over the limit of {limit}")
        self.length = length
        self.limit = limit


class BadMessage(PipeError):
    """A whole frame that holds none of the expected messages; it is skipped, and the next one can be read."""

    def __init__(self, payload: bytes, problem: str) -> None:
        super().__init__(f"a frame of {len(payload)} bytes is no message: {problem}")
        self.payload = payload
        self.problem = problem


class FrameWriter:
    """Turn messages into frames.

    >>> from web.messages import Listening
    >>> FrameWriter().frame(Listening(port=8080)).hex(" ", 4)
    '00000018 82a47479 7065a96c 69737465 6e696e67 a4706f72 74cd1f90'
    """

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._encode = msgspec.msgpack.Encoder().encode

    def frame(self, message: Any) -> bytes:
        """Encode one message as one frame. Raises `FrameTooLarge`."""
        payload = self._encode(message)
        if len(payload) > self._limit:
            raise FrameTooLarge(len(payload), self._limit)
        return len(payload).to_bytes(_HEADER, "big") + payload


class FrameReader(Generic[M]):
    """Turn bytes, cut anywhere, into messages.

    Hand in what arrived with `feed`, then iterate over `messages`. What is held back is never more than one
    frame and what was fed last.
    """

    def __init__(self, kind: Any, limit: int = MAX_FRAME) -> None:
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(kind)
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes as they came from the pipe."""
        self._held += data

    def messages(self, skipped: Callable[[BadMessage], None] | None = None) -> Iterator[M]:
        """Yield the messages that are complete.

        A frame that holds none is skipped: `skipped` is told of it. Without `skipped`, `BadMessage` is raised; iterate
        again for the messages behind it. Raises `FrameTooLarge` for a length over the limit, and goes on raising it.
        """
        start = 0
        try:
            while (payload := self._payload(start)) is not None:
                start += _HEADER + len(payload)
                try:
                    message = self._decoder.decode(payload)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
                    bad = BadMessage(payload, str(problem))
                    if skipped is None:
                        raise bad from None
                    skipped(bad)
                    continue
                yield message
        finally:
            del self._held[:start]  # also when the caller stops half-way or a message is bad

    def _payload(self, start: int) -> bytes | None:
        if len(self._held) < start + _HEADER:
            return None
        length = int.from_bytes(self._held[start : start + _HEADER], "big")
        if length > self._limit:
            raise FrameTooLarge(length, self._limit)
        end = start + _HEADER + length
        return bytes(self._held[start + _HEADER : end]) if len(self._held) >= end else None


def from_bot() -> FrameReader[FromBot]:
    """Return a reader for the web process's end of the pipe."""
    return FrameReader(FromBot)


def from_web() -> FrameReader[FromWeb]:
    """Return a reader for the bot's end of the pipe."""
    return FrameReader(FromWeb)
