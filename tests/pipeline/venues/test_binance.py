"""Binance's frames, wrapped and raw; a recorded stretch of them where there is one."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, strategies as st

from pipeline.events import Quote, Refused, Trade
from pipeline.venues.binance import BinanceDialect
from pipeline.venues.dialect import UNKNOWN_TYPE
from tests.support.shared import SHARED

TRADE = (
    b'{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"61837.63","q":"0.02",'
    b'"T":1672515782135,"m":true,"M":true}'
)
TICKER = b'{"u":50093239212,"s":"BTCUSDT","b":"61837.63","B":"3.7","a":"61837.64","A":"1.5"}'
TS = 1_672_515_782_135_000_000


def wrapped(payload: bytes) -> bytes:
    return b'{"stream":"btcusdt@x","data":' + payload + b"}"


@pytest.mark.parametrize("wrap", [bytes, wrapped])
def test_a_trade_is_decoded_wrapped_and_raw(wrap: object) -> None:
    frame = wrap(TRADE)  # type: ignore[operator]  # one of the two functions above
    assert BinanceDialect().received([frame]).events == [Trade("BTCUSDT", TS, 61837.63, 0.02, None, None, 12345)]


def test_a_quote_gets_the_time_of_the_trade_before_it() -> None:
    assert BinanceDialect().received([TRADE, TICKER]).events[1:] == [Quote("BTCUSDT", TS, 61837.63, 61837.64, 3.7, 1.5)]


@pytest.mark.parametrize("size", [b'"x"', b'"nan"', b'"inf"', b'"-1"', b"7", b"[]", b"null"])
def test_a_size_that_is_none_leaves_the_quote_without(size: bytes) -> None:
    [_, quote] = BinanceDialect().received([TRADE, TICKER.replace(b'"3.7"', size)]).events
    assert quote == Quote("BTCUSDT", TS, 61837.63, 61837.64, None, 1.5)


def test_a_quote_before_the_first_trade_has_no_time_and_is_left_out() -> None:
    assert BinanceDialect().received([TICKER]).events == []


def test_other_streams_and_answers_are_left_out() -> None:
    depth = b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[["1","2"]],"a":[]}'
    book = b'{"lastUpdateId":7,"bids":[["1","2"]],"asks":[]}'
    assert BinanceDialect().received([TRADE, depth, book, b'{"result":null,"id":1}']).events[1:] == []


@pytest.mark.parametrize("wrap", [bytes, wrapped])
@pytest.mark.parametrize("payload", [b"{}", b'{"e":"news","s":"BTCUSDT"}', b'{"u":5}', b'{"a":[1]}'])
def test_what_is_neither_of_a_stream_nor_an_answer_is_counted(payload: bytes, wrap: object) -> None:
    frame = wrap(payload)  # type: ignore[operator]  # one of the two functions above
    assert BinanceDialect().received([frame]).events == [Refused(UNKNOWN_TYPE)]


def test_the_address_names_both_streams_of_each_symbol_in_small_letters() -> None:
    url = BinanceDialect.url(["BTCUSDT", "ETHUSDT"], "ws://h:1")
    assert url == "ws://h:1/stream?streams=btcusdt@trade/btcusdt@bookTicker/ethusdt@trade/ethusdt@bookTicker"


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_arbitrary_bytes_never_raise(messages: list[bytes]) -> None:
    for event in BinanceDialect().received(messages).events:
        assert isinstance(event, Refused | Trade | Quote)


def test_recorded_frames_give_every_trade_once_and_in_order() -> None:
    """On a recording of 346 s; where the shared data is absent, on the three frames above."""
    recording = SHARED / "data" / "binance_btcusdt_20240808.gz"
    if recording.exists():
        with gzip.open(recording, "rb") as file:
            frames = [line.split(b" ", 1)[1] for line in file]
    else:
        frames = [wrapped(TRADE), wrapped(TICKER), wrapped(TRADE.replace(b"12345", b"12346"))]
    events = BinanceDialect().received(frames).events
    assert not [event for event in events if isinstance(event, Refused)]
    trades = [event for event in events if isinstance(event, Trade)]
    ids = [trade.id for trade in trades]
    assert len(trades) == sum(b'"e":"trade"' in frame for frame in frames) > 0
    assert ids == list(range(ids[0], ids[0] + len(ids)))  # type: ignore[operator,arg-type]  # Binance's ids are integers
