"""The simple push feed: whatever a frame holds, events come out of it, or a count of what was wrong."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from pipeline.events import Clock, Quote, Refused, Trade
from pipeline.venues.dialect import EMPTY_FRAME, UNKNOWN_TYPE, Hello
from pipeline.venues.jsonl import BAD_TRADE, NOT_AN_OBJECT, NOT_JSON
from pipeline.venues.simple import SimpleDialect, Subscribe
from tests.support.market import START

TRADE = Trade("A", START, 100.5, 10.0, 100.4, 100.6, 7)
QUOTE = Quote("A", START, 100.4, 100.6)
CLOCK = Clock(START)


def wire(**fields: Any) -> bytes:
    """Write a trade as a venue does, with some fields changed; one that is `...` is left out."""
    trade: dict[str, Any] = {"type": "trade", "symbol": "A", "ts": START, "price": 100.5, "size": 10.0} | fields
    return json.dumps({name: value for name, value in trade.items() if value is not ...}).encode()


def lines(events: Iterable[msgspec.Struct]) -> bytes:
    return b"\n".join(msgspec.json.encode(event) for event in events)


def decoded(*messages: bytes) -> list[Any]:
    return SimpleDialect().received(list(messages)).events


@pytest.mark.parametrize("event", [TRADE, QUOTE, CLOCK], ids=lambda event: type(event).__name__)
def test_a_frame_of_one_event_is_that_event(event: msgspec.Struct) -> None:
    assert decoded(msgspec.json.encode(event)) == [event]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
def test_a_frame_of_lines_is_their_events_in_order(end: bytes) -> None:
    assert decoded(lines([TRADE, QUOTE, CLOCK]) + end) == [TRADE, QUOTE, CLOCK]


def test_a_frame_of_an_array_is_its_events_in_order() -> None:
    assert decoded(b" [" + lines([TRADE, QUOTE]).replace(b"\n", b" , ") + b"] ") == [TRADE, QUOTE]


def test_frames_that_came_together_are_their_events_in_order() -> None:
    one, two, three = (msgspec.json.encode(event) for event in (TRADE, QUOTE, CLOCK))
    assert decoded(one, two, three) == [TRADE, QUOTE, CLOCK]
    assert decoded(one, b"[" + two + b"," + three + b"]", three) == [TRADE, QUOTE, CLOCK, CLOCK]


def test_one_bad_event_among_good_ones_costs_nobody_else_anything() -> None:
    good = msgspec.json.encode(TRADE)
    bad = wire(price="x")
    for frame in (good + b"\n" + bad + b"\n" + good, b"[" + good + b"," + bad + b"," + good + b"]"):
        assert decoded(frame) == [TRADE, Refused(BAD_TRADE), TRADE]
    assert decoded(good, bad, good) == [TRADE, Refused(BAD_TRADE), TRADE]


def test_a_number_may_be_written_as_an_integer() -> None:
    assert decoded(wire(price=100, size=10)) == [Trade("A", START, 100.0, 10.0)]


def test_fields_that_nobody_knows_are_ignored() -> None:
    assert decoded(wire(venue="X", conditions=["@", "T"])) == [Trade("A", START, 100.5, 10.0)]


@pytest.mark.parametrize("quote", [{"bid": "x"}, {"bid": None, "ask": True}, {"ask": [1]}, {"bid": {}, "ask": {}}])
def test_a_trade_with_an_unreadable_quote_is_a_trade_without_that_side(quote: dict[str, Any]) -> None:
    (event,) = decoded(wire(**quote))
    assert event == Trade("A", START, 100.5, 10.0)


@pytest.mark.parametrize("value", [None, 1.5, True, [1], {"a": 1}])
def test_a_trade_with_an_unreadable_id_is_a_trade_without_one(value: Any) -> None:
    assert decoded(wire(id=value)) == [Trade("A", START, 100.5, 10.0)]


@pytest.mark.parametrize("value", [..., None, True, "100", [], {}, 0, -1, 1e400, float("nan"), float("-inf")])
def test_a_trade_with_a_price_that_is_none_is_refused(value: Any) -> None:
    assert decoded(wire(price=value)) == [Refused(BAD_TRADE)]


@pytest.mark.parametrize("value", [..., None, False, "1", [], {}, -1, float("inf"), float("nan")])
def test_a_trade_with_a_size_that_is_none_is_refused(value: Any) -> None:
    assert decoded(wire(size=value)) == [Refused(BAD_TRADE)]


@pytest.mark.parametrize("value", [..., None, True, 1.5, "1", [], 0, -1])
def test_a_trade_with_a_time_that_is_none_is_refused(value: Any) -> None:
    assert decoded(wire(ts=value)) == [Refused(BAD_TRADE)]


@pytest.mark.parametrize("value", [..., None, True, 1, "", [], {}])
def test_a_trade_with_a_symbol_that_is_none_is_refused(value: Any) -> None:
    assert decoded(wire(symbol=value)) == [Refused(BAD_TRADE)]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (wire()[:-3], NOT_JSON),
        (b"nonsense", NOT_JSON),
        (b'{"type":"trade","symbol":"\xff"}', NOT_JSON),
        (b"\x00\xff\xfe\x80", NOT_JSON),
        (b"[" * 10_000, NOT_JSON),
        (b"[" * 10_000 + b"]" * 10_000, NOT_JSON),
        (b"[" + wire(), NOT_JSON),
        (b"[1, 2", NOT_JSON),
        (b"null", NOT_AN_OBJECT),
        (b"true", NOT_AN_OBJECT),
        (b"17", NOT_AN_OBJECT),
        (b'"trade"', NOT_AN_OBJECT),
        (b"[null]", NOT_AN_OBJECT),
        (b"[[1]]", NOT_AN_OBJECT),
    ],
    ids=lambda value: repr(value)[:32],
)
def test_a_frame_that_holds_no_event_is_counted_once(frame: bytes, reason: str) -> None:
    assert decoded(frame) == [Refused(reason)]
    assert decoded(wire(), frame, wire()) == [*decoded(wire()), Refused(reason), *decoded(wire())]


@pytest.mark.parametrize("frame", [b"", b" ", b"\n\n", b"[]", b" [ ] "], ids=lambda value: repr(value)[:32])
def test_an_empty_frame_is_counted(frame: bytes) -> None:
    assert decoded(frame) == [Refused(EMPTY_FRAME)]
    assert decoded(frame, wire(), frame) == [Refused(EMPTY_FRAME, 2), *decoded(wire())]


@pytest.mark.parametrize(
    "frame",
    [b'{"type":"status","message":"no"}', b'{"type":7}', b'{"type":["trade"]}', b"{}", b'{"a":[1]}'],
    ids=lambda value: repr(value)[:32],
)
def test_a_message_of_a_type_that_nobody_knows_is_counted(frame: bytes) -> None:
    assert decoded(frame) == [Refused(UNKNOWN_TYPE)]
    assert decoded(wire() + b"\n" + frame) == [*decoded(wire()), Refused(UNKNOWN_TYPE)]
    assert decoded(b"[" + frame + b"," + wire() + b"]") == [Refused(UNKNOWN_TYPE), *decoded(wire())]


@pytest.mark.parametrize("frame", [b'{"type":"subscribed","symbols":["A"]}', b'{"type":"error","message":"no"}'])
def test_an_answer_to_a_client_is_no_event(frame: bytes) -> None:
    assert decoded(frame) == []
    assert decoded(wire(), frame, wire()) == decoded(wire()) * 2


@pytest.mark.parametrize("kind", ["command", "feed", "gap", "refused", "execution", "settings"])
def test_a_venue_cannot_say_what_only_the_bot_may(kind: str) -> None:
    word = {"type": kind, "name": "halt", "state": "LIVE", "ts": START, "reason": "x", "settings": {}}
    assert decoded(json.dumps(word).encode()) == [Refused(UNKNOWN_TYPE)]


def test_a_quote_or_clock_without_a_time_is_no_event_and_a_quote_without_sides_counts_as_time_only() -> None:
    assert decoded(b'{"type":"quote","symbol":"A","bid":1,"ask":2}', b'{"type":"clock","ts":-1}') == []
    assert decoded(b'{"type":"quote","symbol":"A","ts":5,"bid":"x"}') == [Quote("A", 5, 0.0, 0.0)]


# ------------------------------------------------------------------------------------------------------------- hello


def test_a_hello_is_no_event_and_stands_beside_them() -> None:
    hello = b'{"type":"hello","venue":"mock","ts":1767623400000000000,"rate":50.0,"symbols":["A","B"],"seed":7}'
    turn = SimpleDialect().received([hello])
    assert turn.events == []
    assert turn.hello == Hello(START, 50.0, "mock", ("A", "B"))


def test_a_hello_together_with_events_is_found_and_the_events_too() -> None:
    turn = SimpleDialect().received([b'{"type":"hello","ts":5}', wire()])
    assert turn.events == decoded(wire())
    assert turn.hello == Hello(5, 1.0)


@pytest.mark.parametrize("hello", [b'{"type":"hello"}', b'{"type":"hello","ts":"x"}', b'{"type":"hello","ts":1.5}'])
def test_a_hello_without_a_time_is_none(hello: bytes) -> None:
    turn = SimpleDialect().received([hello])
    assert (turn.events, turn.hello) == ([], None)


def test_to_subscribe_is_to_name_the_symbols() -> None:
    assert msgspec.json.encode(Subscribe(("A", "B"))) == b'{"type":"subscribe","symbols":["A","B"]}'


# ------------------------------------------------------------------------------------------------------- any bytes

SNIPPETS = [
    *(wire(), msgspec.json.encode(QUOTE), msgspec.json.encode(CLOCK), wire(price="x"), wire(bid="x"), wire()[:20]),
    *(b'{"type":"hello","ts":5}', b"[", b"]", b",", b"\n", b"{", b"}", b"null", b"\xff", b"\x00", b'"', b" "),
]


@given(st.lists(st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(SNIPPETS), max_size=6).map(b"".join))))
def test_arbitrary_bytes_give_events_and_never_an_exception(messages: list[bytes]) -> None:
    for event in decoded(*messages):
        assert isinstance(event, Trade | Quote | Clock | Refused)


@given(st.lists(st.sampled_from([TRADE, QUOTE, CLOCK]), max_size=12), st.data())
def test_events_come_out_as_they_went_in_however_they_are_put_into_frames(
    events: list[msgspec.Struct], data: st.DataObject
) -> None:
    frames: list[bytes] = []
    rest = iter(events)
    while chunk := list(itertools.islice(rest, data.draw(st.integers(1, 4)))):
        as_array = data.draw(st.booleans())
        frames.append(b"[" + lines(chunk).replace(b"\n", b",") + b"]" if as_array else lines(chunk))
    assert decoded(*frames) == events


@pytest.mark.parametrize(
    "fields", [b'"ts":0', b'"ts":-5', b'"ts":5,"rate":0', b'"ts":5,"rate":-1', b'"ts":5,"rate":1e308']
)
def test_a_hello_of_an_impossible_time_or_rate_is_none(fields: bytes) -> None:
    turn = SimpleDialect().received([b'{"type":"hello",' + fields + b"}"])
    assert (turn.events, turn.hello) == ([], None)


def test_words_that_could_not_be_written_down_again_are_left_out() -> None:
    torn = json.dumps("\ud800")
    for event in decoded(wire(id=json.loads(torn)), wire(symbol=json.loads(torn))):
        msgspec.json.encode(event)


@pytest.mark.parametrize("deep", [b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b'{"type":"trade","x":' + b"[" * 10_000])
def test_depth_inside_an_object_is_refused_too(deep: bytes) -> None:
    assert decoded(wire(), deep, wire()) == [*decoded(wire()), Refused(NOT_JSON), *decoded(wire())]


def test_two_halves_of_a_trade_in_two_frames_are_no_trade() -> None:
    one, two = b'{"type":"trade","symbol":"A","ts":1,', b'"price":1,"size":1}'
    assert decoded(one, two) == [Refused(NOT_JSON, 2)]


def test_a_hello_with_its_time_in_another_unit_is_not_believed_and_said() -> None:
    turn = SimpleDialect().received([b'{"type":"hello","ts":1767623400123,"rate":10}'])
    assert (turn.events, turn.hello) == ([], None)
    assert [("milliseconds" in said, "1767623400123" in said) for said in turn.said] == [(True, True)]
