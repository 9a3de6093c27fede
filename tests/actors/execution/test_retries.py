"""What the venue refuses is tried again later each time, whoever wishes for it, and keeps nothing else back."""

from __future__ import annotations

import pytest

from actors.execution.retries import MOST_WAIT_S, Retries
from actors.messages import BrokerChanged, Command, ExitDecided, FeedState, OrderChanged
from actors.orders import (
    CancelOrder,
    CancelRefused,
    OrderRejected,
    OrderReport,
    OrderRole,
    OrderSide,
    OrderStatus,
    SubmitOrder,
)
from tests.support.desk import BOOK, D, Desk, S
from tests.support.market import at, trade


def leaving() -> Desk:
    """A desk whose exit has just been refused for the first time, at 2 s."""
    return Desk().enter().tick(2, 98.5).say(2, S.CANCELED).say(2, S.REJECTED)


def exits(desk: Desk) -> list[SubmitOrder]:
    return [order for order in desk.orders if order.role == "exit"]


def test_a_wish_to_leave_at_every_tick_does_not_shorten_the_waiting() -> None:
    desk = leaving()
    times = []
    for tenth in range(21, 1_000):
        before = len(desk.orders)
        desk.tick(tenth / 10, 98.5 - tenth / 1_000)
        if len(desk.orders) > before:
            times.append(tenth / 10)
            desk.say(tenth / 10, S.REJECTED)
    assert times == [3, 5, 9, 17, 33, 63, 93]
    assert len(desk.session.of(ExitDecided)) == 1


@pytest.mark.parametrize("name", ["flatten", "halt"])
def test_a_command_to_leave_does_not_shorten_the_waiting_and_is_what_the_next_exit_is_sent_for(name: str) -> None:
    desk = leaving().pass_time(3).say(3, S.REJECTED)
    desk.session.feed(Command(name, at(3.5)))
    assert len(exits(desk)) == 2
    desk.pass_time(5)
    assert [order.reason for order in exits(desk)] == ["SL", "SL", name.upper()]


def test_the_refusals_of_one_position_are_no_other_s() -> None:
    desk = leaving().pass_time(3).say(3, S.REJECTED).pass_time(5).say(5, S.FILLED, "10", "98")
    desk.enter(6).tick(7, 98.5).say(7, S.CANCELED).say(7, S.REJECTED).pass_time(8)
    assert len(exits(desk)) == 5


def test_the_time_of_waiting_of_an_earlier_refusal_does_not_end_a_later_one() -> None:
    """The gate closed the position, and what was waited for would have been tried again at 5."""
    desk = leaving().pass_time(3).say(3, S.REJECTED)
    decision = desk.session.core.positions.open["A"].decision
    by_hand = SubmitOrder(f"{BOOK}.{decision}.A.gate.1", "A", OrderSide.SELL, D(10), decision, OrderRole.GATE, "HALT")
    desk.session.core.orders.add(by_hand)
    desk.session.feed(OrderReport(by_hand.id, "A", OrderSide.SELL, S.FILLED, D(10), D(10), D(98), at(3.1), "g"))
    assert desk.held == {}
    desk.enter(3.5).tick(4, 98.5).say(4, S.CANCELED).say(4.5, S.REJECTED)
    sent = len(exits(desk))
    desk.pass_time(5.4).tick(5.45, 98)
    assert len(exits(desk)) == sent
    desk.pass_time(5.5)
    assert len(exits(desk)) == sent + 1


def test_a_refused_stop_keeps_no_exit_waiting() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1, S.FILLED, "10").say(1, S.REJECTED).tick(1.1, 98.5)
    assert (desk.last.role, desk.last.reason) == ("exit", "SL")


