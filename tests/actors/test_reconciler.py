"""The account beside the book: what is not ours, differences, and what an earlier run left behind."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from actors.book import CountedOrder
from actors.execution.policy import OrderSettings
from actors.messages import (
    AccountOpened,
    BrokerChanged,
    Command,
    EquityRestated,
    FeedState,
    GateOrder,
    HaltCause,
    PositionClosed,
    PositionOpened,
    Refusal,
    SignalRaised,
    StateChanged,
    TradingState,
)
from actors.orders import (
    HeldAtVenue,
    OrderReport,
    OrderRole,
    OrderSide,
    SubmitOrder,
)
from pipeline.events import Side
from tests.support.desk import BOOK, ORDERS, TEN, D, Desk, S, account, old
from tests.support.market import at, clock, trade
from tests.support.sessions import RestingBroker, Session


def test_nothing_is_entered_before_the_account_was_seen() -> None:
    desk = Desk(opened=False)
    desk.session.feed(trade(1, 100, says="LONG"))
    assert desk.session.verdicts == [Refusal.BROKER_DOWN]


@pytest.mark.parametrize("state", [FeedState.DOWN, FeedState.CONNECTING])
def test_nothing_is_entered_while_the_broker_cannot_be_heard(state: FeedState) -> None:
    desk = Desk()
    desk.session.feed(BrokerChanged(state, at(1)), trade(1, 100, says="LONG"))
    assert desk.session.verdicts == [Refusal.BROKER_DOWN]
    assert [fact.state for fact in desk.session.of(BrokerChanged)] == [FeedState.LIVE, state]


@pytest.mark.parametrize("side", [OrderSide.BUY, OrderSide.SELL])
def test_an_order_that_is_not_ours_halts_and_is_listed(side: OrderSide) -> None:
    desk = Desk()
    foreign = OrderReport("x", "B", side, S.ACCEPTED, D(3), D(0), None, at(1), "v9")
    desk.session.feed(account(1, orders=(foreign,)))
    assert desk.session.core.risk.state is TradingState.HALTED
    assert f"an order to {side.lower()} 3 B is not ours (v9)" in desk.session.core.risk.state_reason
    assert desk.canceled == []


def test_a_mismatch_is_said_also_while_halted_and_again_after_a_resume() -> None:
    desk = Desk()
    foreign = OrderReport("x", "B", OrderSide.BUY, S.ACCEPTED, D(3), D(0), None, at(1), "v9")
    desk.session.feed(Command("halt", at(1)), account(2, orders=(foreign,)))
    assert "v9" in desk.session.core.risk.state_reason
    desk.session.feed(Command("resume", at(3)), account(4, orders=(foreign,)))
    assert desk.session.states[-2:] == ["ACTIVE", "HALTED"]


def test_a_mismatch_keeps_what_a_person_had_halted_for() -> None:
    desk = Desk()
    foreign = OrderReport("x", "B", OrderSide.BUY, S.ACCEPTED, D(3), D(0), None, at(1), "v9")
    desk.session.feed(Command("halt", at(1), reason="fat finger"), account(2, orders=(foreign,)))
    later = Desk(opened=False).session.feed(desk.session.core.book()).core.risk
    for risk in (desk.session.core.risk, later):
        assert risk.halt_cause is HaltCause.MISMATCH
        assert "v9" in risk.state_reason
        assert risk.state_reason.endswith("halted before that: fat finger")
    assert "fat finger" not in desk.session.of(StateChanged)[-1].reason  # which says what is new
    desk.session.feed(Command("resume", at(3)))
    assert (desk.session.core.risk.state_reason, desk.session.core.risk.halt_cause) == ("", None)


def test_a_mismatch_takes_back_an_entry_that_works_and_no_stop() -> None:
    stranger = OrderReport("manual", "X", OrderSide.BUY, S.ACCEPTED, D(1), D(0), None, at(2))
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"), account(2, orders=(stranger,)))
    assert desk.session.core.risk.state is TradingState.HALTED
    assert desk.canceled == [desk.last.id]
    guarded = Desk().enter()
    guarded.session.feed(account(2, HeldAtVenue("A", D(10), D(100)), orders=(stranger,)))
    assert guarded.session.core.risk.state is TradingState.HALTED
    assert guarded.canceled == []


def test_a_position_that_is_not_ours_halts_at_the_start_and_is_left_alone() -> None:
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("B", D(7), D(50))))
    assert desk.session.core.risk.state is TradingState.HALTED
    assert "B: the account holds 7, the book 0" in desk.session.core.risk.state_reason
    assert desk.orders == []
    desk.session.feed(account(2, HeldAtVenue("B", D(7), D(50))), account(30, HeldAtVenue("B", D(7), D(50))))
    assert desk.session.states == ["HALTED"]  # said once


def test_a_difference_that_lasts_halts_and_one_that_passes_does_not() -> None:
    desk = Desk().enter()
    stop = OrderReport(desk.last.id, "A", desk.last.side, S.ACCEPTED, D(10), D(0), None, at(1), "v")
    desk.session.feed(account(2, orders=(stop,)))
    desk.session.feed(account(7, HeldAtVenue("A", D(10), D(100)), orders=(stop,)))
    desk.session.feed(account(13, HeldAtVenue("A", D(9), D(100)), orders=(stop,)))
    for seconds in (18, 22.9):
        desk.session.feed(account(seconds, HeldAtVenue("A", D(9), D(100)), orders=(stop,)))
    assert desk.session.states == []
    desk.session.feed(account(23, HeldAtVenue("A", D(9), D(100)), orders=(stop,)))
    assert desk.session.states == ["HALTED"]
    assert "the account holds 9, the book 10" in desk.session.core.risk.state_reason
    assert desk.held == {"A": D(10)}
    assert set(desk.canceled) == {stop.order}  # it was for one more than there is


def test_time_that_leaps_between_two_looks_does_not_make_a_difference_last() -> None:
    """After a pause, or a restart, an hour may lie between two looks, and no answer could come in it."""
    desk = Desk().enter()
    stop = OrderReport(desk.last.id, "A", desk.last.side, S.ACCEPTED, D(10), D(0), None, at(1), "v")
    for seconds in (2, 3600, 3604.9):
        desk.session.feed(account(seconds, HeldAtVenue("A", D(9), D(100)), orders=(stop,)))
    assert desk.session.states == []
    desk.session.feed(account(3605, HeldAtVenue("A", D(9), D(100)), orders=(stop,)))
    assert desk.session.states == ["HALTED"]


def test_a_difference_that_changes_is_another_one() -> None:
    """Fills that the account tells of before the orders do: as long as it moves, it has not lasted."""
    desk = Desk().enter()
    stop = OrderReport(desk.last.id, "A", desk.last.side, S.ACCEPTED, D(10), D(0), None, at(1), "v")
    for seconds, shares in ((2, 9), (8, 8), (14, 7), (20, 9), (25, 9), (29.9, 9)):
        desk.session.feed(account(seconds, HeldAtVenue("A", D(shares), D(100)), orders=(stop,)))
    assert desk.session.states == []
    desk.session.feed(account(30, HeldAtVenue("A", D(9), D(100)), orders=(stop,)))
    assert desk.session.states == ["HALTED"]


def test_a_difference_lasts_from_the_last_fill_at_the_earliest() -> None:
    """A reading told late holds again what was held, and sold, and no reading in between was told."""
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"), account(1, HeldAtVenue("A", D(10), D(100))))  # told before the fill
    desk.say(2, S.FILLED, "10").say(2, S.ACCEPTED).tick(14, 102).say(14, S.CANCELED).say(15, S.FILLED, "10", "102")
    assert desk.held == {}
    desk.session.feed(clock(15), account(13, HeldAtVenue("A", D(10), D(100))))
    assert desk.session.states == []
    for seconds in (20, 24.9):
        desk.session.feed(clock(seconds), account(seconds, HeldAtVenue("A", D(10), D(100))))
    assert desk.session.states == []
    desk.session.feed(clock(25), account(25, HeldAtVenue("A", D(10), D(100))))
    assert desk.session.states == ["HALTED"]


def test_an_account_that_was_read_before_a_fill_shows_nothing_whatever_was_seen_before() -> None:
    """Answers are slow: each reading was begun before the entry was filled, and shows the account without it."""
    desk = Desk().enter()
    desk.session.feed(clock(2), account(0.5))
    desk.tick(3, 102).say(3, S.CANCELED).say(4, S.FILLED, "10", "102").enter(20)
    desk.session.feed(clock(21), account(19))
    assert desk.session.states == []
    assert [order for order in desk.looked_up if ".entry." in order] == []  # nothing is doubted


def test_shares_in_no_book_are_the_same_difference_while_we_trade() -> None:
    """Three are in the account that no order of ours explains, and positions come and go beside them."""
    desk = Desk().enter()
    desk.session.feed(account(2, HeldAtVenue("A", D(13), D(100))))
    desk.tick(3, 102).say(3, S.CANCELED).say(4, S.FILLED, "10", "102")
    assert desk.held == {}
    desk.session.feed(clock(8), account(8, HeldAtVenue("A", D(3), D(100))))
    desk.enter(12, "SHORT")
    desk.session.feed(clock(14), account(14, HeldAtVenue("A", D(-7), D(100))))
    assert desk.session.states == []
    for seconds in (19, 24, 29, 34, 39):
        desk.session.feed(clock(seconds), account(seconds, HeldAtVenue("A", D(-7), D(100))))
    assert desk.session.states == ["HALTED"]
    assert "the account holds -7, the book -10" in desk.session.core.risk.state_reason


def test_what_was_sold_since_the_first_reading_began_is_not_taken_over() -> None:
    """The fill that closed the position was told while the account was still being read."""
    desk = leaving().pass_time(3)
    session, order = going_on(desk), desk.last
    session.feed(clock(3.2), OrderReport(order.id, "A", order.side, S.FILLED, D(10), D(10), D(101), at(3.1), "v"))
    assert session.core.positions.open == {}
    session.feed(account(3.05, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10"),)))
    assert session.core.positions.open == {}
    assert session.of(AccountOpened)


def test_a_difference_waits_longer_for_an_order_that_is_being_asked_for() -> None:
    """The exit was filled; the news of it, and the first answers about it, got lost."""
    desk = Desk().enter()
    desk.tick(2, 102).say(2, S.CANCELED).say(2, S.ACCEPTED)
    assert desk.last.role == "exit"
    desk.session.feed(account(5), account(15), account(25), account(34))
    assert desk.session.states == []
    desk.session.feed(account(35))
    assert desk.session.states == ["HALTED"]


def test_what_the_account_s_open_orders_filled_counts_and_none_of_them_is_looked_up() -> None:
    """The stream was down while a part was filled."""
    desk = Desk(orders=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1.1, S.ACCEPTED)
    entry = OrderReport(desk.last.id, "A", desk.last.side, S.PARTIALLY_FILLED, D(10), D(4), D(100), at(2), "v")
    desk.session.feed(account(2, HeldAtVenue("A", D(4), D(100)), orders=(entry,)))
    assert desk.held == {"A": D(4)}
    assert desk.looked_up == []


def test_an_order_that_is_no_longer_open_is_looked_up() -> None:
    """The stream was down while it was filled."""
    desk = Desk().enter()
    desk.session.feed(account(5))
    assert desk.looked_up == [desk.last.id]
    desk.say(5.1, S.FILLED, "10", "99.4")
    assert desk.session.exits == ["STOP"]


def test_a_restart_adopts_its_position_and_the_stop_that_rests_for_it() -> None:
    stop = old("stop", "0", status=S.ACCEPTED, side=OrderSide.SELL)
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), orders=(stop,), history=(old("entry", "10"),)))
    assert desk.held == {"A": D(10)}
    assert desk.orders == []
    position = desk.session.core.positions.open["A"]
    assert (position.entry_ts, position.decision) == (at(-5), "s0-77")
    assert [fact.adopted for fact in desk.session.of(PositionOpened)] == [True]
    assert [order.venue_id for order in desk.session.core.executor.open_orders()] == ["vstop"]
    desk.session.feed(trade(1.5, 100, says="LONG"))
    assert desk.session.verdicts == [Refusal.POSITION_OPEN]
    assert desk.canceled == []
    desk.tick(2, 98.5)
    assert desk.canceled == [stop.order]
    desk.session.feed(old("stop", "0", status=S.CANCELED, side=OrderSide.SELL, seconds=2))
    assert (desk.last.role, desk.last.quantity, desk.last.id) == ("exit", D(10), f"{BOOK}.s0-77.A.exit.1")


def test_an_adopted_position_refuses_a_signal_that_comes_of_no_tick() -> None:
    """Of an operator that waits for a time, for one: the tick that finds a position open is not there to tell."""
    desk = Desk(opened=False)
    core = desk.session.core
    signal = Session().feed(trade(0, 100, says="LONG")).of(SignalRaised)[0].signal
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10"),)))
    core.tell(core.risk, signal)
    desk.pass_time(2)
    assert desk.session.verdicts == [Refusal.POSITION_OPEN]


def test_a_position_that_our_orders_do_not_add_up_to_is_not_taken_over() -> None:
    """Ten of the twelve shares may be ours: which, nobody can say."""
    desk = Desk(opened=False)
    for seconds in (1, 12):
        desk.session.feed(account(seconds, HeldAtVenue("A", D(12), D(100)), history=(old("entry", "10"),)))
    assert (desk.held, desk.orders) == ({}, [])
    assert "A: the account holds 12, the book 0" in desk.session.core.risk.state_reason


@pytest.mark.parametrize(("held", "filled"), [(7, "10"), (12, "10"), (-10, "10"), (10, "4")])
def test_a_position_is_taken_over_only_if_our_orders_come_to_just_that(held: int, filled: str) -> None:
    desk = Desk(opened=False)
    for seconds in (1, 12):
        desk.session.feed(account(seconds, HeldAtVenue("A", D(held), D(100)), history=(old("entry", filled),)))
    assert (desk.held, desk.orders) == ({}, [])
    assert f"A: the account holds {held}, the book 0" in desk.session.core.risk.state_reason


@pytest.mark.parametrize("shares", ["7", "13"])
def test_a_stop_for_another_quantity_than_what_is_adopted_is_taken_back(shares: str) -> None:
    rests = OrderReport("mb-bot-s0.77.A.stop.1", "A", OrderSide.SELL, S.ACCEPTED, D(shares), D(0), None, at(-4), "vs")
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), orders=(rests,), history=(old("entry", "10"),)))
    assert desk.canceled == [rests.order]
    assert [entry.unwanted for entry in desk.session.core.orders.working.values()] == [True]
    desk.session.feed(OrderReport(rests.order, "A", OrderSide.SELL, S.CANCELED, D(shares), D(0), None, at(2), "vs"))
    assert (desk.last.role, desk.last.quantity) == ("stop", D(10))


def test_a_stop_on_the_side_of_what_is_adopted_is_taken_back() -> None:
    rests = old("stop", "0", status=S.ACCEPTED, side=OrderSide.BUY)
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), orders=(rests,), history=(old("entry", "10"),)))
    assert desk.canceled == [rests.order]


def test_of_two_stops_for_the_same_shares_one_is_taken_back() -> None:
    """Both reached, they would sell twice as many as there are."""
    first = old("stop", "0", status=S.ACCEPTED, side=OrderSide.SELL)
    second = OrderReport("mb-bot-s0.77.A.stop.2", "A", OrderSide.SELL, S.ACCEPTED, D(10), D(0), None, at(-4), "v2")
    desk = Desk(opened=False)
    entry = old("entry", "10")
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), orders=(second, first), history=(entry,)))
    assert len(desk.canceled) == 1
    assert desk.orders == []


def test_a_stop_that_is_taken_back_already_guards_nothing_although_it_has_come_to_fit() -> None:
    """Kept in the place of the one that stays, it would leave the position with none."""
    short = OrderReport("mb-bot-s0.77.A.stop.1", "A", OrderSide.SELL, S.ACCEPTED, D(7), D(0), None, at(-4), "v1")
    whole = OrderReport("mb-bot-s0.77.A.stop.2", "A", OrderSide.SELL, S.ACCEPTED, D(10), D(0), None, at(-4), "v2")
    desk = Desk(opened=False)
    entry = old("entry", "10")
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), orders=(short, whole), history=(entry,)))
    desk.session.feed(
        OrderReport(whole.order, "A", OrderSide.SELL, S.PARTIALLY_FILLED, D(10), D(3), D(99), at(2), "v2")
    )
    assert desk.held == {"A": D(7)}
    assert set(desk.canceled) == {short.order}


def test_an_exit_of_an_earlier_run_is_no_stop_although_it_would_close_what_is_adopted() -> None:
    works = old("exit", "0", status=S.ACCEPTED, side=OrderSide.SELL)
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), orders=(works,), history=(old("entry", "10"),)))
    assert desk.canceled == [works.order]


def test_a_short_position_is_taken_over_as_one_and_guarded_by_a_stop_that_buys() -> None:
    desk = Desk(opened=False)
    entry = old("entry", "10", side=OrderSide.SELL)
    desk.session.feed(account(1, HeldAtVenue("A", D(-10), D(100)), history=(entry,)))
    position = desk.session.core.positions.open["A"]
    assert (position.side, position.quantity) == (Side.SHORT, D(10))
    assert (desk.last.role, desk.last.side, desk.last.quantity) == ("stop", OrderSide.BUY, D(10))


def test_what_is_left_of_an_adopted_position_was_entered_with_its_entry_and_not_with_its_exit() -> None:
    stop = old("stop", "3", status=S.PARTIALLY_FILLED, side=OrderSide.SELL, seconds=-2)
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(7), D(100)), orders=(stop,), history=(old("entry", "10"),)))
    assert desk.held == {"A": D(7)}
    assert desk.session.core.positions.open["A"].entry_ts == at(-5)


@pytest.mark.parametrize(
    "name", ["", "s0", "s0.77.A.entry", "s0.77.A.entry.x", "s0.77.A.hedge.1", "s0.77..entry.1", "s0..A.entry.1"]
)
def test_an_order_with_a_name_that_only_begins_like_ours_is_not_ours(name: str) -> None:
    """Another program's, of the same bot id."""
    desk = Desk()
    theirs = OrderReport(f"mb-bot-{name}", "A", OrderSide.BUY, S.ACCEPTED, D(3), D(0), None, at(1), "v9")
    desk.session.feed(account(1, orders=(theirs,)))
    assert desk.session.states == ["HALTED"]
    assert desk.canceled == []


