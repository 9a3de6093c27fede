"""What the dialects share: exact times, and numbers that may be strings."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isnan

import pytest

from pipeline.events import Quote, Refused, Trade
from pipeline.venues.alpaca import AlpacaDialect
from pipeline.venues.binance import BinanceDialect
from pipeline.venues.coinbase import CoinbaseDialect
from pipeline.venues.dialect import MOST_EXAMPLES, TOO_MANY, Dialect, Taken, nanoseconds, number
from pipeline.venues.simple import SimpleDialect
from tests.support.market import START


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-28T16:59:00Z", 1_711_645_140_000_000_000),
        ("2024-03-28T16:59:00.1Z", 1_711_645_140_100_000_000),
        ("2024-03-28T16:59:00.114612043Z", 1_711_645_140_114_612_043),
    ],
)
def test_times_are_exact_to_the_nanosecond(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-03-28T16:59:00",
        "2024-03-28T16:59:00+01:00",
        "2024-13-28T16:59:00Z",
        "2024-03-28T16:59:00.1234567890Z",
        "2024-03-28T16:59:00.-1Z",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert nanoseconds(text) is None


def test_numbers_may_be_strings_and_nonsense_is_not_a_number() -> None:
    assert number("0.001") == 0.001
    assert isnan(number("x"))
    assert isnan(number(None))


# -------------------------------------------------------------------------------------------------------------- bounds

TIME = "2024-03-28T16:59:00Z"


def alpaca(symbol: str, trade_id: object) -> object:
    return [{"T": "t", "S": symbol, "i": trade_id, "p": 1.5, "s": 1, "t": TIME}]


def binance(symbol: str, trade_id: object) -> object:
    return {"data": {"e": "trade", "s": symbol, "t": trade_id, "p": "1.5", "q": "1", "T": 1_711_645_140_000}}


def coinbase(symbol: str, trade_id: object) -> object:
    trade = {"type": "match", "product_id": symbol, "trade_id": trade_id, "price": "1.5", "size": "1", "time": TIME}
    return trade


def simple(symbol: str, trade_id: object) -> object:
    return {"type": "trade", "symbol": symbol, "ts": START, "price": 1.5, "size": 1, "id": trade_id}


SPOKEN: dict[str, tuple[Callable[[], Dialect], Callable[[str, object], object]]] = {
    "alpaca": (lambda: AlpacaDialect("K", "S", ["A"]), alpaca),
    "binance": (BinanceDialect, binance),
    "coinbase": (lambda: CoinbaseDialect(["A"]), coinbase),
    "simple": (SimpleDialect, simple),
    "simple, several": (SimpleDialect, lambda symbol, trade_id: [simple(symbol, trade_id)]),
}


@pytest.mark.parametrize("name", SPOKEN)
def test_a_symbol_of_32_characters_is_taken_and_a_longer_one_refused(name: str) -> None:
    dialect, trade = SPOKEN[name]
    (taken,) = dialect().received([json.dumps(trade("A" * 32, 1)).encode()]).events
    assert isinstance(taken, Trade)
    for symbol in ("A" * 33, "A" * 900_000):
        turn = dialect().received([json.dumps(trade(symbol, 1)).encode()])
        assert [type(event) for event in turn.events] == [Refused]
        assert len(turn.unread) == 1


@pytest.mark.parametrize("name", [name for name in SPOKEN if name not in ("binance", "coinbase")])
def test_an_id_of_up_to_64_characters_is_taken_and_a_longer_one_refused(name: str) -> None:
    dialect, trade = SPOKEN[name]
    (taken,) = dialect().received([json.dumps(trade("A", "x" * 64)).encode()]).events
    assert isinstance(taken, Trade)
    for trade_id in ("x" * 65, "x" * 900_000):
        turn = dialect().received([json.dumps(trade("A", trade_id)).encode()])
        assert [type(event) for event in turn.events] == [Refused]


@pytest.mark.parametrize("digits", [20, 4_000])
@pytest.mark.parametrize("name", SPOKEN)
def test_an_id_that_no_counter_reaches_is_refused(name: str, digits: int) -> None:
    dialect, trade = SPOKEN[name]
    turn = dialect().received([json.dumps(trade("A", int("9" * digits))).encode()])
    assert [type(event) for event in turn.events] == [Refused]


def test_a_quote_of_a_symbol_that_is_too_long_is_refused_as_well() -> None:
    quote = {"type": "quote", "symbol": "A" * 33, "ts": START, "bid": 1, "ask": 2}
    assert [type(event) for event in SimpleDialect().received([json.dumps(quote).encode()]).events] == [Refused]
    quote["symbol"] = "A" * 32
    assert [type(event) for event in SimpleDialect().received([json.dumps(quote).encode()]).events] == [Quote]


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("item", [b"1", b"null", b'""', b'{"T":"zz"}', b'{"T":"t"}', b'{"type":"zz"}'])
def test_a_frame_of_a_hundred_thousand_items_is_a_few_refusals(name: str, item: bytes) -> None:
    turn = SPOKEN[name][0]().received([b"[" + b",".join([item] * 100_000) + b"]"])
    assert all(isinstance(event, Refused) for event in turn.events)
    assert 1 <= len(turn.events) <= 3
    assert len(turn.unread) <= 3
    if name in ("alpaca", "simple"):
        assert sum(event.count for event in turn.events if isinstance(event, Refused)) == 100_000
        assert turn.events[-1] == Refused(TOO_MANY, 100_000)


@pytest.mark.parametrize("name", ["alpaca", "simple"])
def test_after_a_hundred_bad_items_the_rest_of_a_frame_is_not_looked_at_and_the_next_frame_is(name: str) -> None:
    dialect, trade = SPOKEN[name]
    good = json.dumps(trade("A", 1)).strip("[]").encode()
    junk = b"[" + b",".join([*[b"5"] * 1_000, good]) + b"]"
    turn = dialect().received([junk, b"[" + good + b"]"])
    assert [event.count for event in turn.events if isinstance(event, Refused)] == [100, 901]
    assert sum(isinstance(event, Trade) for event in turn.events) == 1


def test_examples_of_ever_new_symbols_are_few_and_every_refusal_counts() -> None:
    taken = Taken()
    for number_ in range(1_000):
        taken.refuse("bad time", f"S{number_}", b"")
    assert len(taken.unread) <= MOST_EXAMPLES + 1
    assert sum(it.times for it in taken.unread) == 1_000
    assert taken.events == [Refused("bad time", 1_000)]
