"""Alpaca's bodies and frames: what a report is made of, and what is refused before it becomes one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.codec import Authorization, ErrorBody, Listening, OrderBody, Unreadable, Update
from actors.orders import HeldAtVenue, OrderReport, OrderRole, OrderSide, OrderStatus, SubmitOrder
from tests.support.alpaca import ACCOUNT, body, order

NOW = 7
AT = 1_767_366_245_500_000_000  # of what `body` writes


def report_of(**fields: Any) -> OrderReport:
    return codec.order_report(codec.decode(msgspec.json.encode(body(**fields)), OrderBody), NOW)


def account_of(**fields: Any) -> Any:
    return codec.account_report(codec.decode(msgspec.json.encode(ACCOUNT | fields), codec.AccountBody), NOW, (), (), ())


# ------------------------------------------------------------------------------------------------------------ orders


def test_an_order_is_reported_exactly() -> None:
    report = report_of(
        status="partially_filled", side="sell", filled_qty="2", filled_avg_price="150.015", stop_price="149.5"
    )
    assert report == OrderReport(
        order="one",
        symbol="AAPL",
        side=OrderSide.SELL,
        status=OrderStatus.PARTIALLY_FILLED,
        quantity=Decimal(5),
        filled=Decimal(2),
        average=Decimal("150.015"),
        ts=AT,
        venue_id="v-one",
        stop=Decimal("149.5"),
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, OrderStatus.ACCEPTED) for word in ("new", "accepted", "pending_new", "accepted_for_bidding", "held")),
        *((word, OrderStatus.ACCEPTED) for word in ("stopped", "suspended", "pending_replace", "pending_review")),
        ("pending_cancel", OrderStatus.CANCEL_PENDING),
        ("canceled", OrderStatus.CANCELED),
        ("replaced", OrderStatus.CANCELED),
        ("expired", OrderStatus.EXPIRED),
        ("done_for_day", OrderStatus.EXPIRED),
        ("calculated", OrderStatus.EXPIRED),
        ("rejected", OrderStatus.REJECTED),
    ],
)
def test_each_documented_status_has_its_place(word: str, status: OrderStatus) -> None:
    assert codec.is_known(word)
    assert report_of(status=word).status is status


@pytest.mark.parametrize("word", ["new", "accepted", "stopped", "sunshine"])
@pytest.mark.parametrize(("filled", "status"), [("2", "partially_filled"), ("5", "filled")])
def test_an_order_that_works_and_has_fills_is_filled_so_far(word: str, filled: str, status: str) -> None:
    report = report_of(status=word, filled_qty=filled, filled_avg_price="150")
    assert report.status == status


def test_a_status_that_is_not_documented_counts_as_working() -> None:
    assert not codec.is_known("sunshine")
    assert report_of(status="sunshine").status is OrderStatus.ACCEPTED


@pytest.mark.parametrize("word", ["done_for_day", "calculated"])
def test_an_order_that_stays_outlives_the_day(word: str) -> None:
    assert report_of(status=word, time_in_force="gtc").status is OrderStatus.ACCEPTED
    assert report_of(status=word, filled_qty="5", filled_avg_price="1").status is OrderStatus.FILLED


def test_a_canceled_order_keeps_what_was_filled_of_it() -> None:
    report = report_of(status="canceled", filled_qty="2", filled_avg_price="150")
    assert (report.status, report.filled) == (OrderStatus.CANCELED, Decimal(2))


def test_a_replaced_order_names_the_other() -> None:
    assert "v-two" in report_of(status="replaced", replaced_by="v-two").reason


def test_a_rejected_order_has_a_reason() -> None:
    assert report_of(status="rejected").reason


def test_the_time_is_the_newest_that_the_venue_gives() -> None:
    assert report_of(filled_at="2026-01-02T10:04:06-05:00").ts == AT + 500_000_000
    untimed = codec.decode(msgspec.json.encode(body(updated_at=None)), OrderBody)
    assert codec.order_report(untimed, NOW, "2026-01-02T15:04:05.5Z").ts == AT
    assert codec.order_report(untimed, NOW).ts == NOW


@pytest.mark.parametrize(
    "fields",
    [
        {"filled_qty": "2"},
        {"filled_qty": "2", "filled_avg_price": "0"},
        {"filled_qty": "-2", "filled_avg_price": "1"},
        {"qty": "NaN"},
        {"qty": "-5"},
        {"qty": "1e999999"},
        {"filled_qty": "Infinity", "filled_avg_price": "1"},
        {"stop_price": "sNaN"},
    ],
)
def test_an_order_of_numbers_that_cannot_be_is_unreadable(fields: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        report_of(**fields)


@given(
    st.fixed_dictionaries(
        {name: st.none() | st.decimals().map(str) for name in ("qty", "filled_qty", "filled_avg_price", "stop_price")}
    )
)
def test_arbitrary_numbers_are_unreadable_or_of_an_order_that_can_be(fields: dict[str, Any]) -> None:
    try:
        report = report_of(**fields)
    except Unreadable:
        return
    assert report.filled >= 0
    assert (report.average is None) == (report.filled == 0)
    assert report.average is None or report.average > 0


def test_an_order_of_several_legs_is_readable() -> None:
    assert report_of(symbol=None, side=None, client_order_id=None).order == "v-one"


def test_an_order_by_value_has_the_quantity_that_was_filled() -> None:
    report = report_of(qty=None, filled_qty="0.5", filled_avg_price="150")
    assert (report.quantity, report.filled) == (Decimal("0.5"), Decimal("0.5"))


# ------------------------------------------------------------------------------------------- account, positions, assets


def test_an_account_is_reported_exactly() -> None:
    report = account_of(cash="100.10", shorting_enabled=False)
    assert (report.number, report.cash) == ("PA1", Decimal("100.10"))
    assert not report.shorting
    assert not report.blocked


@pytest.mark.parametrize("flag", ["trading_blocked", "account_blocked", "trade_suspended_by_user"])
def test_a_blocked_account_says_why(flag: str) -> None:
    assert account_of(**{flag: True}).blocked


def test_day_trades_are_no_more_whatever_a_venue_still_says_of_them() -> None:
    """The fields went on 2026-07-06; a report that has them is from a recording."""
    report = account_of(equity="10000", daytrade_count=3, pattern_day_trader=True)
    assert (report.day_trades, report.day_trades_limited) == (msgspec.UNSET, msgspec.UNSET)
    assert b"day_trades" not in msgspec.json.encode(report)


@pytest.mark.parametrize(
    ("said", "borrow", "shortable"),
    [
        ({"borrow_status": "easy_to_borrow"}, "easy_to_borrow", True),
        ({"borrow_status": "easy_to_borrow", "easy_to_borrow": False}, "easy_to_borrow", True),
        ({"borrow_status": "hard_to_borrow", "easy_to_borrow": True}, "hard_to_borrow", False),
        ({"easy_to_borrow": True}, "easy_to_borrow", True),
        ({"easy_to_borrow": False}, "hard_to_borrow", False),
        ({}, "unknown", False),
        ({"borrow_status": "some_new_word"}, "some_new_word", False),
        ({"borrow_status": "easy_to_borrow", "shortable": False}, "easy_to_borrow", False),
    ],
)
def test_only_what_is_known_to_be_easy_to_borrow_is_sold_short(
    said: dict[str, Any], borrow: str, shortable: bool
) -> None:
    body = {"symbol": "AAPL", "tradable": True, "shortable": True} | said
    report = codec.asset_report(codec.decode(msgspec.json.encode(body), codec.AssetBody), NOW)
    assert (report.borrow, report.shortable) == (borrow, shortable)


@pytest.mark.parametrize(
    ("status", "code", "message", "asset", "money"),
    [
        (422, 42210000, 'asset "AAPL" cannot be sold short', True, False),
        (422, 42210000, 'asset "AAPL" is not tradable', True, False),
        (422, 42210000, "qty must be > 0", False, False),
        (403, 40310000, "insufficient buying power", False, True),
        (403, 40310000, "potential wash trade detected. use complex orders", False, False),
        (403, 40310000, "insufficient qty available for order (requested: 5, available: 4)", False, False),
        (403, 40310100, "trade denied due to pattern day trading protection", False, False),
    ],
)
def test_refusals_of_one_code_are_told_apart_by_their_text(
    status: int, code: int, message: str, asset: bool, money: bool
) -> None:
    error = codec.refusal(msgspec.json.encode({"code": code, "message": message}), status)
    assert (codec.is_about_asset(status, error), codec.is_about_money(status, error)) == (asset, money)


@pytest.mark.parametrize("quantity", ["5", "-5"])
def test_a_short_position_is_negative_however_it_is_written(quantity: str) -> None:
    written = {"symbol": "AAPL", "qty": quantity, "avg_entry_price": "150.5", "side": "short"}
    position = codec.held(codec.decode(msgspec.json.encode(written), codec.PositionBody))
    assert position == HeldAtVenue("AAPL", Decimal(-5), Decimal("150.5"))


# ------------------------------------------------------------------------------------------------------ our own words


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ({}, {"type": "market"}),
        ({"limit": "150.10"}, {"type": "limit", "limit_price": "150.10"}),
        ({"stop": "149"}, {"type": "stop", "stop_price": "149"}),
    ],
)
def test_an_order_is_written_as_the_venue_takes_it(kind: dict[str, str], more: dict[str, str]) -> None:
    wanted = {"symbol": "AAPL", "qty": "5", "side": "buy", "time_in_force": "day", "client_order_id": "one"}
    assert msgspec.json.decode(codec.submission(order(**kind))) == wanted | more  # type: ignore[arg-type]


def test_an_order_that_rests_is_good_till_canceled() -> None:
    assert msgspec.json.decode(codec.submission(order(rests=True)))["time_in_force"] == "gtc"


def test_numbers_are_written_without_an_exponent() -> None:
    assert [codec.plain(Decimal(text)) for text in ("1E+2", "0.10", "1E-7")] == ["100", "0.10", "0.0000001"]


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("status", "error", "duplicate"),
    [
        (422, ErrorBody("client_order_id must be unique", None), True),
        (422, codec.refusal(b'{"code":40010001}', 422), True),
        (422, ErrorBody("invalid side", 40010001), False),
        (422, ErrorBody("stop price is required for stop orders", 40010001), False),
        (422, ErrorBody("qty must be > 0", 42210000), False),
        (403, ErrorBody("client_order_id must be unique", None), False),
    ],
)
def test_a_duplicate_is_told_by_its_words_or_by_the_code_alone(status: int, error: ErrorBody, duplicate: bool) -> None:
    assert codec.is_duplicate(status, error) is duplicate


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (ErrorBody("order not found for one", None), True),
        (ErrorBody("no", 40410000), True),
        (ErrorBody("endpoint not found.", None), False),
    ],
)
def test_a_wrong_address_is_no_missing_order(error: ErrorBody, missing: bool) -> None:
    assert codec.is_missing(404, error) is missing


@pytest.mark.parametrize(
    ("status", "error", "keys"),
    [
        (401, ErrorBody("unauthorized"), True),
        (403, ErrorBody("forbidden."), True),
        (403, ErrorBody("insufficient buying power", 40310000), False),
    ],
)
def test_refused_keys_are_told_from_a_refused_order(status: int, error: ErrorBody, keys: bool) -> None:
    assert codec.is_about_keys(status, error) is keys


@pytest.mark.parametrize(
    ("status", "error", "passed"),
    [
        (422, {"message": "stop price must be less than current price", "market_price": "162.6"}, True),
        (422, {"message": "stop price must be greater than current price"}, True),
        (422, {"message": "stop price must be at least 0.01 below the market", "market_price": 162.6}, True),
        (422, {"message": "stop price must be > 0"}, False),
        (422, {"message": "the market is past it", "market_price": "162.6"}, True),
        (422, {"message": "the market is past it", "market_price": 167.01}, True),
        (422, {"message": "qty must be > 0", "market_price": "167.02"}, False),
        (422, {"message": "qty must be > 0", "market_price": "NaN"}, False),
        (422, {"message": "qty must be > 0", "market_price": "1e999999"}, False),
        (422, {"message": "qty must be > 0", "market_price": {}}, False),
        (403, {"message": "stop price must be less than current price", "market_price": "162.6"}, False),
    ],
)
def test_a_stop_that_is_passed_is_told_from_one_that_is_wrong(
    status: int, error: dict[str, object], passed: bool
) -> None:
    refusal = codec.refusal(msgspec.json.encode({"code": 42210000, "stop_price": "167.01", **error}), status)
    assert refusal.message == error["message"]
    stop = SubmitOrder("1", "AAPL", OrderSide.SELL, Decimal(1), "d", OrderRole.STOP, stop=Decimal("167.01"))
    assert codec.is_passed(status, refusal, stop) is passed
    assert not codec.is_passed(status, refusal, msgspec.structs.replace(stop, stop=None))


@pytest.mark.parametrize(("price", "passed"), [("167.00", False), ("167.01", True), ("170", True)])
def test_a_buy_stop_is_passed_by_a_price_above_it(price: str, passed: bool) -> None:
    stop = SubmitOrder("1", "AAPL", OrderSide.BUY, Decimal(1), "d", OrderRole.STOP, stop=Decimal("167.01"))
    assert codec.is_passed(422, codec.ErrorBody("no", 42210000, price), stop) is passed


def test_of_a_stop_order_the_limit_and_the_end_that_the_venue_gave_it_are_reported() -> None:
    report = report_of(stop_price="100.5", limit_price="103.01", time_in_force="gtc", expires_at="2026-04-05T20:15:00Z")
    assert (report.stop, report.limit) == (Decimal("100.5"), Decimal("103.01"))
    assert report.expires_at == codec.nanoseconds("2026-04-05T20:15:00Z")


@pytest.mark.parametrize(
    "words",
    [
        {"limit_price": "103.01"},  # a limit order's own
        {"stop_price": "100.5", "limit_price": None},
        {"stop_price": "100.5", "limit_price": "NaN"},
        {"stop_price": "100.5", "limit_price": "0"},
        {"time_in_force": "gtc", "expires_at": "some day"},
        {"time_in_force": "day", "expires_at": "2026-04-05T20:15:00Z"},
    ],
)
def test_where_there_are_none_a_report_has_none_and_its_record_says_nothing(words: dict[str, object]) -> None:
    report = report_of(**words)
    assert (report.limit, report.expires_at) == (msgspec.UNSET, msgspec.UNSET)
    assert not {"limit", "expires_at"} & msgspec.to_builtins(report).keys()


@pytest.mark.parametrize(("price", "told"), [("151.25", Decimal("151.25")), (None, None), ("NaN", None), ("-1", None)])
def test_a_position_may_tell_its_last_price(price: str | None, told: Decimal | None) -> None:
    body = codec.PositionBody("AAPL", Decimal(5), Decimal("150.5"), "long", Decimal(price) if price else None)
    assert codec.held(body).price == (told or msgspec.UNSET)


def test_a_refusal_without_words_is_told_by_its_status() -> None:
    assert codec.refusal(b"<html>", 502).message == "the venue answered 502"
    assert len(codec.refusal(msgspec.json.encode({"message": "x" * 9_999}), 422).message) == 300


# --------------------------------------------------------------------------------------------------- frames and times


def test_frames_of_the_handshake_are_told_apart() -> None:
    assert codec.frame('{"stream":"authorization","data":{"status":"authorized"}}') == Authorization("authorized")
    assert codec.frame(b'{"stream":"listening","data":{"streams":["trade_updates"]}}') == Listening(("trade_updates",))
    assert codec.frame(b'{"stream":"weather","data":{"sun":1}}') is None


def test_an_update_is_its_order_and_leaves_out_the_price_beside_it() -> None:
    filled = body(status="filled", filled_qty="5", filled_avg_price="150.5")
    update = {"event": "fill", "price": "151", "qty": "1", "order": filled, "timestamp": "2026-01-02T15:04:05.5Z"}
    message = codec.frame(msgspec.json.encode({"stream": "trade_updates", "data": update}))
    assert isinstance(message, Update)
    assert codec.order_report(message.order, NOW).average == Decimal("150.5")


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_unreadable_or_a_frame(payload: bytes) -> None:
    try:
        codec.frame(payload)
    except Unreadable:
        return


@pytest.mark.parametrize("payload", [b"", b"null", b"[" * 10_000, b"\xff\xfe", b'{"stream":"trade_updates","data":{}}'])
def test_frames_that_say_nothing_are_unreadable(payload: bytes) -> None:
    with pytest.raises(Unreadable):
        codec.frame(payload)


@pytest.mark.parametrize(
    ("time", "ts"),
    [
        ("2026-01-02T15:04:05.5Z", AT),
        ("2026-01-02T10:04:05.5-05:00", AT),
        ("2026-01-02T15:04:05.500000001Z", AT + 1),
        ("2026-01-02T15:04:05", None),
        ("2026-13-02T15:04:05Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_keep_their_nanoseconds(time: str | None, ts: int | None) -> None:
    assert codec.nanoseconds(time) == ts


@given(st.integers(min_value=1_000_000_000, max_value=1 << 61))
def test_a_time_that_is_written_is_read_again(ts: int) -> None:
    assert codec.nanoseconds(codec.rfc3339(ts)) == ts


@given(st.text(max_size=40))
def test_arbitrary_text_is_a_time_or_none(text: str) -> None:
    found = codec.nanoseconds(text)
    assert found is None or found > 0


# -------------------------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    ("field", "most"), [("id", 128), ("client_order_id", 128), ("symbol", 32), ("status", 128), ("updated_at", 128)]
)
def test_a_text_of_an_order_has_a_bound(field: str, most: int) -> None:
    order = {"id": "v", "symbol": "AAPL"}
    codec.decode(msgspec.json.encode(order | {field: "x" * most}), OrderBody)
    for length in (most + 1, 900_000):
        with pytest.raises(Unreadable):
            codec.decode(msgspec.json.encode(order | {field: "x" * length}), OrderBody)


def test_a_body_of_more_objects_than_an_account_has_is_refused_before_any_is_made() -> None:
    body = b"[" + b",".join([b'{"id":""}'] * 100_000) + b"]"
    with pytest.raises(Unreadable, match="without end"):
        codec.decode(body, list[OrderBody])
    with pytest.raises(Unreadable, match="without end"):
        codec.frame(b'{"stream":"trade_updates","data":' + body + b"}")


@pytest.mark.parametrize("digits", ["0." + "1" * 1_000, "0." + "0" * 500 + "1", "1" * 1_000])
def test_a_number_with_digits_without_end_is_none(digits: str) -> None:
    with pytest.raises(Unreadable):
        codec.order_report(codec.decode(msgspec.json.encode({"id": "v", "filled_qty": digits}), OrderBody), 1)


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        ("rejected", "price is too far away", "price is too far away"),
        ("rejected", None, "the venue took the order and rejected it"),
        ("rejected", {"code": 1}, "the venue took the order and rejected it"),
        ("canceled", "by user", ""),
    ],
)
def test_a_rejection_is_told_in_the_venues_words_where_the_stream_has_them(
    status: str, reason: object, told: str
) -> None:
    update = codec.Update("x", codec.OrderBody("v", "AAPL", "one", "buy", status), None, reason)
    assert codec.with_reason(codec.order_report(update.order, 1), update).reason == told