def test_an_order_of_an_earlier_run_that_turns_up_late_is_taken_back() -> None:
    late = old("entry", "0", status=S.ACCEPTED)
    desk = Desk()
    desk.session.feed(late)  # its news alone say nothing: the account's next report does
    assert desk.canceled == []
    desk.session.feed(account(3, orders=(late,)), account(4, orders=(late,)))
    assert desk.canceled == [late.order]
    assert desk.session.states == []


def test_a_restart_sets_a_stop_where_there_is_none() -> None:
    """The last run was killed between the fill of its entry and its stop."""
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10"),)))
    assert (desk.last.role, desk.last.quantity) == ("stop", D(10))


def test_a_restart_takes_back_an_entry_that_still_works() -> None:
    desk = Desk(opened=False)
    entry = old("entry", "4", status=S.PARTIALLY_FILLED)
    desk.session.feed(account(1, HeldAtVenue("A", D(4), D(100)), orders=(entry,), history=(entry,)))
    assert desk.canceled == [entry.order]
    assert desk.held == {"A": D(4)}
    desk.session.feed(old("entry", "6", status=S.CANCELED, seconds=2))
    assert desk.held == {"A": D(6)}
    assert desk.session.core.positions.open["A"].entry_price == 100  # what was filled before counts for the average
    assert (desk.last.role, desk.last.quantity) == ("stop", D(6))


