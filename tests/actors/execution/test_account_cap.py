"""What closes a position is for no more than the account has of it: a person may have closed it at the venue."""

from __future__ import annotations

import pytest

from actors.execution.policy import OrderSettings
from actors.messages import Command, TradingState
from actors.orders import AccountReport, HeldAtVenue, OrderReport
from tests.support.desk import D, Desk, S, account
from tests.support.market import at

SIDES = pytest.mark.parametrize(("side", "sign"), [("LONG", 1), ("SHORT", -1)])


def holding(seconds: float, shares: int) -> AccountReport:
    """Return what the account says when it has so many shares, and no open order."""
    return account(seconds, *([HeldAtVenue("A", D(shares), D(100))] if shares else []))


def closed_by_hand(side: str, left: int = 0) -> Desk:
    """Enter ten shares; then their stop is canceled, and some are closed, at the venue's own site."""
    desk = Desk().enter(1, side).say(2, S.CANCELED)
    assert desk.legs == ["entry", "stop", "stop"]  # that the stop is gone is all that is known yet
    desk.say(2, S.ACCEPTED)
    desk.session.feed(holding(3, left), holding(8, left))
    return desk


@SIDES
def test_the_stop_of_a_position_that_a_person_has_closed_is_taken_back_and_nothing_closes_it(
    side: str, sign: int
) -> None:
    desk = closed_by_hand(side)
    assert desk.canceled == [desk.last.id]
    desk.say(9, S.CANCELED)
    desk.session.feed(Command("flatten", at(10)))
    desk.tick(11, 50 if sign > 0 else 150).pass_time(300)
    assert desk.legs == ["entry", "stop", "stop"]
    desk.session.feed(*(holding(310 + seconds, 0) for seconds in range(0, 30, 5)))
    assert desk.session.core.risk.state is TradingState.HALTED
    assert desk.held == {"A": D(10 * sign)}  # what became of it, a person says


@SIDES
def test_of_a_position_that_a_person_has_closed_in_part_the_rest_is_guarded_and_closed_once(
    side: str, sign: int
) -> None:
    desk = closed_by_hand(side, left=4 * sign).say(9, S.CANCELED)
    assert (desk.last.role, desk.last.quantity) == ("stop", D(4))
    desk.say(9, S.ACCEPTED)
    desk.session.feed(Command("flatten", at(10)))
    desk.say(10, S.CANCELED)
    assert (desk.last.role, desk.last.quantity) == ("exit", D(4))
    desk.say(11, S.FILLED, "4").pass_time(60)
    assert desk.legs == ["entry", "stop", "stop", "stop", "exit"]


def test_readings_leave_a_stop_alone_that_was_just_sent_for_the_rest() -> None:
    desk = closed_by_hand("LONG", left=4).say(9, S.CANCELED)
    canceled, stop = list(desk.canceled), desk.last
    for seconds in range(10, 13):  # no answer to it yet
        desk.session.feed(holding(seconds, 4))
    desk.say(13, S.ACCEPTED)
    resting = OrderReport(stop.id, "A", stop.side, S.ACCEPTED, D(4), D(0), None, at(13), "v")
    for seconds in range(14, 60, 5):
        desk.session.feed(account(seconds, HeldAtVenue("A", D(4), D(100)), orders=(resting,)))
    assert desk.canceled == canceled
    assert desk.last is stop


def test_an_exit_that_waits_for_more_than_the_account_has_is_taken_back() -> None:
    desk = Desk().enter(1)
    desk.session.feed(Command("flatten", at(2)))
    desk.say(2, S.CANCELED).say(2, S.ACCEPTED)
    exit_ = desk.last
    assert (exit_.role, exit_.quantity) == ("exit", D(10))
    resting = OrderReport(exit_.id, "A", exit_.side, S.ACCEPTED, D(10), D(0), None, at(2), "v")
    for seconds in (3, 8):
        desk.session.feed(account(seconds, HeldAtVenue("A", D(6), D(100)), orders=(resting,)))
    assert desk.canceled[-1] == exit_.id
    desk.say(9, S.CANCELED)
    assert (desk.last.role, desk.last.quantity) == ("exit", D(6))


def test_one_reading_alone_changes_nothing_and_what_is_there_again_is_guarded_again() -> None:
    desk = Desk().enter(1)
    stop = desk.last
    working = OrderReport(stop.id, "A", stop.side, S.ACCEPTED, D(10), D(0), None, at(1), "v")
    desk.session.feed(account(3, orders=(working,)))
    desk.session.feed(account(4, HeldAtVenue("A", D(10), D(100)), orders=(working,)))
    assert desk.canceled == []
    desk.session.feed(account(5, orders=(working,)), account(6, orders=(working,)))
    assert desk.canceled == [stop.id]
    desk.say(7, S.CANCELED)
    assert desk.last is stop
    desk.session.feed(holding(8, 10))
    assert (desk.last.role, desk.last.quantity) == ("stop", D(10))
    assert desk.last is not stop


def test_a_bot_that_comes_back_to_a_position_closed_by_hand_sends_nothing_for_it() -> None:
    """Its stop was canceled too, and its time is over: an exit would sell what is not there."""
    book = Desk().enter(1).session.core.book()
    later = Desk(opened=False)
    later.session.feed(book)
    later.session.feed(account(100))
    (stop,) = book.orders
    gone = OrderReport(stop.order.id, "A", stop.order.side, S.CANCELED, D(10), D(0), None, at(50), "v")
    later.session.feed(gone)
    later.tick(101, 50).pass_time(5_000)
    assert later.orders == []
    assert later.held == {"A": D(10)}


def test_what_a_stop_has_filled_unheard_is_not_lacking_twice() -> None:
    book = Desk().enter(1).session.core.book()
    later = Desk(opened=False)
    later.session.feed(book)
    (stop,) = book.orders
    later.session.feed(account(100, HeldAtVenue("A", D(6), D(100))))
    told = OrderReport(stop.order.id, "A", stop.order.side, S.CANCELED, D(10), D(4), D(99), at(50), "v")
    later.session.feed(told)
    assert later.held == {"A": D(6)}
    assert (later.last.role, later.last.quantity) == ("stop", D(6))


def test_recordings_of_old_close_all_that_the_book_has() -> None:
    desk = Desk(orders=OrderSettings(cap_by_account=False)).enter(1).say(2, S.CANCELED).say(2, S.ACCEPTED)
    desk.session.feed(holding(3, 0), holding(8, 0))
    assert desk.canceled == []
