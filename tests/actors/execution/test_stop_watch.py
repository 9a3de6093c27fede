"""Stops that the price has passed and that rest all the same, and stops that the venue lets expire."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.execution.policy import OrderSettings
from actors.messages import MarketHours, StopPassed
from actors.orders import HeldAtVenue, OrderReport
from tests.support.desk import D, Desk, S, account
from tests.support.market import at

DAY_S = 86_400.0
BEYOND = {"SHORT": 100.7, "LONG": 99.3}  # the stop, which is 0.5 % from 100; the exits of the desk leave at 1 %


def guarded(side: str = "SHORT", *, patience_s: float | None = 2.0) -> Desk:
    """Return a desk with a position of ten shares, whose stop the venue has taken."""
    return Desk(orders=OrderSettings(stop_patience_s=patience_s)).enter(1, side)


def told(desk: Desk, seconds: float, **words: object) -> Desk:
    """Report on the last stop, with what the venue added to it."""
    stop = [order for order in desk.orders if order.role == "stop"][-1]
    report = OrderReport(stop.id, "A", stop.side, S.ACCEPTED, stop.quantity, D(0), None, at(seconds), "v")
    desk.session.feed(msgspec.structs.replace(report, **words))
    return desk


@pytest.mark.parametrize("side", ["SHORT", "LONG"])
def test_a_stop_that_was_passed_and_is_not_filled_is_taken_back_and_the_position_closed_at_market(side: str) -> None:
    desk = guarded(side).tick(2, BEYOND[side]).pass_time(3.9)
    assert (desk.canceled, desk.session.of(StopPassed)) == ([], [])
    desk.pass_time(5)
    stop = desk.last
    assert (desk.canceled, desk.legs) == ([stop.id], ["entry", "stop"])
    (fact,) = desk.session.of(StopPassed)
    assert (fact.symbol, fact.order, fact.stop, fact.limit) == ("A", stop.id, stop.stop, None)
    assert (fact.price, fact.decision) == (D(str(BEYOND[side])), stop.decision)
    desk.say(5.1, S.CANCELED)
    assert (desk.last.role, desk.last.reason, desk.last.limit, desk.last.quantity) == ("exit", "STOP", None, D(10))
    desk.say(5.2, S.FILLED, "10").pass_time(60)
    assert (desk.held, desk.legs, len(desk.session.of(StopPassed))) == ({}, ["entry", "stop", "exit"], 1)


def test_the_limit_that_the_venue_gave_it_is_known_and_told() -> None:
    desk = told(guarded(), 1.5, limit=D("103.01")).say(1.6, S.ACCEPTED)
    assert desk.session.core.orders.working[desk.last.id].limit == D("103.01")  # a report without it takes nothing away
    desk.tick(2, BEYOND["SHORT"]).pass_time(5)
    assert [fact.limit for fact in desk.session.of(StopPassed)] == [D("103.01")]


def test_a_stop_that_fills_before_it_is_taken_back_leaves_nothing_to_close() -> None:
    desk = guarded().tick(2, BEYOND["SHORT"]).pass_time(5).say(5.1, S.FILLED, "10", "100.8")
    assert (desk.held, desk.legs) == ({}, ["entry", "stop"])
    assert desk.session.exits == ["STOP"]


def test_of_one_that_was_filled_in_part_the_rest_is_closed() -> None:
    desk = guarded().tick(2, BEYOND["SHORT"]).say(2.1, S.PARTIALLY_FILLED, "4", "100.8").pass_time(5)
    assert desk.canceled == [desk.last.id]
    desk.say(5.1, S.CANCELED, "6", "100.8")  # two more on the way
    assert (desk.last.role, desk.last.quantity) == ("exit", D(4))


def test_a_price_that_comes_back_in_time_is_none_to_act_on() -> None:
    desk = guarded()
    for second in range(2, 30, 3):
        desk.tick(second, BEYOND["SHORT"]).tick(second + 1.5, 100.2)
    assert (desk.canceled, desk.session.of(StopPassed)) == ([], [])


def test_while_the_market_is_closed_the_price_elects_no_stop() -> None:
    desk = guarded()
    desk.session.feed(MarketHours(((at(100), at(500)),), at(1.5)))
    desk.tick(2, BEYOND["SHORT"]).pass_time(99)
    assert desk.canceled == []
    desk.pass_time(103)
    assert desk.canceled == [desk.last.id]


def test_a_feed_that_is_down_hides_nothing_that_two_readings_of_the_account_agree_on() -> None:
    def short(seconds: float, price: str) -> None:
        desk.session.feed(account(seconds, HeldAtVenue("A", D(-10), D(100), D(price)), orders=()))

    desk = guarded()
    short(5, "100.70")
    short(6, "100.20")
    short(11, "100.70")
    desk.pass_time(12)
    assert desk.canceled == []  # the one before said otherwise
    short(16, "104.10")
    assert desk.canceled == [desk.last.id]
    assert [fact.price for fact in desk.session.of(StopPassed)] == [D("104.10")]


def test_recordings_from_before_it_leave_the_stop_where_it_is() -> None:
    desk = guarded(patience_s=None).tick(2, BEYOND["SHORT"]).pass_time(600)
    assert (desk.canceled, desk.session.of(StopPassed)) == ([], [])


@pytest.mark.parametrize("status", [S.EXPIRED, S.CANCELED])
def test_a_stop_that_the_venue_has_ended_is_placed_again(status: S) -> None:
    desk = guarded().say(2, status)
    assert desk.legs == ["entry", "stop", "stop"]
    assert desk.last.rests


def test_a_stop_that_expires_within_a_day_is_placed_again_before() -> None:
    desk = told(guarded(), 1.5, expires_at=at(1.5 + DAY_S + 10))
    desk.pass_time(10)
    assert desk.canceled == []
    desk.pass_time(14)
    first = desk.last.id
    assert (desk.canceled, desk.legs) == ([first], ["entry", "stop"])
    desk.say(14.1, S.CANCELED)
    assert (desk.legs, desk.last.stop, desk.last.quantity) == (["entry", "stop", "stop"], D("100.50"), D(10))
    told(desk, 14.2, expires_at=at(14.2 + 90 * DAY_S)).pass_time(600)
    assert desk.canceled == [first]


# -------------------------------------------------------------------------------------- whatever happens to it

STEPS = st.one_of(
    st.tuples(st.just("tick"), st.sampled_from([99.3, 100.0, 100.49, 100.5, 100.7, 103.5])),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 0.6, 1.1, 2.5])),
    st.tuples(st.just("report"), st.sampled_from([S.ACCEPTED, S.CANCELED, S.REJECTED, S.PARTIALLY_FILLED, S.FILLED])),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["SHORT", "LONG"]), st.lists(STEPS, max_size=25))
def test_no_two_orders_ever_close_more_than_is_held(side: str, steps: list[tuple[str, object]]) -> None:
    desk = guarded(side)
    filled: dict[str, Decimal] = {}
    now = 2.0
    for step, value in steps:
        now += 0.05
        if step == "tick":
            desk.tick(now, float(str(value)))
        elif step == "wait":
            now += float(str(value))
            desk.pass_time(now)
        elif desk.session.core.orders.working:
            order = next(iter(desk.session.core.orders.working.values())).request
            status = S(str(value))
            before = filled.get(order.id, D(0))
            if status is S.FILLED or (status is S.PARTIALLY_FILLED and before + 1 < order.quantity):
                filled[order.id] = order.quantity if status is S.FILLED else before + 1
            elif status is S.PARTIALLY_FILLED:
                continue
            done = filled.get(order.id, D(0))
            price = D(100) if done else None
            desk.session.feed(OrderReport(order.id, "A", order.side, status, order.quantity, done, price, at(now), "v"))
        held = desk.held.get("A", D(0))
        closing = [o for o in desk.session.core.orders.working.values() if o.role != "entry"]
        assert sum(order.open for order in closing) <= abs(held)
        assert held * (1 if side == "LONG" else -1) >= 0


def test_it_looks_no_more_once_the_position_is_closed() -> None:
    desk = guarded().pass_time(3).say(3.1, S.FILLED, "10", "100.5").pass_time(300)
    assert desk.session.core.clock.next_due > at(400)