def test_a_position_that_ran_out_of_time_while_nobody_watched_is_closed_at_once() -> None:
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10", seconds=-2000),)))
    desk.pass_time(1.1)
    assert desk.session.core.orders.is_working("A")
    desk.say(1.2, S.ACCEPTED, of="stop").say(1.3, S.CANCELED, of="stop")
    assert (desk.last.role, desk.last.reason) == ("exit", "TIME")


def test_the_equity_is_the_accounts() -> None:
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10"),)))
    assert desk.session.core.positions.equity == D(101_000)
    assert desk.session.summary["equity"] == 101_000
    assert desk.session.core.risk.day_start_equity == D(101_000)
    assert (desk.session.summary["daily_pnl"], desk.session.summary["current_drawdown"]) == (0, 0)


# ------------------------------------------------------------------------------------- a session that goes on from one


def going_on(before: Desk) -> Session:
    """Return the session that a rollover begins: with the book, and with what holds."""
    core = before.session.core
    session = Session(risk=TEN, broker=RestingBroker(), orders=ORDERS, book="mb-bot-s2")
    session.feed(core.book(), *core.standing())
    return session


def leaving() -> Desk:
    """Return a desk whose exit is on its way."""
    desk = Desk().enter(1).tick(2, 101)
    desk.say(2.1, S.CANCELED, of="stop")
    assert desk.last.role == "exit"
    return desk


