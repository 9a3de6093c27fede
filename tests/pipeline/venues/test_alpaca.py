"""Alpaca's stream: the handshake as a state machine, the frames as they are documented."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given, strategies as st

from pipeline.events import PriceBand, Prints, Quote, Refused, Trade, TradingStatus
from pipeline.venues.alpaca import AlpacaDialect, State
from pipeline.venues.conditions import UNKNOWN_CONDITION, PrintKind
from pipeline.venues.dialect import BAD_MESSAGE, BAD_TIME, EMPTY_FRAME, EMPTY_QUOTE, UNKNOWN_TYPE, Undone, VolumeOnly
from pipeline.venues.jsonl import BAD_TRADE

TIME = "2024-03-28T16:59:00.114612043Z"
TS = 1_711_645_140_114_612_043


def frame(*items: Mapping[str, object]) -> list[bytes]:
    return [msgspec.json.encode(items)]


GRANTED: dict[str, object] = {"T": "subscription", "trades": ["AAPL"], "quotes": ["AAPL"], "bars": []}


def wishing() -> AlpacaDialect:
    """Return a dialect that has its trades and quotes, and has asked for more."""
    dialect = AlpacaDialect("K", "S", ["AAPL"])
    dialect.received(frame({"T": "success", "msg": "connected"}))
    dialect.received(frame({"T": "success", "msg": "authenticated"}))
    dialect.received(frame(GRANTED))
    return dialect


def streaming() -> AlpacaDialect:
    """Return a dialect that has all that it asked for."""
    dialect = wishing()
    dialect.received(frame(GRANTED | {"statuses": ["AAPL"], "lulds": ["AAPL"]}))
    return dialect


def said(messages: tuple[str, ...]) -> list[dict[str, object]]:
    return [msgspec.json.decode(message) for message in messages]


def test_the_venue_speaks_first() -> None:
    assert AlpacaDialect("K", "S", ["AAPL"]).opened().send == ()


def test_keys_are_sent_when_connected_and_the_symbols_when_authenticated() -> None:
    dialect = AlpacaDialect("K", "S", ["AAPL", "MSFT"])
    keys = dialect.received(frame({"T": "success", "msg": "connected"}))
    assert said(keys.send) == [{"action": "auth", "key": "K", "secret": "S"}]
    wish = dialect.received(frame({"T": "success", "msg": "authenticated"}))
    assert said(wish.send) == [{"action": "subscribe", "trades": ["AAPL", "MSFT"], "quotes": ["AAPL", "MSFT"]}]


def test_a_subscription_that_holds_the_symbols_starts_the_stream() -> None:
    assert streaming().state is State.STREAMING


def test_a_symbol_that_was_not_subscribed_ends_it_in_one_sentence() -> None:
    dialect = AlpacaDialect("K", "S", ["AAPL", "MSFT"])
    turn = dialect.received(frame({"T": "subscription", "trades": ["AAPL"], "quotes": ["AAPL", "MSFT"]}))
    assert "MSFT" in turn.failed


def test_lists_of_subscriptions_are_sets_and_an_empty_one_may_be_left_out() -> None:
    dialect = AlpacaDialect("K", "S", ["AAPL", "MSFT"])
    both = ["MSFT", "AAPL"]
    assert dialect.received(frame({"T": "subscription", "quotes": both, "trades": both, "corrections": both})).granted
    missing = AlpacaDialect("K", "S", ["AAPL"]).received(frame({"T": "subscription", "trades": ["AAPL"]})).failed
    assert "AAPL" in missing


def test_a_feed_that_the_plan_has_not_is_said_so_with_what_to_do() -> None:
    turn = AlpacaDialect("K", "S", ["AAPL"]).received(
        frame({"T": "error", "code": 409, "msg": "insufficient subscription"})
    )
    assert "plan does not have this feed" in turn.failed
    assert "--data-feed" in turn.failed


@pytest.mark.parametrize("code", [404, 406, 407, 500])
def test_an_error_that_passes_is_a_lost_connection(code: int) -> None:
    turn = streaming().received(frame({"T": "error", "code": code, "msg": "no"}))
    assert turn.lost == f"no ({code})"
    assert not turn.failed


@pytest.mark.parametrize("code", [401, 402, 405, 409, 410])
def test_an_error_that_stays_ends_it(code: int) -> None:
    turn = streaming().received(frame({"T": "error", "code": code, "msg": "no"}))
    assert str(code) in turn.failed
    assert not turn.lost


def test_trades_and_quotes_keep_their_nanoseconds() -> None:
    trade = {"T": "t", "S": "AAPL", "i": 4617, "x": "V", "p": 171.24, "s": 100, "c": ["@"], "z": "C", "t": TIME}
    quote = {"T": "q", "S": "AAPL", "bx": "V", "bp": 171.22, "bs": 2, "ax": "V", "ap": 171.24, "as": 1, "t": TIME}
    assert streaming().received(frame(trade, quote)).events == [
        Trade("AAPL", TS, 171.24, 100.0, None, None, "V4617"),
        Quote("AAPL", TS, 171.22, 171.24, 2.0, 1.0),
    ]


@pytest.mark.parametrize("side", ["bs", "as"])
def test_a_quote_with_an_empty_side_is_refused(side: str) -> None:
    quote = {"T": "q", "S": "AAPL", "bp": 171.22, "bs": 2, "ap": 171.24, "as": 1, "t": TIME, side: 0}
    assert streaming().received(frame(quote)).events == [Refused(EMPTY_QUOTE)]


def test_a_time_that_is_none_is_refused() -> None:
    (event,) = streaming().received(frame({"T": "t", "S": "AAPL", "p": 1.0, "s": 1, "t": "yesterday"})).events
    assert isinstance(event, Refused)


def test_other_messages_are_left_out() -> None:
    for kind in ("b", "u", "d", "i", "success"):
        assert streaming().received(frame({"T": kind, "S": "AAPL"})).events == []


@pytest.mark.parametrize("bad", [{"p": "1.5 dollars"}, {"s": []}, {"S": 5}, {"t": 7}, {"T": None}])
def test_a_message_of_wrong_types_costs_no_other_of_its_frame(bad: dict[str, object]) -> None:
    trade = {"T": "t", "S": "AAPL", "i": 1, "x": "V", "p": 1.5, "s": 1, "t": TIME}
    turn = streaming().received(frame(trade | bad, trade))
    assert turn.events == [Refused(BAD_MESSAGE), Trade("AAPL", TS, 1.5, 1.0, None, None, "V1")]
    assert [(it.reason, it.example) for it in turn.unread] == [(BAD_MESSAGE, frame(trade | bad)[0][1:-1])]


@pytest.mark.parametrize("kind", ["", "z", "trade"])
def test_a_message_of_a_type_that_nobody_knows_is_counted(kind: str) -> None:
    assert streaming().received(frame({"T": kind, "S": "AAPL"})).events == [Refused(UNKNOWN_TYPE)]


def test_a_frame_without_messages_is_counted() -> None:
    assert streaming().received(frame()).events == [Refused(EMPTY_FRAME)]


# ----------------------------------------------------------------------------------------------------------- conditions

PRINT = {"T": "t", "S": "AAPL", "i": 1, "x": "V", "p": 1.5, "s": 1, "t": TIME}


def test_of_an_odd_lot_the_size_counts_and_of_an_average_price_nothing() -> None:
    average = PRINT | {"c": [" ", "4", "B"], "z": "A", "p": 1.53, "s": 125_984}
    odd = PRINT | {"c": ["@", "I"], "z": "C", "i": 2, "s": 7}
    assert streaming().received(frame(PRINT | {"c": ["@"], "z": "C"}, average, odd)).events == [
        Trade("AAPL", TS, 1.5, 1.0, None, None, "V1"),
        Prints(PrintKind.ELSEWHERE, 1, 125_984),
        Prints(PrintKind.VOLUME, 1, 7.0),
        VolumeOnly("AAPL", TS, 7.0, "V2"),
    ]


def test_prints_of_a_kind_are_counted_together() -> None:
    late = [PRINT | {"c": ["@", "Z"], "z": "C", "i": number, "s": number} for number in (1, 2, 3)]
    assert streaming().received(frame(*late)).events == [Prints(PrintKind.ELSEWHERE, 3, 6.0)]


@pytest.mark.parametrize("code", ["O", "5", "6"])
def test_an_auction_sets_the_price_and_its_shares_are_counted_apart(code: str) -> None:
    auction = PRINT | {"c": ["@", code], "z": "C", "s": 1_000_000}
    assert streaming().received(frame(auction)).events == [
        Prints(PrintKind.AUCTION, 1, 1_000_000),
        Trade("AAPL", TS, 1.5, 0.0, None, None, "V1"),
    ]


def test_of_a_print_with_an_unknown_code_the_size_counts_and_the_code_is_counted() -> None:
    turn = streaming().received(frame(PRINT | {"c": ["@", "?"], "z": "C", "s": 7}))
    assert turn.events == [
        Prints(PrintKind.VOLUME, 1, 7.0),
        Refused(UNKNOWN_CONDITION),
        VolumeOnly("AAPL", TS, 7.0, "V1"),
    ]
    assert [(it.reason, it.symbol) for it in turn.unread] == [(UNKNOWN_CONDITION, "AAPL")]


@pytest.mark.parametrize("conditions", [{}, {"c": None}, {"c": []}, {"c": [" "], "z": "A"}])
def test_a_print_without_conditions_is_a_trade(conditions: dict[str, object]) -> None:
    assert streaming().received(frame(PRINT | conditions)).events == [Trade("AAPL", TS, 1.5, 1.0, None, None, "V1")]


CANCEL = {"T": "x", "S": "AAPL", "i": 465, "x": "D", "p": 1.5, "s": 300, "a": "C", "z": "C", "t": TIME}
CORRECTION = {
    "T": "c",
    "S": "AAPL",
    "x": "D",
    "oi": 465,
    "op": 1.5,
    "os": 300,
    "oc": [" ", "7"],
    "ci": 466,
    "cp": 1.6,
    "cs": 200,
    "cc": [" ", "7"],
    "z": "B",
    "t": TIME,
}


def test_a_cancel_and_a_correction_name_the_print_as_it_was() -> None:
    assert streaming().received(frame(CANCEL, CORRECTION)).events == [
        Undone("AAPL", TS, "a print was canceled", "D465", 1.5, 300.0),
        Undone("AAPL", TS, "a print was corrected", "D465", 1.5, 300.0, 200.0),
    ]


@pytest.mark.parametrize("message", [CANCEL, CORRECTION])
def test_a_cancel_without_a_time_or_a_symbol_is_refused(message: dict[str, object]) -> None:
    assert streaming().received(frame(message | {"t": ""}, message | {"S": ""})).events == [Refused(BAD_TIME, 2)]


@pytest.mark.parametrize(
    "message", [CANCEL | {"s": -1}, CANCEL | {"i": None}, CORRECTION | {"cs": -1}, {**CORRECTION, "oi": None}]
)
def test_a_cancel_that_names_no_print_is_refused(message: dict[str, object]) -> None:
    assert streaming().received(frame(message)).events == [Refused(BAD_TRADE)]


def test_a_bar_has_a_close_where_a_print_has_conditions() -> None:
    assert streaming().received(frame({"T": "b", "S": "AAPL", "c": 1.5, "o": 1, "n": None, "t": TIME})).events == []


def test_a_subscription_that_holds_the_symbols_is_granted() -> None:
    dialect = AlpacaDialect("K", "S", ["AAPL"])
    assert not dialect.received(frame({"T": "success", "msg": "authenticated"})).granted
    assert dialect.received(frame(GRANTED)).granted


def test_what_an_error_says_goes_no_further_than_a_sentence() -> None:
    assert len(streaming().received(frame({"T": "error", "code": 402, "msg": "x" * 900_000})).failed) < 500


# ------------------------------------------------------------------------------------------------------ halts and bands


def test_halts_and_bands_are_asked_for_when_the_subscription_holds() -> None:
    dialect = AlpacaDialect("K", "S", ["AAPL"])
    dialect.received(frame({"T": "success", "msg": "authenticated"}))
    assert said(dialect.received(frame(GRANTED)).send) == [
        {"action": "subscribe", "statuses": ["AAPL"], "lulds": ["AAPL"]}
    ]


@pytest.mark.parametrize("more", [{}, {"statuses": ["AAPL"], "lulds": ["AAPL"]}])
def test_they_are_asked_for_once_whether_they_were_granted_or_not(more: dict[str, object]) -> None:
    turn = wishing().received(frame(GRANTED | more))
    assert (turn.send, turn.failed, turn.lost) == ((), "", "")


@pytest.mark.parametrize("code", [400, 405, 409, 410])
def test_a_venue_that_denies_them_goes_on_with_trades_and_quotes(code: int) -> None:
    dialect = wishing()
    trade = {"T": "t", "S": "AAPL", "i": 1, "x": "V", "p": 1.5, "s": 1, "t": TIME}
    turn = dialect.received(frame({"T": "error", "code": code, "msg": "no"}, trade))
    assert (turn.failed, turn.lost) == ("", "")
    assert turn.events == [Trade("AAPL", TS, 1.5, 1.0, None, None, "V1")]
    assert dialect.received(frame({"T": "error", "code": code, "msg": "no"})).failed


@pytest.mark.parametrize(
    ("code", "halted"), [("2", True), ("H", True), ("P", True), ("Q", True), ("3", False), ("T", False)]
)
def test_a_status_says_whether_a_symbol_trades(code: str, halted: bool) -> None:
    status = {"T": "s", "S": "AAPL", "sc": code, "sm": "Trading Halt", "rc": "T12", "rm": "News", "t": TIME, "z": "C"}
    assert wishing().received(frame(status)).events == [TradingStatus(TS, "AAPL", halted, "Trading Halt: News")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            {"sc": "P", "sm": "Volatility Trading Pause", "rc": "LUDP", "z": "C"},
            "Volatility Trading Pause: volatility pause",
        ),
        ({"sc": "2", "sm": "Trading Halt", "rc": "M", "rm": "", "z": "A"}, "Trading Halt: limit up, limit down"),
        ({"sc": "H", "sm": "Trading Halt", "rc": "C4", "z": "C"}, "Trading Halt: C4"),
    ],
)
def test_a_reason_without_words_is_told_by_its_code(said: dict[str, object], reason: str) -> None:
    assert wishing().received(frame({"T": "s", "S": "AAPL", "t": TIME} | said)).events == [
        TradingStatus(TS, "AAPL", True, reason)
    ]


def test_a_status_that_neither_stops_nor_resumes_trading_is_left_out() -> None:
    status = {"T": "s", "S": "AAPL", "sc": "E", "sm": "Short Sale Restriction", "t": TIME, "z": "A"}
    assert wishing().received(frame(status)).events == []


def test_a_band_has_a_lower_and_an_upper_price() -> None:
    band = {"T": "l", "S": "AAPL", "u": 3.24, "d": 2.65, "i": "B", "t": TIME, "z": "C"}
    assert wishing().received(frame(band)).events == [PriceBand(TS, "AAPL", 2.65, 3.24)]


@pytest.mark.parametrize("message", [{"T": "s", "S": "AAPL", "sc": "H"}, {"T": "l", "S": "AAPL", "u": 3.0, "d": 2.0}])
def test_a_halt_or_a_band_without_a_time_is_refused(message: dict[str, object]) -> None:
    (event,) = wishing().received(frame(message)).events
    assert isinstance(event, Refused)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_arbitrary_bytes_are_refused_and_never_raise(messages: list[bytes]) -> None:
    assert all(isinstance(event, Refused) for event in AlpacaDialect("K", "S", ["A"]).received(messages).events)
