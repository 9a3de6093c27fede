"""JSON Lines: any bytes give events or a refusal, and how they are cut makes no difference."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, strategies as st

from pipeline.events import Clock, Gap, Quote, Refused, Trade
from pipeline.venues.jsonl import BAD_TRADE, NOT_AN_OBJECT, NOT_JSON, JsonLines

TRADE = b'{"type":"trade","symbol":"A","ts":5,"price":150.01,"size":100,"bid":150.0,"ask":150.02}'
QUOTE = b'{"type":"quote","symbol":"A","ts":6,"bid":150.0,"ask":150.02}'
CLOCK = b'{"type":"clock","ts":7}'

decoder: JsonLines[Trade | Quote | Clock] = JsonLines()


def line(text: bytes | str) -> Any:
    """Decode one line."""
    return decoder.line(text.encode() if isinstance(text, str) else text)


def by_lines(data: bytes) -> list[Any]:
    """Decode line by line."""
    return [event for each in data.split(b"\n") if (event := decoder.line(each)) is not None]


def trade_with(**fields: str) -> str:
    """A trade as JSON text, with some fields given as raw JSON; an empty one is left out."""
    raw = {"type": '"trade"', "symbol": '"A"', "ts": "5", "price": "150.01", "size": "100"} | fields
    return "{" + ",".join(f'"{name}":{value}' for name, value in raw.items() if value) + "}"


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# ------------------------------------------------------------------------------------------------- events


def test_a_trade_is_decoded_with_its_quote() -> None:
    assert line(TRADE) == Trade("A", 5, 150.01, 100.0, 150.0, 150.02)


def test_a_trade_needs_no_quote() -> None:
    assert line(trade_with()) == Trade("A", 5, 150.01, 100.0)


def test_quotes_and_clocks_are_decoded() -> None:
    assert (line(QUOTE), line(CLOCK)) == (Quote("A", 6, 150.0, 150.02), Clock(7))


def test_unknown_fields_are_ignored() -> None:
    assert line(trade_with(venue='{"name":"X","deep":[1,2]}')) == Trade("A", 5, 150.01, 100.0)


@pytest.mark.parametrize(
    ("given_id", "kept"), [("7", 7), ('"x7"', "x7"), ("null", None), ("1.5", None), ("true", None)]
)
def test_a_trade_keeps_an_id_of_the_venue_if_it_is_one(given_id: str, kept: object) -> None:
    assert line(trade_with(id=given_id)).id == kept


@pytest.mark.parametrize(
    "ignored",
    [
        '{"type":"halt","symbol":"A","ts":5}',
        '{"symbol":"A","ts":5,"price":1,"size":1}',
        '{"type":5}',
        '{"type":null,"ts":5}',
        '{"type":["trade"]}',
        "{}",
        '{"type":"quote","symbol":"","ts":5,"bid":1,"ask":2}',
        '{"type":"quote","symbol":7,"ts":5,"bid":1,"ask":2}',
        '{"type":"quote","ts":5,"bid":1,"ask":2}',
        '{"type":"quote","symbol":"A","ts":0,"bid":1,"ask":2}',
        '{"type":"quote","symbol":"A","ts":5.5,"bid":1,"ask":2}',
        '{"type":"quote","symbol":"A","bid":1,"ask":2}',
        '{"type":"clock","ts":0}',
        '{"type":"clock","ts":-5}',
        '{"type":"clock","ts":5.0}',
        '{"type":"clock","ts":true}',
        '{"type":"clock","ts":"5"}',
        '{"type":"clock"}',
    ],
)
def test_unknown_types_and_quotes_and_clocks_without_a_sound_time_or_symbol_are_ignored(ignored: str) -> None:
    assert line(ignored) is None


@pytest.mark.parametrize("blank", [b"", b" ", b"\r", b"\t \r", b"\x0c"])
def test_blank_lines_are_skipped(blank: bytes) -> None:
    assert line(blank) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"nonsense", NOT_JSON),
        (TRADE[:-1], NOT_JSON),
        (TRADE + b"}", NOT_JSON),
        (TRADE + b"\x00", NOT_JSON),
        (b'{"type":"trade","symbol":"\xff","ts":5,"price":1,"size":1}', NOT_JSON),
        (b'{"type":"clock","ts":05}', NOT_JSON),
        (b"[1,2", NOT_JSON),
        (b"null", NOT_AN_OBJECT),
        (b"[]", NOT_AN_OBJECT),
        (b"[" + TRADE + b"]", NOT_AN_OBJECT),
        (b"5", NOT_AN_OBJECT),
        (b'"trade"', NOT_AN_OBJECT),
        (b"true", NOT_AN_OBJECT),
        (b'{"type":"trade"}', BAD_TRADE),
    ],
)
def test_what_is_no_object_of_json_is_refused_with_its_reason(text: bytes, reason: str) -> None:
    assert line(text) == Refused(reason)


# Raw JSON of a field beside the value that a trade gets by it; None where it makes the trade a bad one.
TIMES: dict[str, int | None] = {
    "5": 5,
    "1767623400123456789": 1767623400123456789,
    "9223372036854775808": 2**63,
    "1" + "0" * 30: 10**30,
    "0": None,
    "-1": None,
    "5.0": None,
    "5e0": None,
    "1767623400.5": None,
    '"5"': None,
    "true": None,
    "null": None,
    "[5]": None,
    "": None,
}
PRICES: dict[str, float | None] = {
    "150.01": 150.01,
    "150": 150.0,
    "1e2": 100.0,
    "5e-324": 5e-324,
    "0": None,
    "-0.0": None,
    "-1": None,
    "1e-400": None,
    "1e400": None,
    "-1e400": None,
    "1" + "0" * 400: None,
    "NaN": None,
    "Infinity": None,
    "-Infinity": None,
    "true": None,
    '"150"': None,
    "null": None,
    "{}": None,
    "": None,
}
SIZES: dict[str, float | None] = {**PRICES, "0": 0.0, "-0.0": 0.0, "1e-400": 0.0}
SYMBOLS: dict[str, str | None] = {
    '"A"': "A",
    '"BTC/USDT"': "BTC/USDT",
    '"\\u00e9"': "é",
    '""': None,
    "7": None,
    "true": None,
    "null": None,
    "": None,
}


@pytest.mark.parametrize("ts", TIMES)
def test_a_trade_s_time_is_a_positive_integer(ts: str) -> None:
    found = line(trade_with(ts=ts))
    assert found == (Refused(BAD_TRADE) if TIMES[ts] is None else Trade("A", TIMES[ts] or 0, 150.01, 100.0))


@pytest.mark.parametrize("price", PRICES)
def test_a_trade_s_price_is_a_finite_number_above_zero(price: str) -> None:
    found = line(trade_with(price=price))
    assert found == (Refused(BAD_TRADE) if PRICES[price] is None else Trade("A", 5, PRICES[price] or 0, 100.0))


@pytest.mark.parametrize("size", SIZES)
def test_a_trade_s_size_is_a_finite_number_not_below_zero(size: str) -> None:
    found = line(trade_with(size=size))
    assert found == (Refused(BAD_TRADE) if SIZES[size] is None else Trade("A", 5, 150.01, SIZES[size] or 0.0))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_trade_s_symbol_is_a_string_that_is_not_empty(symbol: str) -> None:
    found = line(trade_with(symbol=symbol))
    assert found == (Refused(BAD_TRADE) if SYMBOLS[symbol] is None else Trade(SYMBOLS[symbol] or "", 5, 150.01, 100.0))


field = st.sampled_from


@given(
    field(list(TIMES)), field(list(PRICES)), field(list(SIZES)), field(list(SYMBOLS)), field(["", "1", '"x"', "NaN"])
)
def test_a_trade_is_taken_if_and_only_if_every_field_is_sound(
    ts: str, price: str, size: str, symbol: str, bid: str
) -> None:
    values = (SYMBOLS[symbol], TIMES[ts], PRICES[price], SIZES[size])
    found = line(trade_with(ts=ts, price=price, size=size, symbol=symbol, bid=bid))
    if None in values:
        assert found == Refused(BAD_TRADE)
    else:
        assert (found.symbol, found.ts, found.price, found.size) == values


@pytest.mark.parametrize("side", ['"150"', "null", "true", "NaN", "1e400", "{}", "[]"])
def test_a_bad_side_leaves_the_trade_without_it(side: str) -> None:
    found = line(trade_with(bid=side, ask="150.02"))
    assert (found.price, found.bid, found.ask) == (150.01, None, 150.02)


@pytest.mark.parametrize("side", ['"150"', "null", "true", "NaN", "1e400", "{}", ""])
def test_a_quote_with_a_bad_side_keeps_its_time_and_offers_nothing(side: str) -> None:
    """It moves `now`; 0 is never a bid or an ask, so the earlier quote stays in force."""
    bid = f'"bid":{side},' if side else ""
    found = line(f'{{"type":"quote","symbol":"A","ts":5,{bid}"ask":2}}')
    assert (found.symbol, found.ts, found.bid, found.ask) == ("A", 5, 0.0, 2.0)


def test_the_last_of_two_equal_fields_counts() -> None:
    assert line('{"type":"clock","ts":5,"ts":6}') == Clock(6)
    assert line('{"type":"clock","ts":"x","ts":6}') == Clock(6)


def test_deep_nesting_is_refused_in_a_line() -> None:
    assert line(nested(10_000)) == Refused(NOT_JSON)
    assert line(trade_with(x=nested(10_000))) == Refused(NOT_JSON)


def test_a_number_of_ten_thousand_digits_is_refused() -> None:
    assert isinstance(line(trade_with(ts="1" * 10_000)), Refused)


def test_a_symbol_that_is_no_text_is_refused() -> None:
    found = line(trade_with(symbol='"\\ud800"'))
    assert found == Refused(BAD_TRADE)


def test_whatever_is_decoded_can_be_encoded_again() -> None:
    for event in by_lines(b"\n".join([TRADE, QUOTE, CLOCK])):
        assert line(msgspec.json.encode(event)) == event


# ------------------------------------------------------------------------------------------------- chunks

good = st.sampled_from([TRADE, QUOTE, CLOCK])
bad = st.sampled_from(
    [
        b"",
        b"  ",
        b"nonsense",
        b"null",
        b"[]",
        b"[1]",
        b"5",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + CLOCK,
        TRADE[:40],
        CLOCK + b"}",
        trade_with(price="NaN").encode(),
        trade_with(price="true").encode(),
        trade_with(ts="5.0").encode(),
        trade_with(symbol='""').encode(),
        trade_with(bid="null", ask='"x"').encode(),
        b'{"type":"halt","ts":5}',
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a good line with one byte changed, though not to white space: what that does has tests of its own."""
    text = bytearray(draw(good))
    place = draw(st.integers(0, len(text) - 1))
    text[place] = draw(st.integers(0, 255).filter(lambda b: b not in b" \t\r\n"))
    return bytes(text)