@pytest.mark.parametrize("status", [S.CANCELED, S.EXPIRED])
@pytest.mark.parametrize("leg", ["stop", "exit"])
def test_what_the_venue_ends_by_itself_is_sent_again_at_once_and_then_later_each_time(
    status: OrderStatus, leg: str
) -> None:
    """Taken, and taken off the book again: as fast as the venue answers that would go on."""
    desk = Desk().enter()
    if leg == "exit":
        desk.tick(2, 98.5).say(2, S.CANCELED)
    times: list[float] = []
    for half in range(4, 150):
        for _ in range(3):  # as often as there is something to end
            before = len(desk.orders)
            if half == 4 or times:
                desk.say(half / 2, status)
            desk.pass_time(half / 2)
            times += [half / 2] * (len(desk.orders) - before)
    assert times == [2, 4, 8, 16, 32, 62]
    assert desk.held == {"A": D(10)}


def test_an_exit_that_filled_a_part_begins_the_waiting_again() -> None:
    desk = leaving().pass_time(3).say(3, S.REJECTED).pass_time(5)
    desk.say(5, S.PARTIALLY_FILLED, "4", "98").say(5.1, S.CANCELED, "4", "98")
    assert desk.last.quantity == 6
    sent = len(exits(desk))
    desk.say(5.2, S.REJECTED).pass_time(6.1)
    assert len(exits(desk)) == sent
    desk.pass_time(6.2)
    assert len(exits(desk)) == sent + 1


def test_refusals_of_a_whole_night_stop_nothing() -> None:
    desk = leaving()
    for n in range(1, 1_300):
        desk.pass_time(2 + 30 * n)
        if len(desk.session.core.orders.working) == 1:
            desk.say(2 + 30 * n, S.REJECTED)
    assert len(exits(desk)) > 1_100
    assert desk.session.of(OrderRejected)[-1].refusals == len(exits(desk))


def test_what_was_refused_while_the_line_was_down_goes_out_as_soon_as_it_is_up() -> None:
    """An order that cannot be sent is refused, too: by the broker, half a minute apart in the end."""
    desk = leaving()
    desk.session.feed(BrokerChanged(FeedState.DOWN, at(2.5), "gone"))
    for seconds in (3, 5, 9):
        desk.pass_time(seconds).say(seconds, S.REJECTED)
    sent = len(exits(desk))
    desk.session.feed(BrokerChanged(FeedState.CONNECTING, at(10)))
    assert len(exits(desk)) == sent
    desk.session.feed(BrokerChanged(FeedState.LIVE, at(10)))
    assert len(exits(desk)) == sent + 1
    desk.say(10, S.REJECTED).pass_time(25.9)
    assert len(exits(desk)) == sent + 1  # and the count goes on
    desk.pass_time(26)
    assert len(exits(desk)) == sent + 2


def test_what_was_refused_long_ago_does_not_count() -> None:
    retries = Retries(1.0)
    assert [retries.refuse("A", "stop", at(seconds)) for seconds in (0, 1, 3)] == [1, 2, 3]
    assert retries.refuse("A", "exit", at(3)) == 1
    assert retries.refuse("A", "stop", at(7 + MOST_WAIT_S)) == 4
    assert retries.refuse("A", "stop", at(7 + MOST_WAIT_S + 8 + MOST_WAIT_S + 0.001)) == 1


# --------------------------------------------------------------------------------------------- cancels


def test_a_cancel_that_is_refused_is_repeated_later_each_time_however_often_it_is_wished_for() -> None:
    desk = Desk().enter().tick(2, 98.5)
    times = [2.0] * len(desk.canceled)
    for tenth in range(20, 1_000):
        now = tenth / 10
        desk.tick(now, 98.5)
        if len(desk.canceled) > len(times):
            times.append(now)
        if desk.session.core.orders.working[desk.last.id].status is S.CANCEL_PENDING:
            desk.session.feed(CancelRefused(desk.last.id, at(now), "no"))
            desk.say(now, S.ACCEPTED)
    assert times == [2, 4, 8, 16, 32, 62, 92]
    unknown = [fact for fact in desk.session.of(OrderChanged) if fact.status is S.UNKNOWN]
    assert [fact.refusals for fact in unknown] == list(range(1, 8))


