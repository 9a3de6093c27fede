from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.messages import Command
from tests.web.builders import one_of_each, session, ticks
from web.messages import Asked, FromBot, FromWeb, Listening, ToWeb
from web.pipe import (
    MAX_FRAME,
    BadMessage,
    FrameReader,
    FrameTooLarge,
    FrameWriter,
    PipeError,
    from_bot,
    from_web,
)


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def read_all(reader: FrameReader[FromBot], data: bytes) -> list[FromBot]:
    reader.feed(data)
    return list(reader.messages())


def test_every_kind_of_message_crosses_the_pipe_unchanged() -> None:
    writer = FrameWriter()

    assert read_all(from_bot(), b"".join(writer.frame(message) for message in one_of_each())) == one_of_each()


def test_what_the_web_process_says_crosses_the_pipe_unchanged() -> None:
    said: list[FromWeb] = [Listening(8080), Asked(1, Command("halt", 0, "dashboard", "lunch"))]
    reader, writer = from_web(), FrameWriter()

    reader.feed(b"".join(writer.frame(message) for message in said))

    assert list(reader.messages()) == said


@given(st.lists(st.integers(1, 60), max_size=60))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int]) -> None:
    data = b"".join(FrameWriter().frame(message) for message in one_of_each())
    reader, got = from_bot(), []
    for cut in cuts:
        piece, data = data[:cut], data[cut:]
        got += read_all(reader, piece)
    got += read_all(reader, data)

    assert got == one_of_each()
    assert read_all(reader, FrameWriter().frame(ticks(9.0))) == [ticks(9.0)]  # nothing was held back


@given(st.lists(st.binary(max_size=40), max_size=5), st.booleans())
def test_arbitrary_bytes_give_messages_or_a_declared_error(pieces: list[bytes], in_frames: bool) -> None:
    reader: FrameReader[ToWeb] = FrameReader(ToWeb, limit=1000)
    for piece in pieces:
        reader.feed(framed(piece) if in_frames else piece)
    for _ in range(len(pieces) * 40 + 1):
        try:
            for message in reader.messages():
                assert isinstance(message, ToWeb)
            break
        except BadMessage:
            continue  # it has been skipped
        except PipeError:
            break


@given(st.none() | st.integers(-5, 5) | st.text(max_size=5) | st.dictionaries(st.text(max_size=5), st.integers(0, 1)))
def test_a_frame_of_anything_else_is_a_bad_message(value: object) -> None:
    with pytest.raises(BadMessage):
        read_all(from_bot(), framed(msgspec.msgpack.encode(value)))


def test_a_bad_message_is_skipped_and_its_neighbours_are_read() -> None:
    reader, writer = from_bot(), FrameWriter()
    reader.feed(writer.frame(ticks(1.0)) + framed(b"\xc1") + writer.frame(ticks(2.0)))
    got: list[FromBot] = []

    with pytest.raises(BadMessage) as caught:
        got.extend(reader.messages())
    assert caught.value.payload == b"\xc1"
    got.extend(reader.messages())

    assert got == [ticks(1.0), ticks(2.0)]


def test_bad_messages_are_told_of_and_cost_no_other_one() -> None:
    reader, writer, skipped = from_bot(), FrameWriter(), list[BadMessage]()
    reader.feed(framed(b"\xc1") + writer.frame(ticks(1.0)) + framed(b"\xc1") + framed(b"") + writer.frame(ticks(2.0)))

    assert list(reader.messages(skipped.append)) == [ticks(1.0), ticks(2.0)]
    assert [bad.payload for bad in skipped] == [b"\xc1", b"\xc1", b""]


def test_messages_before_a_bad_one_are_given_out_first() -> None:
    reader = from_bot()
    reader.feed(FrameWriter().frame(ticks(1.0)) + framed(b"\xc1"))
    messages = reader.messages()

    assert next(messages) == ticks(1.0)
    with pytest.raises(BadMessage):
        next(messages)


def test_a_length_over_the_limit_is_refused_before_its_bytes_come_and_for_good() -> None:
    reader = from_bot()
    reader.feed((MAX_FRAME + 1).to_bytes(4, "big"))

    for _ in range(2):
        with pytest.raises(FrameTooLarge) as caught:
            list(reader.messages())
        assert caught.value.length == MAX_FRAME + 1


def test_a_writer_makes_no_frame_over_the_limit() -> None:
    writer = FrameWriter(limit=100)

    with pytest.raises(FrameTooLarge):
        writer.frame(session("A" * 200))
    assert writer.frame(Listening(1)) == FrameWriter().frame(Listening(1))