lines = st.lists(
    st.tuples(st.one_of(good, good, bad, mutated()), st.sampled_from([b"\n", b"\n", b"\r\n"])), max_size=12
).map(lambda drawn: b"".join(text + end for text, end in drawn))


@given(lines, st.booleans())
@example(b"", True)
@example(CLOCK, False)
@example(TRADE + b"\r\n" + QUOTE + b"\r\n\r\n" + CLOCK, False)
@example(TRADE + b"\nnonsense\n" + CLOCK + b"\n", False)
def test_a_chunk_gives_what_its_lines_give(data: bytes, cut: bool) -> None:
    """Also with bad lines among good ones, CRLF, and no newline at the end."""
    data = data.removesuffix(b"\n") if cut else data
    assert decoder.chunk(data) == by_lines(data)


@given(st.binary(max_size=200))
@example(b"\x00")
@example(b"\xff" * 10)
@example(b'{"type":"trade"')
def test_any_bytes_give_events_or_a_refusal(data: bytes) -> None:
    for event in [*decoder.chunk(data), *by_lines(data)]:
        assert isinstance(event, Trade | Quote | Clock | Refused)


NAMES = ("type", "ts", "symbol", "price", "size", "bid", "ask", "id")
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
values = st.recursive(scalars, lambda v: st.lists(v) | st.dictionaries(st.sampled_from(NAMES), v), max_leaves=8)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(["trade", "quote", "clock"])}, optional=dict.fromkeys(NAMES[1:], scalars)
)


