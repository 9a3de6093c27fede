"""The market-data stream's conversation, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from mock_exchange.alpaca.data_schema import Codec
from mock_exchange.alpaca.data_stream import DataSession, FeedConnections
from mock_exchange.alpaca.keys import Keys
from mock_exchange.broadcast import Broadcast
from mock_exchange.events import SECOND, Quote, Trade
from mock_exchange.halts import TradingStatus
from mock_exchange.history import Bar
from mock_exchange.luld_bands import Indicator, PriceBand
from mock_exchange.market_data_faults import Published
from mock_exchange.send_buffer import Bounds, Overflow

START = 1_767_623_400 * SECOND
KEYS = Keys(["ANN:1"])
TRADE = Trade("AAPL", START + 500_000_007, 126.55, 1, 126.54, 126.55, 96_921)
QUOTE = Quote("AAPL", START, 87.66, 87.68, 100, 400)
BAR = Bar("AAPL", START, 388.0, 389.0, 387.0, 388.5, 100, 2, 38_850.0)
START_STAMP = {Codec.JSON: "2026-01-05T14:30:00Z", Codec.MSGPACK: datetime(2026, 1, 5, 14, 30, tzinfo=UTC)}
CONNECTED = {"T": "success", "msg": "connected"}
AUTHENTICATED = {"T": "success", "msg": "authenticated"}


class Talk:
    """A client with one session, and what it hears."""

    def __init__(
        self,
        codec: Codec = Codec.JSON,
        *,
        line: FeedConnections | None = None,
        bounds: Bounds | None = None,
        opened: str | None = None,
    ) -> None:
        self.line = line or FeedConnections(1, 30, covered=True)
        self.session = DataSession(KEYS, self.line, codec, 2, bounds or Bounds(1_000, 1_000_000, 3), None, opened)

    def received(self) -> list[Any]:
        """Return what waits: each frame is an array."""
        heard: list[Any] = []
        while frame := self.session.buffer.take_frame():
            messages = self.session.codec.decode(frame)
            assert isinstance(messages, list)
            heard += messages
        return heard

    def say(self, **message: Any) -> list[Any]:
        """Say something and return the answer."""
        self.session.receive(self.session.codec.encode(message))
        return self.received()

    def open(self) -> Talk:
        """Authenticate."""
        self.session.greet()
        self.say(action="auth", key="ANN", secret="1")
        return self

    def publish(self, *told: Published) -> list[Any]:
        """Let something happen in the market and return what the client gets of it."""
        self.session.publish(Broadcast(told, ()))
        return self.received()


def with_trades(*symbols: str) -> dict[str, list[str]]:
    """What a list of subscriptions has beside those trades."""
    return {"corrections": list(symbols), "cancelErrors": list(symbols)}


def code(answer: list[Any]) -> int:
    (error,) = answer
    assert error["T"] == "error"
    assert isinstance(error["msg"], str)
    number = error["code"]
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize("codec", list(Codec))
def test_a_client_is_greeted_authenticates_and_subscribes(codec: Codec) -> None:
    talk = Talk(codec)
    talk.session.greet()
    assert talk.received() == [CONNECTED]
    before = talk.session.admitted
    assert talk.say(action="auth", key="ANN", secret="1") == [AUTHENTICATED]
    assert (before, talk.session.admitted) == (False, True)
    assert talk.say(action="subscribe", trades=["AAPL"], quotes=["AAPL"], bars=["*"]) == [
        {"T": "subscription", "trades": ["AAPL"], "quotes": ["AAPL"], "bars": ["*"], **with_trades("AAPL")}
    ]


def test_headers_of_the_handshake_authenticate_too() -> None:
    talk = Talk(opened="ANN")
    talk.session.greet()
    assert talk.received() == [CONNECTED, AUTHENTICATED]


def test_the_list_of_subscriptions_is_whole_sorted_and_without_empty_channels() -> None:
    talk = Talk().open()
    talk.say(action="subscribe", trades=["MSFT", "AAPL"])
    both = ["AAPL", "MSFT"]
    assert talk.say(action="subscribe", quotes=["MSFT"], statuses=["*"]) == [
        {"T": "subscription", "trades": both, "quotes": ["MSFT"], "statuses": ["*"], **with_trades(*both)}
    ]
    assert talk.say(action="unsubscribe", trades=["AAPL"], quotes=["AAPL"]) == [
        {"T": "subscription", "trades": ["MSFT"], "quotes": ["MSFT"], "statuses": ["*"], **with_trades("MSFT")}
    ]
    assert talk.say(action="unsubscribe", trades=["MSFT"], quotes=["MSFT"], statuses=["*"]) == [{"T": "subscription"}]


def test_in_json_a_time_is_text_to_the_nanosecond() -> None:
    talk = Talk().open()
    talk.say(action="subscribe", trades=["*"], quotes=["*"], bars=["*"])
    trade, quote, bar = talk.publish(TRADE, QUOTE, BAR)
    assert trade == {"T": "t", "S": "AAPL", "i": 96_921, "x": "V", "p": 126.55, "s": 1} | {
        "t": "2026-01-05T14:30:00.500000007Z",
        "c": ["@", "F", "I"],
        "z": "C",
    }
    assert {
        "T": "q",
        "bp": 87.66,
        "bs": 100,
        "ap": 87.68,
        "as": 400,
        "t": "2026-01-05T14:30:00Z",
    }.items() <= quote.items()
    assert {"T": "b", "o": 388.0, "v": 100, "n": 2, "vw": 388.5}.items() <= bar.items()


def test_in_msgpack_a_time_is_a_timestamp() -> None:
    talk = Talk(Codec.MSGPACK).open()
    talk.say(action="subscribe", trades=["AAPL"])
    (trade,) = talk.publish(TRADE)
    assert talk.session.binary
    assert trade["t"] == datetime(2026, 1, 5, 14, 30, 0, 500_000, tzinfo=UTC)


def test_only_what_was_subscribed_to_comes() -> None:
    talk = Talk().open()
    assert talk.publish(TRADE, QUOTE, BAR) == []
    talk.say(action="subscribe", trades=["MSFT"], quotes=["AAPL"])
    assert [it["T"] for it in talk.publish(TRADE, QUOTE, BAR)] == ["q"]


@pytest.mark.parametrize("codec", list(Codec))
def test_events_share_a_frame_up_to_a_number(codec: Codec) -> None:
    talk = Talk(codec, bounds=Bounds(1_000, 1_000_000, 20)).open()
    talk.say(action="subscribe", trades=["AAPL"])
    talk.session.publish(Broadcast([TRADE] * 45, ()))
    sizes = [len(codec.decode(frame)) for frame in iter(talk.session.buffer.take_frame, b"")]
    assert sizes == [20, 20, 5]


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [b"", b"null", b"[]", b"5", b"\xff", b'{"action":"dance"}', b"{", b"[" * 60_000])
def test_what_is_no_request_is_invalid_syntax(message: bytes) -> None:
    talk = Talk().open()
    talk.session.receive(message)
    assert code(talk.received()) == 400
    assert not talk.session.buffer.closing


@pytest.mark.parametrize("words", [{}, {"trades": "AAPL"}, {"trades": [5]}, {"trades": []}, {"news": ["*"]}])
def test_a_subscription_without_symbols_or_to_no_channel_is_invalid_syntax(words: dict[str, Any]) -> None:
    assert code(Talk().open().say(action="subscribe", **words)) == 400


@pytest.mark.parametrize("action", ["subscribe", "unsubscribe"])
def test_nobody_subscribes_before_authenticating(action: str) -> None:
    assert code(Talk().say(action=action, trades=["AAPL"])) == 401


@pytest.mark.parametrize("pair", [{"key": "ANN", "secret": "2"}, {"key": "BOB", "secret": "1"}, {"key": 5}, {}])
def test_a_wrong_key_is_refused_and_the_connection_left_open(pair: dict[str, Any]) -> None:
    talk = Talk()
    assert code(talk.say(action="auth", **pair)) == 402
    assert not talk.session.buffer.closing
    assert talk.say(action="auth", key="ANN", secret="1") == [AUTHENTICATED]


def test_nobody_authenticates_twice() -> None:
    assert code(Talk().open().say(action="auth", key="ANN", secret="1")) == 403


def test_who_does_not_authenticate_in_time_is_sent_away() -> None:
    talk = Talk()
    talk.session.expire()
    assert code(talk.received()) == 404
    assert talk.session.buffer.closing
    late = Talk().open()
    late.session.expire()
    assert late.received() == []


def test_more_symbols_than_the_plan_has_change_nothing() -> None:
    talk = Talk(line=FeedConnections(1, 3, covered=True)).open()
    talk.say(action="subscribe", trades=["AAPL", "MSFT"], bars=["A", "B", "C", "D"])
    assert code(talk.say(action="subscribe", quotes=["AAPL", "MSFT"])) == 405
    assert code(talk.say(action="subscribe", trades=["*"])) == 405
    (listed,) = talk.say(action="subscribe", quotes=["AAPL"])
    assert (listed["trades"], listed["quotes"]) == (["AAPL", "MSFT"], ["AAPL"])


def test_one_connection_more_than_the_plan_has_is_refused_until_one_is_given_back() -> None:
    first = Talk().open()
    second = Talk(line=first.line)
    assert code(second.say(action="auth", key="ANN", secret="1")) == 406
    assert not second.session.buffer.closing
    second.session.leave()
    first.session.leave()
    assert Talk(line=first.line).say(action="auth", key="ANN", secret="1") == [AUTHENTICATED]


def test_a_feed_that_the_plan_does_not_cover_is_refused_and_the_connection_left_open() -> None:
    talk = Talk(line=FeedConnections(1, 30, covered=False))
    assert code(talk.say(action="auth", key="ANN", secret="1")) == 409
    assert not talk.session.buffer.closing
    assert code(talk.say(action="subscribe", trades=["AAPL"])) == 401


def test_a_plan_without_a_limit_takes_any_number_of_symbols() -> None:
    talk = Talk(line=FeedConnections(1, None, covered=True)).open()
    many = [f"S{number}" for number in range(60)]
    (listed,) = talk.say(action="subscribe", trades=many, quotes=many)
    assert listed["trades"] == sorted(many)


@pytest.mark.parametrize("codec", list(Codec))
def test_the_test_feed_tells_of_its_own_symbol_what_happens_to_the_first_stock(codec: Codec) -> None:
    talk = Talk(codec, line=FeedConnections(1, 30, covered=True, name="test")).open()
    talk.say(action="subscribe", trades=["FAKEPACA", "AAPL"], quotes=["*"])
    talk.session.publish(Broadcast([TRADE, QUOTE], (), first="AAPL"))
    assert [(it["T"], it["S"], it.get("p")) for it in talk.received()] == [
        ("t", "FAKEPACA", TRADE.price),
        ("q", "FAKEPACA", None),
    ]


def test_the_delayed_feed_tells_what_happened_a_while_ago() -> None:
    talk = Talk(line=FeedConnections(1, 30, covered=True, name="delayed_sip")).open()
    talk.say(action="subscribe", trades=["*"], quotes=["*"])
    talk.session.publish(Broadcast([TRADE], (), late=[QUOTE]))
    assert [it["T"] for it in talk.received()] == ["q"]


def test_a_client_that_does_not_read_overflows_and_has_a_farewell() -> None:
    talk = Talk(bounds=Bounds(10, 100_000, 1)).open()
    talk.say(action="subscribe", trades=["AAPL"])
    talk.session.publish(Broadcast([TRADE] * 20, ()))
    assert talk.session.buffer.overflow is Overflow.EVENTS
    assert code(msgspec.json.decode(talk.session.farewell)) == 407


@given(st.sampled_from(list(Codec)), st.text() | st.binary())
def test_any_message_at_all_gets_one_answer(codec: Codec, message: str | bytes) -> None:
    talk = Talk(codec).open()
    talk.session.receive(message)
    assert len(talk.received()) == 1


@pytest.mark.parametrize("codec", list(Codec))
def test_halts_and_bands_are_told_to_who_subscribed_to_them(codec: Codec) -> None:
    talk = Talk(codec).open()
    talk.say(action="subscribe", statuses=["AAPL"], lulds=["*"])
    band = PriceBand("MSFT", START, 95.0, 105.0, Indicator.UPDATE)
    halt, resumption = TradingStatus("AAPL", START, True), TradingStatus("AAPL", START, False)
    stranger = TradingStatus("MSFT", START, True)
    halted, resumed, bands = talk.publish(halt, TRADE, resumption, stranger, band)
    times = [message.pop("t") for message in (halted, resumed, bands)]
    assert times == [START_STAMP[codec]] * 3
    assert halted == {
        "T": "s",
        "S": "AAPL",
        "sc": "P",
        "sm": "Volatility Trading Pause",
        "rc": "LUDP",
        "rm": "Volatility Trading Pause",
        "z": "C",
    }
    assert (resumed["S"], resumed["sc"], resumed["sm"]) == ("AAPL", "T", "Trading Resumption")
    assert bands == {"T": "l", "S": "MSFT", "u": 105.0, "d": 95.0, "i": "B", "z": "C"}


def test_the_simple_push_knows_neither_halts_nor_bands() -> None:
    told = (TradingStatus("AAPL", START, True), PriceBand("AAPL", START, 95.0, 105.0, Indicator.UPDATE), TRADE)
    assert [symbol for symbol, _ in Broadcast(told, ()).lines] == ["AAPL"]
