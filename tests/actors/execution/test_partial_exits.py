"""Partial exits: a part of a position is closed once, and the rest stays guarded, whatever becomes of the orders."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st
from reactivex import Observable, operators as rx

from actors.book import ALL_PARTS, Book, TakenParts
from actors.brokers.simulated import ExecutionSettings
from actors.execution.partial_exits import PART_TRIES, shares_of
from actors.messages import Command, ExitDecided, Fact, GuardChanged, PositionClosed, PositionReduced
from actors.orders import (
    HeldAtVenue,
    OrderRejected,
    OrderReport,
    OrderRole,
    OrderSide,
    OrderStatus,
    SubmitOrder,
)
from actors.risk.risk import RiskSettings
from microbot import op
from pipeline.exits import ExitSignal, Held, ListedExits, Market
from pipeline.operators.lift import Scheduler, Step
from tests.support.desk import BOOK, ORDERS, TEN, Desk, account
from tests.support.market import at, clock, quote, trade
from tests.support.sessions import RestingBroker, Session, encoded

S = OrderStatus
D = Decimal
SELL = OrderSide.SELL
HALF = ListedExits([op.take_profit(0.001, part=0.5), op.trailing_stop(0.01), op.time_stop(100)])
TWICE = ListedExits([op.take_profit(0.001, part=0.5), op.take_profit(0.003, part=0.5), op.time_stop(100)])
NAME = "take_profit(0.001, 0.5)"


def legs(desk: Desk, since: int = 2) -> list[tuple[str, str]]:
    """Return role and shares of the orders behind the entry and its first stop."""
    return [(order.role, f"{order.quantity.normalize():f}") for order in desk.orders[since:]]


def taking(exits: ListedExits = HALF) -> Desk:
    """A desk at which half of ten is on its way out, and a stop rests for the other half."""
    desk = Desk(exits=exits).enter().tick(2, 100.2)
    return desk.say(2.1, S.CANCELED, of="stop").say(2.2, S.ACCEPTED, of="stop").say(2.3, S.ACCEPTED, of="part")


def written(session: Session) -> Book:
    return msgspec.json.decode(msgspec.json.encode(session.core.book()), type=Book)


def next_life(book: Book, number: int = 2) -> Session:
    session = Session(risk=TEN, broker=RestingBroker(), orders=ORDERS, book=f"mb-bot-s{number}", exits=HALF)
    return session.feed(book, quote(30, 100.19, 100.21), trade(30, 100.2))


def sent(session: Session) -> list[tuple[str, str]]:
    broker = session.core.broker
    assert isinstance(broker, RestingBroker)
    return [(order.role, f"{order.quantity.normalize():f}") for order in broker.of(SubmitOrder)]


def report(order: str, filled: str, quantity: str, seconds: float, status: OrderStatus = S.FILLED) -> OrderReport:
    average = D("100.2") if D(filled) else None
    return OrderReport(order, "A", SELL, status, D(quantity), D(filled), average, at(seconds), f"v-{order}")


def parts_of(session: Session) -> TakenParts:
    parts = session.core.book().parts
    assert parts
    return parts["A"]


# ------------------------------------------------------------------------------------------------- how many shares


@pytest.mark.parametrize(
    ("held", "part", "shares"),
    [
        ("10", 0.5, "5"),
        ("9", 1 / 3, "3"),
        ("3", 0.5, "1"),  # of one and two, the smaller
        ("3", 0.6, "2"),
        ("10", 0.01, "1"),
        ("1", 0.1, "1"),
        ("10", 0.99, "10"),
        ("1.5", 0.5, "0.75"),
        ("0.000001", 0.5, "0.000001"),
        ("0.0000004", 0.5, "0.0000004"),
    ],
)
def test_a_part_is_the_nearest_number_of_shares_and_one_at_least(held: str, part: float, shares: str) -> None:
    assert shares_of(D(held), part) == D(shares)


@given(st.integers(1, 10**17), st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_part_is_whole_and_never_nothing_nor_more_than_is_held(held: int, part: float) -> None:
    found = shares_of(D(held), part)
    assert 1 <= found <= held
    assert found == found.to_integral_value()
    assert abs(found - D(held) * D(repr(part))) <= max(D(1), D(held) * D("1e-20"))


@pytest.mark.parametrize("part", [0, -0.5, 1.01, float("nan"), "half", None])
def test_what_is_no_part_is_refused_where_it_is_made(part: float) -> None:
    with pytest.raises((ValueError, TypeError), match="part"):
        op.take_profit(0.001, part)
    with pytest.raises((ValueError, TypeError), match="part"):
        ExitSignal("A", "TP", part)


def test_the_same_part_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        ListedExits([op.take_profit(0.001), op.take_profit(0.001)])


# ------------------------------------------------------------------------------------------------- at a venue


def test_the_stop_is_made_smaller_before_the_part_is_sent() -> None:
    desk = Desk(exits=HALF).enter().tick(2, 100.2)
    assert (legs(desk), len(desk.canceled)) == ([], 1)  # the venue may still fill the stop for all of it
    desk.say(2.1, S.CANCELED, of="stop")
    assert legs(desk) == [("stop", "5"), ("part", "5")]
    assert desk.last.limit is not None
    [decided] = desk.session.of(ExitDecided)
    assert (decided.reason, decided.quantity) == ("TP", D(5))


def test_a_part_is_taken_once_and_the_rest_is_left_to_the_other_exits() -> None:
    desk = taking().say(2.4, S.FILLED, "5", "100.2", of="part").tick(3, 100.3).tick(4, 100.4)
    assert desk.held == {"A": D(5)}
    assert legs(desk) == [("stop", "5"), ("part", "5")]
    desk.pass_time(101).say(101.1, S.CANCELED, of="stop").say(101.2, S.FILLED, "5", "100.4", of="exit")
    [closed] = desk.session.trades
    assert (closed.quantity, closed.exit_price, closed.exit_reason, closed.pnl) == (D(10), D("100.3"), "TIME", D(3))
    assert not desk.session.core.book().parts


def test_the_profit_of_a_part_is_in_the_equity_at_once_and_in_the_trade_but_not_twice() -> None:
    desk = taking().say(2.4, S.FILLED, "5", "100.2", of="part")
    [reduced] = desk.session.of(PositionReduced)
    assert (reduced.quantity, reduced.held, reduced.pnl, reduced.entry_price) == (D(5), D(5), D(1), D(100))
    assert desk.session.core.positions.equity == reduced.equity == 100_001
    assert (desk.session.summary["equity"], desk.session.summary["trades"]) == (100_001.0, 0)
    desk.pass_time(101).say(101.1, S.CANCELED, of="stop").say(101.2, S.FILLED, "5", "99.9", of="exit")
    assert desk.session.trades[0].pnl == D("0.5")
    assert desk.session.core.positions.equity == desk.session.trades[0].equity == D("100000.5")


def test_a_part_of_a_part_is_priced_again_for_what_is_left_of_it_and_goes_at_market_at_last() -> None:
    desk = taking().say(2.4, S.PARTIALLY_FILLED, "2", "100.2", of="part")
    for tries in range(3):
        desk.pass_time(10 + tries).say(10.5 + tries, S.CANCELED, "2" if not tries else "0", "100.2", of="part")
    assert legs(desk) == [("stop", "5"), ("part", "5"), ("part", "3"), ("part", "3"), ("part", "3")]
    assert (desk.orders[-2].limit is None, desk.last.limit) == (False, None)
    desk.say(14, S.FILLED, "3", "100.1")
    assert desk.held == {"A": D(5)}
    assert legs(desk)[5:] == []


def test_two_exits_take_their_parts_one_after_another_each_of_what_stays_then() -> None:
    desk = taking(TWICE).say(2.4, S.FILLED, "5", "100.2", of="part").tick(3, 100.25).tick(4, 100.3)
    desk.say(4.1, S.CANCELED, of="stop").say(4.2, S.FILLED, "2", "100.3", of="part")
    assert (legs(desk)[2:], desk.held) == ([("stop", "3"), ("part", "2")], {"A": D(3)})
    desk.tick(5, 100.4)
    assert legs(desk)[4:] == []


def test_a_second_part_while_the_first_is_under_way_is_of_what_stays_and_waits_for_its_stop() -> None:
    exits = ListedExits([op.take_profit(0.001, part=0.5), op.take_profit(0.003, part=0.4), op.time_stop(100)])
    desk = taking(exits).tick(3, 100.3)  # 2 of the 5 that stay
    assert legs(desk) == [("stop", "5"), ("part", "5")]
    desk.say(3.1, S.CANCELED, of="stop")
    assert legs(desk)[2:] == [("stop", "3")]
    desk.say(3.2, S.ACCEPTED, of="stop").say(3.3, S.FILLED, "5", "100.2", of="part")
    assert legs(desk)[3:] == [("part", "2")]
    desk.say(3.4, S.FILLED, "2", "100.3", of="part")
    assert desk.held == {"A": D(3)}
    assert legs(desk)[4:] == []


def test_an_exit_for_all_of_it_takes_part_and_stop_back_and_closes_what_is_held() -> None:
    desk = taking().say(2.4, S.PARTIALLY_FILLED, "2", "100.2", of="part")
    desk.tick(3, 98.9)  # the trailing stop's
    assert {order.rsplit(".", 2)[1] for order in desk.canceled[1:]} == {"part", "stop"}
    assert legs(desk)[2:] == []
    desk.say(3.1, S.CANCELED, "2", "100.2", of="part")
    assert legs(desk)[2:] == []
    desk.say(3.2, S.CANCELED, of="stop")
    assert legs(desk)[2:] == [("exit", "8")]


def test_a_stop_that_is_reached_while_a_part_is_under_way_closes_all_of_it_at_market() -> None:
    desk = taking().say(3, S.PARTIALLY_FILLED, "1", "99.5", of="stop")
    assert desk.session.of(ExitDecided)[-1].reason == "STOP"
    desk.say(3.1, S.FILLED, "5", "99.5", of="stop").say(3.2, S.CANCELED, of="part")
    assert (legs(desk)[2:], desk.last.limit) == ([("exit", "5")], None)


def test_a_fill_of_the_part_behind_its_cancel_is_not_sold_again() -> None:
    desk = taking().pass_time(10).say(10.1, S.CANCELED, "0", of="part")
    assert legs(desk)[2:] == [("part", "5")]
    first = next(order for order in desk.orders if order.role == "part")
    desk.session.feed(report(first.id, "2", "5", 10.2, S.CANCELED))  # it was filled before the cancel
    desk.pass_time(20).say(20.1, S.CANCELED, "0", of="part")
    assert legs(desk)[3:] == [("part", "3")]


def test_the_entry_is_taken_back_before_a_part_is_sent_and_the_part_is_of_what_was_held() -> None:
    desk = Desk(exits=HALF)
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1.1, S.PARTIALLY_FILLED, "4").tick(2, 100.2)
    assert len(desk.canceled) == 1
    assert legs(desk, 1) == []
    desk.say(2.1, S.CANCELED, "6")  # two more on the way
    assert legs(desk, 1) == [("stop", "4"), ("part", "2")]


def test_a_position_that_grows_while_a_part_of_it_is_taken_subscribes_its_exits_and_takes_no_second_part() -> None:
    desk = Desk(exits=HALF)
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1.1, S.PARTIALLY_FILLED, "4").tick(2, 100.2).say(2.1, S.CANCELED, "6", of="entry").tick(2.2, 100.3)
    assert legs(desk, 1) == [("stop", "4"), ("part", "2")]


def test_what_would_be_all_of_it_closes_it_as_an_exit() -> None:
    exits = ListedExits([op.take_profit(0.001, part=0.99), op.time_stop(100)])
    desk = Desk(exits=exits).enter().tick(2, 100.2).say(2.1, S.CANCELED, of="stop")
    assert legs(desk) == [("exit", "10")]


def test_a_part_that_the_venue_refuses_is_given_up_and_the_stop_is_for_all_of_it_again() -> None:
    desk = taking()
    for second in range(PART_TRIES):
        desk.session.feed(OrderRejected(desk.last.id, "A", at(10 + 9 * second), "no"), clock(18 + 9 * second))
    assert legs(desk)[: 1 + PART_TRIES] == [("stop", "5"), *[("part", "5")] * PART_TRIES]
    desk.say(60, S.CANCELED, of="stop")
    assert legs(desk)[1 + PART_TRIES :] == [("stop", "10")]
    desk.tick(61, 100.4)
    assert desk.session.core.executor.exits.intents == {}


def test_a_part_waits_for_a_price() -> None:
    desk = taking()
    later = Session(risk=TEN, broker=RestingBroker(), orders=ORDERS, book="mb-bot-s2", exits=HALF)
    part, stop = (next(o.id for o in reversed(desk.orders) if o.role == role) for role in ("part", "stop"))
    later.feed(written(desk.session), account(30, HeldAtVenue("A", D(10), D(100))))
    later.feed(report(part, "0", "5", 31, S.CANCELED), report(stop, "0", "5", 31, S.CANCELED))
    assert sent(later) == [("stop", "10")]
    later.feed(trade(32, 100.2))
    stops = [order for order in later.core.orders.of("A") if order.role is OrderRole.STOP]
    later.feed(report(stops[0].id, "0", "10", 33, S.CANCELED))
    assert sent(later)[1:] == [("stop", "5"), ("part", "5")]


# ------------------------------------------------------------------------------------------------- restarts


@pytest.mark.parametrize("filled", ["0", "2", "5"])
def test_a_part_that_is_under_way_goes_on_after_a_restart_and_is_not_taken_again(filled: str) -> None:
    desk = taking()
    later = next_life(written(desk.session))
    part, stop = (next(o.id for o in reversed(desk.orders) if o.role == role) for role in ("part", "stop"))
    held = 10 - int(filled)
    later.feed(account(31, HeldAtVenue("A", D(held), D(100))), trade(31, 100.3))
    over = S.FILLED if filled == "5" else S.CANCELED
    later.feed(report(part, filled, "5", 32, over), report(stop, "0", "5", 32, S.ACCEPTED), trade(33, 100.4))
    assert sent(later) == ([("part", f"{5 - int(filled)}")] if filled != "5" else [])
    assert parts_of(later).taken == (NAME,)
    assert later.core.positions.open["A"].quantity == held


def test_what_was_taken_stays_taken_over_restarts() -> None:
    desk = taking().say(2.4, S.FILLED, "5", "100.2", of="part")
    book = written(desk.session)
    assert book.positions[0].banked == 1
    later = next_life(book)
    stop = desk.orders[2].id
    later.feed(account(31, HeldAtVenue("A", D(5), D(100)), orders=(report(stop, "0", "5", 31, S.ACCEPTED),)))
    later.feed(report(stop, "0", "5", 31, S.ACCEPTED), trade(32, 100.3), trade(33, 100.4))
    assert sent(later) == []
    assert parts_of(next_life(written(later), 3)).taken == (NAME,)


@pytest.mark.parametrize("filled", ["0", "3", "5"])
def test_a_part_of_which_the_book_knows_nothing_is_not_taken_again(filled: str) -> None:
    """The journal could not be written: exits go out all the same, and the bot was killed."""
    desk = Desk(exits=HALF).enter()
    book = written(desk.session)
    desk.tick(2, 100.2).say(2.1, S.CANCELED, of="stop")
    part = report(desk.last.id, filled, "5", 20, S.FILLED if filled == "5" else S.ACCEPTED)
    old_stop, new_stop = (o.id for o in desk.orders if o.role == "stop")
    later = next_life(book)
    orders = (report(new_stop, "0", "5", 20, S.ACCEPTED), *([part] if filled != "5" else []))
    history = (part,) if filled == "5" else ()
    held = HeldAtVenue("A", 10 - D(filled), D(100))
    later.feed(account(31, held, orders=orders, history=history))
    later.feed(report(old_stop, "0", "10", 31, S.CANCELED), trade(32, 100.3), trade(33, 100.4))
    if filled != "5":
        later.feed(report(part.order, filled, "5", 34, S.CANCELED))
    assert "part" not in [role for role, _ in sent(later)[1:]]
    assert later.core.positions.open["A"].quantity == 10 - D(filled)
    assert ALL_PARTS in parts_of(later).taken


def test_of_a_position_that_no_book_has_no_part_is_taken_if_one_was() -> None:
    entry = OrderReport("mb-bot-s0.77.A.entry.1", "A", OrderSide.BUY, S.FILLED, D(10), D(10), D(100), at(-9), "v-entry")
    part = report("mb-bot-s0.77.A.part.1", "5", "5", -5)
    session = Session(risk=TEN, broker=RestingBroker(), orders=ORDERS, book=BOOK, exits=HALF)
    session.feed(quote(0, 99.99, 100.01), trade(0, 100))
    session.feed(account(1, HeldAtVenue("A", D(5), D(100)), history=(part, entry)), trade(2, 100.3))
    assert sent(session) == [("stop", "5")]
    assert parts_of(session).taken == (ALL_PARTS,)


def test_books_and_facts_without_a_part_are_written_as_they_were() -> None:
    desk = Desk().enter().tick(2, 101.5)
    written_down = msgspec.json.encode(desk.session.core.book())
    assert b"parts" not in written_down
    assert b"banked" not in written_down
    [decided] = desk.session.of(ExitDecided)
    assert b"quantity" not in msgspec.json.encode(decided)


# ------------------------------------------------------------------------------------------- simulated fills


def simulated(**execution: object) -> Session:
    settings = ExecutionSettings(**execution)  # type: ignore[arg-type]
    return Session(risk=RiskSettings(position_size=10.0), execution=settings, exits=HALF)


def test_at_once_a_part_is_closed_at_its_tick_and_the_rest_by_the_next_exit() -> None:
    session = simulated(fee_per_share=0.01).feed(trade(0, 100, says="LONG"), trade(1, 100.2), trade(2, 100.3))
    [reduced] = session.of(PositionReduced)
    assert (reduced.quantity, reduced.price, reduced.pnl) == (D(5), D("100.2"), D("0.9"))
    session.feed(trade(3, 99))
    [closed] = session.trades
    assert (closed.quantity, closed.pnl, closed.fees, closed.exit_reason) == (D(10), D("-4.2"), D("0.2"), "TRAIL")
    assert session.core.positions.equity == closed.equity == D("9995.8")
    summary = session.summary
    assert (summary["trades"], summary["losses"], summary["equity"]) == (1, 1, 9995.8)
    assert summary["max_drawdown"] == pytest.approx(5.1)  # from the equity that the part had brought


@pytest.mark.parametrize("latency_ms", [0.0, 500.0])
def test_an_exit_for_all_of_it_at_the_same_tick_has_the_last_word(latency_ms: float) -> None:
    exits = ListedExits([op.take_profit(0.001, part=0.5), op.profit_target(0.001)])
    settings = ExecutionSettings(latency_ms=latency_ms)
    session = Session(risk=RiskSettings(position_size=10.0), execution=settings, exits=exits)
    session.feed(trade(0, 100, says="LONG"), trade(1, 100), trade(2, 100.2), trade(3, 100.2))
    assert (session.exits, session.core.positions.open, session.core.orders.working) == (["TP"], {}, {})


def test_a_part_that_takes_its_time_is_filled_in_parts_and_is_no_more_than_the_part() -> None:
    session = simulated(liquidity="displayed", participation=0.2, patience_s=30.0)
    session.feed(trade(0, 100, says="LONG"), trade(1, 100, 100.0))
    for second in range(2, 12):
        session.feed(trade(second, 100.2, 5.0))
    fills = session.of(PositionReduced)
    assert [fill.quantity for fill in fills] == [1, 1, 1, 1, 1]
    assert session.core.positions.open["A"].quantity == 5


def test_a_simulated_part_that_ended_with_its_session_goes_on_in_the_next() -> None:
    session = simulated(latency_ms=1000.0).feed(trade(0, 100, says="LONG"), trade(2, 100), trade(3, 100.2))
    later = simulated(latency_ms=1000.0).feed(written(session), trade(60, 100.3), trade(62, 100.3), trade(64, 100.4))
    assert [fact.quantity for fact in later.of(PositionReduced)] == [5]
    assert later.core.positions.open["A"].quantity == 5


def cut(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
    return Step(lambda tick: emit(ExitSignal("A", "CUT", 0.5)) if tick.price < 99.5 else None)


def test_the_loss_limit_counts_what_a_part_has_lost() -> None:
    risk = RiskSettings(position_size=1000.0, daily_loss_limit=-0.0625)  # 625 dollars
    session = Session(risk=risk, exits=lambda held, market: market.ticks.pipe(op.lift(cut)))
    session.feed(trade(0, 100, says="LONG"), trade(1, 99.4), trade(2, 99.7))
    assert [fact.pnl for fact in session.of(PositionReduced)] == [-300]
    assert session.exits == []
    session.feed(trade(3, 99.36))
    assert session.exits == []  # 620 dollars in all
    session.feed(trade(4, 99.34))
    assert session.exits == ["HALT"]


def test_a_wish_for_a_part_is_none_to_leave_so_what_ends_behind_it_is_told_of() -> None:
    def half(held: Held, market: Market) -> Observable[ExitSignal]:
        return market.ticks.pipe(rx.take(1), rx.map(lambda tick: ExitSignal("A", "MINE", 0.5)))

    session = Session(risk=RiskSettings(position_size=10.0), exits=half).feed(trade(0, 100, says="LONG"), trade(1, 100))
    assert [fact.quantity for fact in session.of(PositionReduced)] == [5]
    [changed] = session.of(GuardChanged)
    assert "the fallback alone" in changed.guard
    session.feed(trade(2, 50))
    assert session.exits == ["FALLBACK"]


def test_flatten_closes_exactly_what_a_part_has_left() -> None:
    session = simulated().feed(trade(0, 100, says="SHORT"), trade(1, 99.8), Command("flatten", at(2)))
    [closed] = session.trades
    assert (closed.quantity, closed.exit_reason) == (D(10), "FLATTEN")
    assert session.core.positions.open == {}


@given(st.lists(st.integers(9_950, 10_060), min_size=1, max_size=60), st.sampled_from([0.0, 700.0]))
def test_the_same_inputs_give_the_same_facts_and_the_money_adds_up(cents: list[int], latency_ms: float) -> None:
    def run() -> Session:
        session = simulated(latency_ms=latency_ms, fee_per_share=0.01)
        for number, cent in enumerate(cents):
            session.feed(trade(number, cent / 100, says=("LONG", "SHORT")[number % 2]))
        return session

    one, two = run(), run()
    assert encoded(one.facts) == encoded(two.facts)
    trades = one.of(PositionClosed)
    parts = sum((fact.pnl for fact in _of_open(one)), D(0))
    assert one.core.positions.equity == 10_000 + sum((t.pnl for t in trades), D(0)) + parts
    for reduced in one.of(PositionReduced):
        assert 0 < reduced.quantity < 10
    assert len({fact.decision for fact in one.of(PositionReduced)}) == len(one.of(PositionReduced)) or latency_ms


def _of_open(session: Session) -> list[PositionReduced]:
    """The parts of positions that are still open."""
    decisions = {position.decision for position in session.core.positions.open.values()}
    facts: list[Fact] = session.facts
    return [fact for fact in facts if isinstance(fact, PositionReduced) and fact.decision in decisions]