@given(values)
def test_any_value_of_json_gives_an_event_or_a_refusal(value: Any) -> None:
    event = line(json.dumps(value))
    assert event is None or isinstance(event, Trade | Quote | Clock | Refused)


@given(events)
def test_whatever_is_taken_is_sound(value: dict[str, Any]) -> None:
    event = line(json.dumps(value))
    if isinstance(event, Trade):
        assert event.symbol
        assert type(event.ts) is int
        assert event.ts > 0
        assert 0 < event.price < float("inf")
        assert 0 <= event.size < float("inf")
    elif isinstance(event, Quote | Clock):
        assert type(event.ts) is int
        assert event.ts > 0


@pytest.mark.parametrize(
    "deep", [CLOCK[:-1] + b',"x":' + nested(10_000).encode() + b"}", trade_with(x=nested(10_000)).encode()]
)
def test_deep_nesting_is_refused_in_a_chunk(deep: bytes) -> None:
    assert decoder.chunk(CLOCK + b"\n" + deep + b"\n") == [Clock(7), Refused(NOT_JSON)]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b'{"type":"clock",\n"ts":7}\n', [Refused(NOT_JSON), Refused(NOT_JSON)]),
        (CLOCK + b" " + CLOCK + b"\n", [Refused(NOT_JSON)]),
        (TRADE + CLOCK + b"\n", [Refused(NOT_JSON)]),
        (CLOCK + b"\r" + CLOCK + b"\n", [Refused(NOT_JSON)]),
    ],
)
def test_a_line_is_one_event_also_in_a_chunk(data: bytes, events: list[Any]) -> None:
    assert by_lines(data) == events
    assert decoder.chunk(data) == events


def test_more_types_can_be_decoded_where_they_are_asked_for() -> None:
    more: JsonLines[Any] = JsonLines(Trade | Quote | Clock | Gap)
    gap = b'{"type":"gap","ts":5,"symbol":"A","reason":"reconnect"}'
    assert more.chunk(gap + b"\n") == [Gap(5, "A", "reconnect")]
    assert decoder.chunk(gap + b"\n") == []


# -------------------------------------------------------------------------------------------- whole lines
