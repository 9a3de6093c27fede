"""Coinbase's messages; missing trades are noticed by their ids."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, strategies as st

from pipeline.events import Clock, Gap, Quote, Refused, Trade
from pipeline.venues.coinbase import CoinbaseDialect
from pipeline.venues.dialect import BAD_TIME, UNKNOWN_TYPE

TIME = "2021-04-17T16:43:37.089723Z"
TS = 1_618_677_817_089_723_000


def match(trade_id: int, kind: str = "match") -> bytes:
    return msgspec.json.encode(
        {"type": kind, "trade_id": trade_id, "side": "sell", "size": "985", "price": "0.00001305"}
        | {"product_id": "SKL-BTC", "sequence": 177100030, "time": TIME}
    )


def trade(trade_id: int) -> Trade:
    return Trade("SKL-BTC", TS, 0.00001305, 985.0, None, None, trade_id)


def test_it_subscribes_at_once() -> None:
    (wish,) = CoinbaseDialect(["BTC-USD"]).opened().send
    assert msgspec.json.decode(wish) == {
        "type": "subscribe",
        "product_ids": ["BTC-USD"],
        "channels": ["matches", "ticker", "heartbeat"],
    }


def test_a_match_is_a_trade() -> None:
    assert CoinbaseDialect([]).received([match(280232)]).events == [trade(280232)]


def test_the_last_match_is_history_and_never_traded_on() -> None:
    assert CoinbaseDialect([]).received([match(1, "last_match")]).events == []


def test_missing_trades_are_a_gap() -> None:
    events = CoinbaseDialect(["SKL-BTC"]).received([match(1, "last_match"), match(2), match(5)]).events
    assert events == [trade(2), Gap(TS, "SKL-BTC", "2 trades are missing"), trade(5)]


def test_of_products_that_were_not_asked_for_nothing_is_remembered() -> None:
    dialect = CoinbaseDialect(["BTC-USD"])
    events = dialect.received([match(1, "last_match"), match(2), match(5)]).events
    assert events == [trade(2), trade(5)]
    assert list(dialect._last) == ["BTC-USD"]


def test_a_ticker_is_a_quote_and_a_heartbeat_the_time() -> None:
    ticker = {"type": "ticker", "product_id": "BTC-USD", "best_bid": "1.5", "best_ask": "1.6", "time": TIME}
    heartbeat = {"type": "heartbeat", "product_id": "BTC-USD", "sequence": 90, "last_trade_id": 20, "time": TIME}
    events = CoinbaseDialect([]).received([msgspec.json.encode(ticker), msgspec.json.encode(heartbeat)]).events
    assert events == [Quote("BTC-USD", TS, 1.5, 1.6), Clock(TS)]


@pytest.mark.parametrize("kind", ["subscriptions", "status", "l2update", "received", "last_match"])
def test_the_messages_of_other_channels_are_left_out(kind: str) -> None:
    assert CoinbaseDialect([]).received([msgspec.json.encode({"type": kind})]).events == []


def test_a_message_of_a_type_that_nobody_knows_is_counted() -> None:
    assert CoinbaseDialect([]).received([b'{"type":"news"}']).events == [Refused(UNKNOWN_TYPE)]


@pytest.mark.parametrize("kind", ["match", "ticker", "heartbeat"])
def test_what_has_no_time_is_counted(kind: str) -> None:
    message = msgspec.json.encode({"type": kind, "product_id": "BTC-USD", "best_bid": "1", "time": "yesterday"})
    assert CoinbaseDialect([]).received([message]).events == [Refused(BAD_TIME)]


def test_an_error_ends_it_in_one_sentence() -> None:
    error = {"type": "error", "message": "Failed to subscribe", "reason": "NOPE-USD is not a valid product"}
    assert "NOPE-USD" in CoinbaseDialect([]).received([msgspec.json.encode(error)]).failed


@pytest.mark.parametrize("said", ["rate limit exceeded", "Too many requests", "Internal error, try again"])
def test_an_error_that_passes_is_a_lost_connection(said: str) -> None:
    turn = CoinbaseDialect([]).received([msgspec.json.encode({"type": "error", "message": said})])
    assert said in turn.lost
    assert not turn.failed


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_arbitrary_bytes_never_raise(messages: list[bytes]) -> None:
    assert all(isinstance(event, Refused) for event in CoinbaseDialect([]).received(messages).events)