def test_shares_that_the_account_prices_otherwise_are_in_the_equity_at_the_books_price() -> None:
    """As they are when an execution was undone: what they earn afterwards is counted by the book's price.

    10 were bought at 100. The book hears of 4 that were sold at 101 while it was away; the account holds the other 6 as
    if they had cost 101.
    """
    desk = leaving()
    session, order = going_on(desk), desk.last
    report = msgspec.structs.replace(
        account(9, HeldAtVenue("A", D(6), D(101)), history=(old("entry", "10"),)), cash=D(99_404), fills_until=at(9)
    )
    session.feed(clock(9), report)
    assert session.core.positions.equity == D(100_010)
    session.feed(
        clock(9.2),
        OrderReport(order.id, "A", order.side, S.CANCELED, D(10), D(4), D(101), at(3), "v"),
    )
    assert session.core.positions.open["A"].quantity == 6
    assert session.core.positions.equity == D(100_004)
    assert [fact.change for fact in session.of(EquityRestated)] == [D(-6)]
    assert session.summary["equity"] == 100_004


@pytest.mark.parametrize(
    ("fills_until", "filled_at", "equity"),
    [(10, 5, 99_990), (10, 10, 99_990), (10, 11, 99_980), (None, 5, 99_980)],
    ids=["while away", "just then", "since", "recording of old"],
)
def test_what_a_stop_lost_before_the_account_was_seen_is_in_the_equity_once(
    fills_until: int | None, filled_at: int, equity: int
) -> None:
    desk = Desk().enter(1)
    session = going_on(desk)
    until = UNSET if fills_until is None else at(fills_until)
    session.feed(msgspec.structs.replace(account(10), cash=D(99_990), fills_until=until))
    session.feed(OrderReport(desk.last.id, "A", OrderSide.SELL, S.FILLED, D(10), D(10), D(99), at(filled_at), "v"))
    [closed] = session.of(PositionClosed)
    assert (closed.pnl, closed.equity) == (D(-10), D(equity))
    assert session.core.positions.equity == equity
    assert session.summary["total_pnl"] == -10


