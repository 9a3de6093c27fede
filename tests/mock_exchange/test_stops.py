"""Stop orders as Alpaca has taken them since 2025: refused, capped, fractional, aged; and where legs may lie."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from mock_exchange.events import SECOND, Quote, Trade
from mock_exchange.venue.checks import sub_penny
from mock_exchange.venue.day import in_new_york
from mock_exchange.venue.money import DOLLAR, SHARE
from mock_exchange.venue.orders import Change, Kind, Order, OrderClass, Refusal, Side, Status, TimeInForce
from mock_exchange.venue.stops import limit_of
from tests.mock_exchange.test_matching import Venue
from tests.mock_exchange.test_rest import START, Desk

DAY = 86_400 * SECOND


# -- a buy stop has a limit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "limit"),
    [("100.5", "103.01"), ("110", "112.75")],  # both from $50 on: 2.5 %
)
def test_a_buy_stop_is_read_back_as_the_stop_limit_that_it_became(stop: str, limit: str) -> None:
    desk = Desk()
    order = desk.order(type="stop", stop_price=stop)
    for told in (order, desk.get(f"/v2/orders/{order['id']}"), desk.get("/v2/orders", status="open")[0]):
        assert (told["type"], told["order_type"], told["stop_price"], told["limit_price"]) == (
            *("stop_limit", "stop_limit"),
            *(stop, limit),
        )


def test_a_sell_stop_stays_a_market_order_once_it_is_reached() -> None:
    order = Desk().order(type="stop", side="sell", stop_price="90")
    assert (order["type"], order["limit_price"]) == ("stop", None)


@given(st.integers(1, 20_000_000))
def test_the_limit_is_a_legal_price_four_percent_above_a_cheap_stop_and_two_and_a_half_above_another(stop: int) -> None:
    stop -= stop % 100 if stop >= DOLLAR else 0
    limit = limit_of(stop)
    exact = stop * (1.04 if stop < 50 * DOLLAR else 1.025)
    assert not sub_penny(limit)
    assert exact - (100 if limit >= DOLLAR else 1) < limit <= exact + 1e-6
    assert limit >= stop


def test_beyond_its_limit_a_buy_stop_rests_and_fills_when_the_price_is_back() -> None:
    venue = Venue()
    venue.sell(10)
    stop = venue.buy(10, kind=Kind.STOP, stop=100.50, time_in_force=TimeInForce.GTC)
    venue.quote(105.00, 105.02)
    venue.trade(105.01)
    resting = venue.now(stop)
    assert (resting.status, resting.triggered, resting.filled) == (Status.NEW, True, 0)
    venue.quote(102.99, 103.01)
    assert venue.fills()[-1] == ("buy", 10, 103.01)


def test_within_its_limit_it_is_filled_at_once() -> None:
    venue = Venue()
    venue.sell(10)
    venue.buy(10, kind=Kind.STOP, stop=100.50)
    venue.quote(101.00, 101.02)
    venue.trade(101.00)
    assert venue.fills()[-1] == ("buy", 10, 101.02)


def test_the_limit_moves_with_the_stop_unless_the_client_gives_one_of_its_own() -> None:
    venue = Venue()
    stop = venue.buy(10, kind=Kind.STOP, stop=101.00)
    moved = venue.replace(stop, stop=110 * DOLLAR)
    assert isinstance(moved, Order)
    assert (moved.kind, moved.limit) == (Kind.STOP_LIMIT, 1_127_500)
    own = venue.replace(moved, limit=111 * DOLLAR)
    assert isinstance(own, Order)
    assert (own.kind, own.limit, own.stop) == (Kind.STOP_LIMIT, 111 * DOLLAR, 110 * DOLLAR)
    again = venue.replace(own, stop=109 * DOLLAR)
    assert isinstance(again, Order)
    assert again.limit == 111 * DOLLAR  # its client's


def test_the_stop_leg_of_a_short_bracket_has_one_too() -> None:
    venue = Venue()
    entry = venue.sell(10, order_class=OrderClass.OTO, stop_loss=102.0)
    (leg,) = venue.legs(entry)
    assert (leg.kind, leg.limit) == (Kind.STOP_LIMIT, 1_045_500)


def test_a_buy_stop_is_taken_for_one_without_a_limit_where_wash_trades_are_looked_for() -> None:
    venue = Venue()
    venue.buy(10, kind=Kind.STOP, stop=101.00)
    refusal = venue.refused(Side.SELL, 5, limit=110.0)
    assert refusal.details["reject_reason"] == "opposite side market/stop order exists"


def test_an_opening_buy_stop_needs_the_buying_power_of_its_limit() -> None:
    order = Venue().buy(10, kind=Kind.STOP, stop=101.00)
    assert order.reserve == order.limit == 1_035_200


# -- a stop that is reached already -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "stop", "word"),
    [("sell", "100.02", "less"), ("sell", "100.03", "less"), ("buy", "100.02", "greater"), ("buy", "99", "greater")],
)
def test_a_stop_already_reached_is_refused_with_the_price_that_reached_it(side: str, stop: str, word: str) -> None:
    status, body = Desk().refused(type="stop", side=side, stop_price=stop)
    assert (status, body) == (
        422,
        {
            "code": 42210000,
            "market_price": "100.02",
            "message": f"stop price must be {word} than current price",
            "stop_price": stop,
        },
    )


@pytest.mark.parametrize(("side", "stop"), [("sell", "100.01"), ("buy", "100.03")])
def test_one_that_is_not_reached_is_taken(side: str, stop: str) -> None:
    assert Desk().order(type="stop", side=side, stop_price=stop)["status"] == "pending_new"


def test_it_cannot_be_moved_there_either() -> None:
    venue = Venue()
    venue.buy(10)
    stop = venue.sell(10, kind=Kind.STOP, stop=99.00)
    refusal = venue.replace(stop, stop=1_000_100)
    assert isinstance(refusal, Refusal)
    assert refusal.details == {"market_price": "100.01", "stop_price": "100.01"}
    assert venue.now(stop).status is Status.NEW


# -- parts of a share -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.STOP, Kind.STOP_LIMIT])
def test_parts_of_a_share_are_guarded_by_a_stop_of_the_day(kind: Kind) -> None:
    venue = Venue()
    venue.buy(2.5)
    words: dict[str, Any] = {"limit": 99.0} if kind is Kind.STOP_LIMIT else {}
    stop = venue.sell(2.5, kind=kind, stop=99.50, **words)
    venue.quote(99.40, 99.42)
    venue.trade(99.45)
    assert venue.fills()[-1] == ("sell", 2.5, 99.40)
    assert venue.now(stop).filled == 2.5 * SHARE


# -- where a stop-loss leg may lie ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "words", "fits"),
    [  # the last trade was at 100.01
        (Side.BUY, {"order_class": OrderClass.OTO, "stop_loss": 100.00}, True),
        (Side.BUY, {"order_class": OrderClass.OTO, "stop_loss": 100.01}, False),
        (Side.BUY, {"order_class": OrderClass.OTO, "limit": 90.0, "stop_loss": 89.99}, True),
        (Side.BUY, {"order_class": OrderClass.OTO, "limit": 90.0, "stop_loss": 90.0}, False),
        # in any case the present price: of an entry that waits above it, the stop is reached already
        (Side.BUY, {"order_class": OrderClass.OTO, "kind": Kind.STOP, "stop": 110.0, "stop_loss": 105.0}, False),
        (Side.BUY, {"order_class": OrderClass.OTO, "kind": Kind.STOP, "stop": 110.0, "stop_loss": 99.0}, True),
        (Side.SELL, {"order_class": OrderClass.OTO, "limit": 110.0, "stop_loss": 110.01}, True),
        (Side.SELL, {"order_class": OrderClass.OTO, "limit": 110.0, "stop_loss": 110.0}, False),
        (Side.SELL, {"order_class": OrderClass.OTO, "limit": 95.0, "stop_loss": 99.0}, False),
    ],
)
def test_a_stop_leg_lies_on_the_right_side_of_the_entry_and_of_the_present_price(
    side: Side, words: dict[str, Any], fits: bool
) -> None:
    answer = Venue().ask_for(side, 5, **words)
    assert isinstance(answer, Order) is fits, answer
    if isinstance(answer, Refusal):
        assert answer.message.startswith("stop_loss.stop_price must be")


@pytest.mark.parametrize(("target", "stop", "fits"), [(100.00, 99.99, True), (99.5, 99.49, True), (99.5, 99.5, False)])
def test_that_of_an_oco_order_lies_before_its_target(target: float, stop: float, fits: bool) -> None:
    venue = Venue()
    venue.buy(5)
    answer = venue.ask_for(Side.SELL, 5, order_class=OrderClass.OCO, limit=target, target=target, stop_loss=stop)
    assert isinstance(answer, Order) is fits, answer


# -- how long ---------------------------------------------------------------------------------------------------------


def test_an_order_says_when_it_expires() -> None:
    desk = Desk()
    assert in_new_york(START).isoformat() == "2026-01-05T09:30:00-05:00"
    for time_in_force, expires_at in (("day", "2026-01-05T21:00:00Z"), ("gtc", "2026-04-05T20:15:00Z"), ("ioc", None)):
        order = desk.order(type="limit", limit_price="90", time_in_force=time_in_force)
        assert order["expires_at"] == expires_at  # in summer time, it is 16:15 in New York an hour earlier in UTC


def aged(venue: Venue, order: Order) -> int:
    """Go to the moment at which an order is asked back; return it."""
    venue.ts = order.expires_ns
    venue.venue.roll(venue.ts)
    venue.updates += venue.venue.orders.take_updates()
    return venue.ts


def test_what_is_good_until_canceled_is_asked_back_after_ninety_days_and_canceled_once_that_is_answered() -> None:
    venue = Venue()
    venue.buy(10)
    stop = venue.sell(10, kind=Kind.STOP, stop=99.00, time_in_force=TimeInForce.GTC)
    aged(venue, msgspec.structs.replace(stop, expires_ns=stop.expires_ns - SECOND))
    assert venue.now(stop).status is Status.NEW
    due = aged(venue, stop)
    assert (venue.now(stop).status, venue.now(stop).updated_ns) == (Status.PENDING_CANCEL, due)
    refusal = venue.replace(stop, stop=98 * DOLLAR)
    assert isinstance(refusal, Refusal)
    assert refusal.message == "unable to replace order in current state"
    venue.venue.roll(due + SECOND)
    assert venue.now(stop).status is Status.CANCELED
    venue.updates += venue.venue.orders.take_updates()
    assert venue.changes(stop) == ["new", "pending_cancel", "canceled"]


def test_until_then_it_may_still_be_filled_or_canceled_by_its_client() -> None:
    for ending in ("fill", "cancel"):
        venue = Venue()
        venue.buy(10)
        stop = venue.sell(10, kind=Kind.STOP, stop=99.00, time_in_force=TimeInForce.GTC)
        aged(venue, stop)
        if ending == "fill":
            venue.venue.apply(Quote("AAPL", venue.ts, 98.9, 98.92, 100, 100))
            venue.venue.apply(Trade("AAPL", venue.ts, 98.9, 1, 98.9, 98.92, 1))
        else:
            venue.cancel(stop)
        venue.venue.roll(venue.ts + DAY)
        venue.updates += venue.venue.orders.take_updates()
        assert venue.changes(stop)[1:] == ["pending_cancel", "fill" if ending == "fill" else "canceled"]


def test_orders_of_a_group_end_together_and_once() -> None:
    venue = Venue()
    entry = venue.buy(5, order_class=OrderClass.BRACKET, target=110.0, stop_loss=95.0, time_in_force=TimeInForce.GTC)
    aged(venue, entry)
    venue.venue.roll(venue.ts + DAY)
    venue.updates += venue.venue.orders.take_updates()
    for leg in venue.legs(entry):
        assert venue.now(leg).status is Status.CANCELED
        assert venue.changes(leg).count(Change.CANCELED) == 1
