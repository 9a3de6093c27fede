"""What gets lost or comes twice between a broker outside and the order path."""

from __future__ import annotations

from actors.execution.policy import OrderSettings
from actors.messages import (
    Command,
    OrderChanged,
    Refusal,
)
from actors.orders import (
    CancelRefused,
    OrderMissing,
    OrderRejected,
    SubmitUnanswered,
)
from tests.support.desk import D, Desk, S
from tests.support.market import at, trade


def test_an_unanswered_submit_is_looked_up_and_never_sent_again() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.session.feed(SubmitUnanswered(desk.last.id, at(2), "504"))
    assert desk.looked_up == [desk.last.id]
    desk.session.feed(trade(2.5, 100, says="LONG"))
    assert desk.session.verdicts[-1] is Refusal.POSITION_OPEN
    desk.say(3, S.FILLED, "10")
    assert desk.held == {"A": D(10)}
    assert desk.legs == ["entry", "stop"]


def test_an_order_that_was_to_be_taken_back_while_unknown_is_once_it_turns_up() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.session.feed(SubmitUnanswered(desk.last.id, at(2), "504"), Command("flatten", at(2.1)))
    assert desk.canceled == []  # of what, nobody knows
    desk.say(2.5, S.ACCEPTED)
    assert desk.canceled == [desk.last.id]


def test_silence_is_an_unanswered_submit_too() -> None:
    desk = Desk(orders=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.pass_time(5.9)
    assert desk.looked_up == []
    desk.pass_time(6)
    assert desk.looked_up == [desk.last.id]
    statuses = [fact.status for fact in desk.session.of(OrderChanged)]
    assert statuses == [S.UNKNOWN]


def test_an_answer_is_waited_for_from_what_was_asked_last() -> None:
    desk = Desk(orders=OrderSettings(entry_timeout_s=4.5))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1.1, S.ACCEPTED).pass_time(5.5)
    assert desk.canceled == [desk.last.id]
    desk.pass_time(10.4)  # five seconds after the submit were over at 6
    assert desk.looked_up == []
    desk.pass_time(10.5)
    assert desk.looked_up == [desk.last.id]


def test_an_order_that_nobody_knows_for_long_was_never_placed() -> None:
    desk = Desk(orders=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.session.feed(SubmitUnanswered(desk.last.id, at(1), "cut"))
    for second in range(1, 11):
        desk.pass_time(second)
        desk.session.feed(OrderMissing(desk.last.id, at(second)))
        assert desk.session.core.orders.is_working("A")
    desk.pass_time(11).session.feed(OrderMissing(desk.last.id, at(11)))
    assert not desk.session.core.orders.is_working("A")
    assert [fact.reason for fact in desk.session.of(OrderRejected)] == ["the venue never got it"]
    assert len(desk.looked_up) == 6  # at once, and every two seconds


def test_what_is_told_of_an_unknown_order_again_does_not_put_off_its_end() -> None:
    desk = Desk(orders=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    for second in (1, 6):
        desk.session.feed(SubmitUnanswered(desk.last.id, at(second), "cut"))
    desk.session.feed(OrderMissing(desk.last.id, at(11)))
    assert not desk.session.core.orders.is_working("A")


def test_a_late_answer_that_an_order_is_missing_does_not_end_one_that_is_there() -> None:
    desk = Desk(orders=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1.1, S.ACCEPTED).session.feed(OrderMissing(desk.last.id, at(30)))
    assert desk.session.core.orders.is_working("A")


def test_an_order_that_turns_up_after_all_is_taken_back() -> None:
    desk = Desk(orders=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.session.feed(SubmitUnanswered(desk.last.id, at(1), "cut"))
    desk.session.feed(OrderMissing(desk.last.id, at(12)))
    desk.say(13, S.ACCEPTED)
    assert desk.canceled == [desk.last.id]
    desk.say(13.1, S.PARTIALLY_FILLED, "2").say(13.2, S.CANCELED, "2")
    assert desk.held == {"A": D(2)}
    assert (desk.last.role, desk.last.quantity) == ("stop", D(2))


def test_a_cancel_that_is_refused_is_looked_up_and_repeated_after_a_while() -> None:
    desk = Desk().enter().tick(2, 98.5)
    stop = desk.last
    desk.session.feed(CancelRefused(stop.id, at(2.1), "pending"))
    assert desk.looked_up == [stop.id]
    desk.say(2.2, S.ACCEPTED)
    assert desk.canceled == [stop.id]
    desk.pass_time(4)
    assert desk.canceled == [stop.id, stop.id]


def test_a_cancel_without_an_answer_is_looked_up() -> None:
    desk = Desk().enter().tick(2, 98.5).pass_time(7)
    assert desk.looked_up == [desk.last.id]
    desk.say(7.5, S.CANCELED)
    assert desk.legs == ["entry", "stop", "exit"]


def test_news_of_an_order_that_nobody_sent_is_nothing() -> None:
    desk = Desk()
    desk.session.feed(
        SubmitUnanswered("x", at(1), "504"),
        CancelRefused("x", at(1), "pending"),
        OrderMissing("x", at(1)),
        OrderRejected("x", "A", at(1), "no"),
    )
    assert (desk.orders, desk.looked_up, desk.session.of(OrderRejected)) == ([], [], [])


def test_a_refusal_that_is_told_twice_counts_once() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    told = OrderRejected(desk.last.id, "A", at(1.1), "no")
    desk.session.feed(told, told, trade(2, 100, says="LONG"))
    assert len(desk.session.of(OrderRejected)) == 1
    assert desk.session.verdicts == [None, None]


def test_news_that_comes_twice_counts_once() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    for _ in range(3):
        desk.say(1, S.FILLED, "10", of="entry")
    assert desk.held == {"A": D(10)}
    assert desk.legs == ["entry", "stop"]