def test_what_an_exit_had_earned_of_a_position_before_the_account_was_seen_is_in_the_equity_once() -> None:
    desk = leaving().say(2.2, S.PARTIALLY_FILLED, "4", "101")
    session = going_on(desk)
    held = HeldAtVenue("A", D(6), D(100))
    session.feed(msgspec.structs.replace(account(10, held), cash=D(99_404), fills_until=at(10)))
    session.feed(OrderReport(desk.last.id, "A", OrderSide.SELL, S.FILLED, D(10), D(10), D(101), at(11), "v"))
    assert session.core.positions.equity == D(100_010)
    assert [closed.pnl for closed in session.of(PositionClosed)] == [10]


def test_an_account_that_was_read_for_the_session_before_says_nothing() -> None:
    desk = leaving().say(2.3, S.FILLED, "10", "101").pass_time(3)
    session = going_on(desk)
    session.feed(account(2.2, HeldAtVenue("A", D(10), D(100))))
    assert not session.of(AccountOpened)
    assert session.core.risk.state is TradingState.ACTIVE
    session.feed(account(3.5))
    assert len(session.of(AccountOpened)) == 1


def test_an_account_of_the_very_moment_of_the_book_is_the_session_s_first() -> None:
    """While the market is silent there is none of a later time."""
    session = going_on(leaving().say(2.3, S.FILLED, "10", "101").pass_time(3))
    session.core.run([account(9)])
    assert session.core.now == at(3)
    assert len(session.of(AccountOpened)) == 1


