"""The trading stream's conversation, without a socket."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from mock_exchange.alpaca.keys import Keys
from mock_exchange.alpaca.trading_stream import TradingSession
from mock_exchange.broadcast import Broadcast
from mock_exchange.events import SECOND, Quote
from mock_exchange.send_buffer import Bounds
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue.money import SHARE
from mock_exchange.venue.orders import OrderRequest, Side
from mock_exchange.venue_state import VenueState

START = 1_767_623_400 * SECOND


def a_session() -> TradingSession:
    return TradingSession(Keys(["ANN:1", "BOB:2"]), Bounds(100, 1_000_000, 50))


def say(session: TradingSession, message: Any) -> Any:
    session.receive(msgspec.json.encode(message))
    return msgspec.json.decode(session.buffer.take_frame())


def authorized(session: TradingSession, key: str = "ANN", secret: str = "1") -> Any:
    return say(session, {"action": "authenticate", "data": {"key_id": key, "secret_key": secret}})


def listening(session: TradingSession, *streams: str) -> Any:
    return say(session, {"action": "listen", "data": {"streams": list(streams)}})


def a_purchase() -> Broadcast:
    venue = VenueState(ExchangeSettings(symbols=("AAPL",), history_events=100), ["ANN", "BOB"], START)
    venue.advance([Quote("AAPL", START, 200.0, 200.03, 100, 100)])
    venue.matching.submit("ANN", OrderRequest(symbol="AAPL", side=Side.BUY, qty=3 * SHARE), START + SECOND)
    return Broadcast((), venue.take_updates())


@pytest.mark.parametrize(
    "message",
    [
        {"action": "authenticate", "data": {"key_id": "ANN", "secret_key": "1"}},
        {"action": "auth", "key": "ANN", "secret": "1"},
    ],
)
def test_either_way_of_authenticating_is_taken(message: Any) -> None:
    session = a_session()
    answer = say(session, message)
    assert answer == {"stream": "authorization", "data": {"status": "authorized", "action": message["action"]}}
    assert session.admitted


def test_a_wrong_key_is_unauthorized() -> None:
    session = a_session()
    assert authorized(session, secret="2")["data"]["status"] == "unauthorized"
    assert listening(session, "trade_updates") == {
        "stream": "authorization",
        "data": {"status": "unauthorized", "action": "listen"},
    }
    assert not session.admitted


def test_what_is_listened_to_is_replaced_and_unknown_names_are_dropped() -> None:
    session = a_session()
    authorized(session)
    assert listening(session, "trade_updates", "gossip")["data"] == {"streams": ["trade_updates"]}
    assert listening(session)["data"] == {"streams": []}


def test_an_order_s_updates_come_in_order_and_once_each_in_a_frame_of_its_own() -> None:
    session = a_session()
    authorized(session)
    listening(session, "trade_updates")
    session.publish(a_purchase())
    new, fill = (msgspec.json.decode(frame) for frame in iter(session.buffer.take_frame, b""))
    assert session.binary
    assert (new["stream"], new["data"]["event"], new["data"]["order"]["status"]) == ("trade_updates", "new", "new")
    data = fill["data"]
    assert (data["event"], data["qty"], data["price"], data["position_qty"]) == ("fill", "3", "200.03", "3")
    assert data["timestamp"] == "2026-01-05T14:30:01Z"
    assert data["order"]["filled_avg_price"] == "200.03"


def test_without_listening_nothing_comes_and_never_of_another_account() -> None:
    silent, other = a_session(), a_session()
    authorized(silent)
    authorized(other, "BOB", "2")
    listening(other, "trade_updates")
    for session in (silent, other):
        session.publish(a_purchase())
        assert session.buffer.take_frame() == b""


@given(st.text() | st.binary())
def test_any_message_at_all_gets_one_answer(message: str | bytes) -> None:
    session = a_session()
    session.receive(message)
    assert session.buffer.take_frame() != b""
    assert session.buffer.take_frame() == b""
