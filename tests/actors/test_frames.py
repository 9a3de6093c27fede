"""Messages cut out of a stream by hand are those that the library's own parser finds, however the stream is cut."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from hypothesis import given, settings, strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri
from websockets.utils import accept_key

from actors.frames import FrameConnection

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WELCOME = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {accept_key(KEY)}\r\n\r\n"
).encode()
LIMIT = 1 << 17  # bytes of a message


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It never fills."""


class Slow(FrameConnection):
    """The library's parser for every frame."""

    def data_received(self, data: bytes) -> None:
        super(FrameConnection, self).data_received(data)
        self._hand_over()


def heard(kind: type[FrameConnection], pieces: list[bytes], limit: int = LIMIT) -> tuple[list[bytes], bytes, Any]:
    """Let a connection read pieces; return its messages, the bytes it answered with, and its state."""

    async def read() -> tuple[list[bytes], bytes, Any]:
        protocol = ClientProtocol(parse_uri("ws://venue/"), max_size=limit)
        connection = kind(protocol, ping_interval=None)
        wire = Wire()
        connection.connection_made(wire)
        connection.request = protocol.connect()
        protocol.key = KEY
        protocol.send_request(connection.request)
        messages: list[bytes] = []
        connection.listen(messages.extend)
        for piece in pieces:
            connection.data_received(piece)
        lengths = len(wire.written)  # of the answers; what masks them is drawn anew each time
        return messages, bytes(lengths), protocol.state

    return asyncio.run(read())


def frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=False)


lengths = st.one_of(st.integers(0, 300), st.sampled_from([125, 126, 127, 65_535, 65_536, 70_000]))
messages = st.builds(lambda op, n: [frame(op, b"m" * n)], st.sampled_from([Opcode.TEXT, Opcode.BINARY]), lengths)
pings = st.builds(lambda n: [frame(Opcode.PING, b"p" * n)], st.integers(0, 125))
in_parts = st.builds(
    lambda n, between: [frame(Opcode.TEXT, b"a" * n, False), *between, frame(Opcode.CONT, b"b" * n)],
    lengths,
    st.one_of(st.just([]), pings),
)
goodbyes = st.just([frame(Opcode.CLOSE, b"\x03\xe8")])
streams = st.lists(st.one_of(messages, messages, pings, in_parts, goodbyes), max_size=8)


@settings(max_examples=200)
@given(streams, st.lists(st.integers(0, 2_000), max_size=12))
def test_however_a_stream_is_cut_the_messages_and_answers_are_the_library_s(
    stream: list[list[bytes]], cuts: list[int]
) -> None:
    wire = WELCOME + b"".join(part for frames in stream for part in frames)
    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    pieces = [piece for start, end in pairwise(places) if (piece := wire[start:end])]
    assert heard(FrameConnection, pieces) == heard(Slow, [wire])


def test_a_message_beyond_the_limit_closes_the_connection_as_soon_as_its_header_is_there() -> None:
    wire = [WELCOME, frame(Opcode.TEXT, b"m" * 2_000)[:4]]
    assert heard(FrameConnection, wire, limit=1_024) == heard(Slow, wire, limit=1_024)


def test_a_masked_frame_is_a_fault() -> None:
    wire = [WELCOME, Frame(Opcode.TEXT, b"m").serialize(mask=True)]
    assert heard(FrameConnection, wire)[2] == heard(Slow, wire)[2]


def test_an_empty_ping_alone_is_answered_at_once() -> None:
    wire = [WELCOME, frame(Opcode.PING, b"")]
    assert len(heard(FrameConnection, wire)[1]) > len(heard(FrameConnection, [WELCOME])[1])


def test_empty_fragments_are_not_kept_however_many_there_are() -> None:
    kept: list[int] = []

    class Counting(FrameConnection):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            kept.append(len(self._fragments))

    empty = frame(Opcode.CONT, b"", fin=False)
    pieces = [
        WELCOME,
        frame(Opcode.TEXT, b"", fin=False),
        *[empty] * 1_000,
        frame(Opcode.CONT, b"m", fin=False),
        *[empty] * 1_000,
        frame(Opcode.CONT, b"n"),
    ]
    assert heard(Counting, pieces)[0] == [b"mn"]
    assert max(kept) <= 2