def test_a_position_that_the_book_holds_is_not_taken_over_once_more() -> None:
    """A book that was written while no order of it worked."""
    book = Desk().enter(1).pass_time(2).session.core.book()
    session = Session(risk=TEN, broker=RestingBroker(), orders=ORDERS, book="mb-bot-s2")
    session.feed(msgspec.structs.replace(book, orders=()))
    held = session.core.positions.open["A"]
    name = f"{BOOK}.{held.decision.removeprefix('s1-')}.A.entry.1"
    entry = OrderReport(name, "A", OrderSide.BUY, S.FILLED, D(10), D(10), D(100), at(1), "ve")
    session.feed(account(9, HeldAtVenue("A", D(10), D(101)), history=(entry,)))
    assert session.core.positions.open == {"A": held}
    assert len(session.of(PositionOpened)) == 1  # by the book


def test_what_an_order_of_the_book_has_filled_is_counted_once_and_not_taken_over_as_well() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"), clock(2))
    session = going_on(desk)
    entry = OrderReport(desk.last.id, "A", OrderSide.BUY, S.FILLED, D(10), D(10), D(100), at(3), "ve")
    session.feed(account(9, HeldAtVenue("A", D(10), D(100)), history=(entry,)), entry)
    assert {symbol: p.quantity for symbol, p in session.core.positions.open.items()} == {"A": D(10)}


