"""The conversation with one client, without a socket."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from mock_exchange.broadcast import Broadcast
from mock_exchange.push import Hello, PushSession
from mock_exchange.send_buffer import Bounds, Overflow

AAPL = ("AAPL", b'{"type":"quote","symbol":"AAPL"}')
MSFT = ("MSFT", b'{"type":"quote","symbol":"MSFT"}')


def a_session(queue_events: int = 100, queue_bytes: int = 100_000, frame_events: int = 50) -> PushSession:
    bounds = Bounds(queue_events, queue_bytes, frame_events)
    return PushSession(("AAPL", "MSFT"), bounds, lambda: Hello("mock", 5, 10.0, ("AAPL", "MSFT"), 7))


def told(*lines: tuple[str, bytes]) -> Broadcast:
    broadcast = Broadcast((), ())
    broadcast.lines = list(lines)
    return broadcast


def frames(session: PushSession) -> list[bytes]:
    return list(iter(session.buffer.take_frame, b""))


def answer_to(message: str | bytes, session: PushSession | None = None) -> dict[str, Any]:
    session = session or a_session()
    session.receive(message)
    (frame,) = frames(session)
    answer = msgspec.json.decode(frame)
    assert isinstance(answer, dict)
    return answer


def test_the_greeting_stands_in_a_frame_of_its_own() -> None:
    session = a_session()
    session.greet()
    session.publish(told(AAPL))
    assert frames(session) == [
        b'{"type":"hello","venue":"mock","ts":5,"rate":10.0,"symbols":["AAPL","MSFT"],"seed":7}',
        AAPL[1],
    ]


def test_one_event_makes_one_frame_and_several_that_wait_share_one() -> None:
    session = a_session()
    session.publish(told(AAPL))
    assert frames(session) == [AAPL[1]]
    session.publish(told(AAPL, MSFT))
    session.publish(told(AAPL))
    assert frames(session) == [b"\n".join([AAPL[1], MSFT[1], AAPL[1]])]


def test_a_frame_holds_no_more_events_than_it_may() -> None:
    session = a_session(frame_events=2)
    session.publish(told(AAPL, MSFT, AAPL))
    assert frames(session) == [AAPL[1] + b"\n" + MSFT[1], AAPL[1]]


def test_nothing_waits_at_first() -> None:
    assert a_session().buffer.take_frame() == b""


def test_a_subscription_narrows_what_follows() -> None:
    session = a_session()
    assert answer_to('{"type":"subscribe","symbols":["MSFT"]}', session) == {"type": "subscribed", "symbols": ["MSFT"]}
    session.publish(told(AAPL, MSFT, AAPL))
    assert frames(session) == [MSFT[1]]


def test_a_subscription_replaces_the_one_before() -> None:
    session = a_session()
    session.receive('{"type":"subscribe","symbols":["MSFT"]}')
    session.receive(b'{"type":"subscribe","symbols":["MSFT","AAPL","AAPL"]}')
    assert frames(session)[-1] == b'{"type":"subscribed","symbols":["AAPL","MSFT"]}'
    session.publish(told(AAPL, MSFT))
    assert frames(session) == [AAPL[1] + b"\n" + MSFT[1]]


def test_an_answer_keeps_its_place_among_the_events() -> None:
    session = a_session()
    session.publish(told(AAPL, MSFT))
    session.receive('{"type":"subscribe","symbols":["MSFT"]}')
    session.publish(told(AAPL, MSFT))
    assert frames(session) == [AAPL[1] + b"\n" + MSFT[1], b'{"type":"subscribed","symbols":["MSFT"]}', MSFT[1]]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("subscribe", "A message must be JSON."),
        ("", "A message must be JSON."),
        (b"\xff\xfe", "A message must be JSON."),
        ("[" * 60_000, "A message must be JSON."),
        ('["AAPL"]', "A message must be a JSON object."),
        ("null", "A message must be a JSON object."),
        ('{"symbols":["AAPL"]}', 'The type of a message must be "subscribe"; this venue takes no other.'),
        ('{"type":["subscribe"]}', 'The type of a message must be "subscribe"; this venue takes no other.'),
        (
            '{"type":"subscribe"}',
            'To subscribe, "symbols" must be a list of one or more names, such as ["AAPL"].',
        ),
        (
            '{"type":"subscribe","symbols":[]}',
            'To subscribe, "symbols" must be a list of one or more names, such as ["AAPL"].',
        ),
        (
            '{"type":"subscribe","symbols":"AAPL"}',
            'To subscribe, "symbols" must be a list of one or more names, such as ["AAPL"].',
        ),
        (
            '{"type":"subscribe","symbols":["AAPL",5]}',
            'To subscribe, "symbols" must be a list of one or more names, such as ["AAPL"].',
        ),
        (
            '{"type":"subscribe","symbols":["AAPL","NOPE"]}',
            "The symbol 'NOPE' is not traded here; these are: AAPL, MSFT.",
        ),
    ],
)
def test_what_the_client_gets_wrong_is_answered_in_one_sentence(message: str | bytes, sentence: str) -> None:
    assert answer_to(message) == {"type": "error", "message": sentence}


def test_a_refused_subscription_changes_nothing() -> None:
    session = a_session()
    session.receive('{"type":"subscribe","symbols":["MSFT"]}')
    session.receive('{"type":"subscribe","symbols":["NOPE"]}')
    frames(session)
    session.publish(told(AAPL, MSFT))
    assert frames(session) == [MSFT[1]]


@given(st.text() | st.binary())
def test_any_message_at_all_gets_one_answer(message: str | bytes) -> None:
    assert answer_to(message)["type"] == "error"


def test_a_queue_of_too_many_events_overflows() -> None:
    session = a_session(queue_events=3)
    session.publish(told(AAPL, AAPL, AAPL))
    assert session.buffer.overflow is None
    session.publish(told(AAPL))
    assert session.buffer.overflow is Overflow.EVENTS


def test_a_queue_of_too_many_bytes_overflows() -> None:
    session = a_session(queue_bytes=2 * len(AAPL[1]))
    session.publish(told(AAPL, AAPL))
    assert session.buffer.overflow is None
    session.publish(told(AAPL))
    assert session.buffer.overflow is Overflow.BYTES


def test_answers_fill_the_queue_like_events() -> None:
    session = a_session(queue_events=2)
    for _ in range(3):
        session.receive("nonsense")
    assert session.buffer.overflow is Overflow.EVENTS


def test_events_of_other_symbols_take_no_room() -> None:
    session = a_session(queue_events=2)
    session.receive('{"type":"subscribe","symbols":["MSFT"]}')
    session.publish(told(*[AAPL] * 10, MSFT))
    assert session.buffer.overflow is None


def test_what_was_taken_makes_room_again() -> None:
    session = a_session(queue_events=3, queue_bytes=3 * len(AAPL[1]))
    for _ in range(10):
        session.publish(told(AAPL, MSFT, AAPL))
        assert len(frames(session)) == 1
    assert session.buffer.overflow is None


def test_after_an_overflow_nothing_is_queued_any_more() -> None:
    session = a_session(queue_events=2)
    session.publish(told(*[AAPL] * 3))
    assert frames(session) == [AAPL[1] + b"\n" + AAPL[1]]
    session.publish(told(AAPL))
    session.receive("nonsense")
    assert frames(session) == []