def test_wishes_that_wait_for_a_cancel_wait_for_one_timer() -> None:
    """A thousand ticks in the time of waiting, and the bound on timers is no nearer."""
    desk = Desk().enter().tick(2, 98.5)
    desk.session.feed(CancelRefused(desk.last.id, at(2), "no"))
    desk.say(2, S.ACCEPTED).tick(2, 98.4)
    timers = desk.session.core.clock.waiting
    for n in range(1_000):
        desk.tick(2 + n / 1_000, 98.4)
    assert desk.session.core.clock.waiting <= timers


# --------------------------------------------------------------------------------------------- a stop that is passed


@pytest.mark.parametrize(("side", "price"), [("LONG", 99.4), ("SHORT", 100.6)])
def test_a_stop_that_the_price_has_passed_is_an_exit_at_once(side: str, price: float) -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says=side))
    desk.say(1, S.FILLED, "10").tick(1.1, price)
    stop = desk.last
    passed = OrderReport(stop.id, "A", stop.side, S.REJECTED, D(10), D(0), None, at(1.2), reason="no", passed=True)
    desk.session.feed(passed)
    assert desk.legs == ["entry", "stop", "exit"]
    assert (desk.last.reason, desk.last.limit) == ("STOP", None)
    desk.say(1.3, S.FILLED, "10", str(price))
    assert desk.session.exits == ["STOP"]


# --------------------------------------------------------------------------------------------- the others


def test_five_positions_that_the_venue_does_not_let_go_keep_nothing_of_a_sixth_waiting() -> None:
    desk = Desk()
    stuck, free = ("A", "B", "C", "D", "E"), "F"
    seen = 0

    def answer(now: float) -> None:
        """Fill entries; refuse what would close one of the five, and take all that the sixth needs."""
        nonlocal seen
        while seen < len(desk.broker.messages):
            message = desk.broker.messages[seen]
            seen += 1
            if isinstance(message, SubmitOrder):
                closes = message.role != "entry"
                refused = closes and message.symbol in stuck
                rests = message.role == "stop"
                status = S.REJECTED if refused else S.ACCEPTED if rests else S.FILLED
                filled = message.quantity if status is S.FILLED else D(0)
                report(message, status, filled, now)
            elif isinstance(message, CancelOrder):
                (order,) = [o for o in desk.orders if o.id == message.id]
                report(order, S.CANCELED, D(0), now)

    def report(order: SubmitOrder, status: OrderStatus, filled: object, now: float) -> None:
        average = D(100) if filled else None
        of = (order.id, order.symbol, order.side, status, order.quantity)
        desk.session.feed(OrderReport(*of, D(str(filled)), average, at(now), "v"))

    for symbol in (*stuck, free):
        desk.session.feed(trade(1, 100, symbol=symbol, says="LONG"))
    answer(1)
    assert [order.role for order in desk.orders if order.symbol == free] == ["entry", "stop"]
    for tenth in range(11, 3_000):
        now = tenth / 10
        for symbol in stuck:
            desk.session.feed(trade(now, 98.5, symbol=symbol))
        answer(now)
    closing = [order for order in desk.orders if order.symbol in stuck and order.role != "entry"]
    assert len(closing) <= 5 * (2 + 16)  # in five minutes: the stop, and an exit at 1, 2, 4, 8, 16, 30, 30 ... seconds
    before = len(desk.broker.messages)
    desk.session.feed(trade(300, 98.5, symbol=free))
    assert [type(message) for message in desk.broker.messages[before:]] == [CancelOrder]
    answer(300)
    assert [order.role for order in desk.orders if order.symbol == free] == ["entry", "stop", "exit"]
    assert set(desk.held) == set(stuck)