def test_what_an_account_tells_of_orders_that_are_over_counts_whenever_it_was_read() -> None:
    """A process that starts has another idea of the time than the one before it, and is told of them only once."""
    session = going_on(leaving().pass_time(3))
    session.feed(account(2.9, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10"),)))
    assert len(session.of(AccountOpened)) == 1


@pytest.mark.parametrize("still_there", [False, True])
def test_what_was_closed_since_the_account_was_read_is_a_mismatch_only_if_it_stays(still_there: bool) -> None:
    desk = leaving().pass_time(3)
    session, order = going_on(desk), desk.last
    held = HeldAtVenue("A", D(10), D(100))
    session.feed(OrderReport(order.id, "A", order.side, S.FILLED, D(10), D(10), D(101), at(3.1), "v"))
    session.feed(account(3.05, held))
    assert session.core.risk.state is TradingState.ACTIVE
    for seconds in (8, 13, 18):
        session.feed(clock(seconds), account(seconds, *[held] * still_there))
    assert session.core.risk.state is (TradingState.HALTED if still_there else TradingState.ACTIVE)


def test_the_gate_s_order_is_in_the_book_until_what_it_closes_is_closed_also_over_sessions() -> None:
    desk = Desk().enter(1)
    decision = desk.session.core.positions.open["A"].decision
    by_gate = SubmitOrder(f"{BOOK}.{decision}.A.gate.1", "A", OrderSide.SELL, D(10), decision, OrderRole.GATE, "HALT")
    filled = OrderReport(by_gate.id, "A", OrderSide.SELL, S.CANCELED, D(10), D(4), D(99), at(3), "vg")
    desk.session.feed(GateOrder(by_gate, at(2)), filled)
    entry = CountedOrder(f"{BOOK}.{decision}.A.entry.1", D(10), D(1000))
    counted = {entry, CountedOrder(by_gate.id, D(4), D(396))}
    assert set(desk.session.core.book().counted) == counted
    session = going_on(desk)
    assert set(session.core.book().counted) == counted
    session.feed(account(4, HeldAtVenue("A", D(6), D(100)), history=(filled,)))
    assert {symbol: p.quantity for symbol, p in session.core.positions.open.items()} == {"A": D(6)}
    (stop,) = session.core.orders.working.values()
    session.feed(OrderReport(stop.id, "A", OrderSide.SELL, S.CANCELED, D(10), D(6), D(99), at(5), "vs"))
    assert not session.core.positions.open
    assert session.core.book().counted == ()


def test_a_book_written_before_the_account_was_seen_hides_nothing_that_the_one_before_it_had_missed() -> None:
    """The disk was full: an exit left that no book knows. The next life takes its book up and is killed too early."""
    desk = Desk().enter(1).pass_time(2)
    early = going_on(desk)
    early.feed(clock(50))
    assert early.core.book().ts == at(50)
    last = Session(risk=TEN, broker=RestingBroker(), orders=ORDERS, book="mb-bot-s3")
    last.feed(early.core.book())
    decision = desk.session.core.positions.open["A"].decision
    out = OrderReport(f"{BOOK}.{decision}.A.exit.1", "A", OrderSide.SELL, S.FILLED, D(10), D(10), D(99), at(3), "vx")
    last.feed(account(60, history=(out,)))
    assert not last.core.positions.open
    assert last.core.book().known_until == 0
