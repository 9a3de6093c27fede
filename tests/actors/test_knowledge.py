"""What a book knows of our orders: each fill is counted once, whoever told it, and whenever the bot was killed."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.book import Book, CountedOrder
from actors.execution.known_orders import Knowledge, OrderName, decision_of
from actors.messages import GateOrder, OrderFilled, PositionOpened
from actors.orders import AccountReport, HeldAtVenue, OrderReport, OrderRole, OrderSide, OrderStatus, SubmitOrder
from tests.support.desk import BOOK, ORDERS, TEN, D, Desk, S, account, old
from tests.support.market import at, clock, quote, trade
from tests.support.sessions import RestingBroker, Session

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def report(
    order: str, side: OrderSide, filled: str, average: str = "100", *, seconds: float, status: OrderStatus = S.FILLED
) -> OrderReport:
    price = D(average) if D(filled) else None
    return OrderReport(order, "A", side, status, D(10), D(filled), price, at(seconds), f"v-{order}")


def written(session: Session) -> Book:
    """Write the book down and read it back, as a file would."""
    return msgspec.json.decode(msgspec.json.encode(session.core.book()), type=Book)


def next_life(book: Book, number: int) -> Session:
    return Session(risk=TEN, broker=RestingBroker(), orders=ORDERS, book=f"mb-bot-s{number}").feed(book)


def held(session: Session) -> dict[str, Decimal]:
    return {symbol: p.side.sign * p.quantity for symbol, p in session.core.positions.open.items()}


def as_before(book: Book) -> Book:
    """The same book, as it was written before it named what is counted."""
    return msgspec.structs.replace(book, counted=(), names_counted=False)


def holding() -> tuple[Desk, str]:
    """A desk that holds ten, with a stop at the venue; and what its orders' ids begin with."""
    desk = Desk().enter().pass_time(2)
    return desk, f"{BOOK}.{desk.session.core.positions.open['A'].decision}.A"


@pytest.mark.parametrize("names", [True, False])
def test_a_fill_that_a_life_counted_before_it_saw_the_account_is_not_counted_by_the_next(names: bool) -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"), clock(2))
    entry = report(desk.last.id, BUY, "10", seconds=30)
    early = next_life(written(desk.session) if names else as_before(written(desk.session)), 2)
    early.feed(entry, clock(40))  # looked up; and killed
    assert held(early) == {"A": D(10)}
    last = next_life(written(early), 3)
    last.feed(account(60, HeldAtVenue("A", D(10), D(100)), history=(entry,)))
    assert held(last) == {"A": D(10)}
    assert last.of(OrderFilled) == []


@pytest.mark.parametrize("leg", ["exit", "stop", "gate"])
def test_an_exit_that_a_life_counted_before_it_saw_the_account_opens_nothing_in_the_next(leg: str) -> None:
    desk, cause = holding()
    out = SubmitOrder(f"{cause}.{leg}.7", "A", SELL, D(10), cause.split(".")[1], OrderRole(leg), "HALT")
    desk.session.feed(GateOrder(out, at(2)))
    filled = report(out.id, SELL, "10", seconds=30)
    early = next_life(written(desk.session), 2).feed(filled, clock(40))
    assert held(early) == {}
    stop = report(f"{cause}.stop.1", SELL, "0", seconds=31, status=S.CANCELED)
    last = next_life(written(early), 3).feed(stop, account(60, history=(filled,)))
    assert (held(last), last.of(OrderFilled)) == ({}, [])


def test_of_an_order_that_filled_more_while_nobody_was_there_only_that_is_counted() -> None:
    """It was taken for over, with four shares."""
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(2, S.CANCELED, "4").pass_time(3)
    entry = report(desk.orders[0].id, BUY, "6", "101", seconds=2.5, status=S.CANCELED)
    later = next_life(written(desk.session), 2).feed(account(9, HeldAtVenue("A", D(6), D(101)), history=(entry,)))
    [more] = later.of(OrderFilled)
    assert (more.execution.quantity, more.execution.price) == (D(2), D(103))
    assert held(later) == {"A": D(6)}


def test_an_order_of_what_is_closed_is_over_whatever_its_time_says() -> None:
    """The venue touches its orders long after they were filled, and its clock is not ours."""
    desk, cause = holding()
    desk.say(3, S.FILLED, "10", "99.5", of="stop")
    assert held(desk.session) == {}
    book = written(desk.session)
    touched = (report(f"{cause}.stop.1", SELL, "10", seconds=500), report(f"{cause}.entry.1", BUY, "10", seconds=499))
    assert next_life(book, 2).feed(account(600, history=touched)).of(OrderFilled) == []


@pytest.mark.parametrize("seconds", [-5, 500])
def test_the_orders_that_an_adopted_position_is_made_of_are_counted_by_that(seconds: float) -> None:
    entry = old("entry", "10", seconds=seconds)
    stop = old("stop", "4", side=SELL, status=S.CANCELED, seconds=seconds)
    first = Desk(opened=False)
    first.session.feed(account(1, HeldAtVenue("A", D(6), D(100)), history=(stop, entry)))
    assert held(first.session) == {"A": D(6)}
    later = next_life(written(first.session), 2)
    later.feed(account(600, HeldAtVenue("A", D(6), D(100)), history=(stop, entry)))
    assert (held(later), later.of(OrderFilled)) == ({"A": D(6)}, [])
    out = report("mb-bot-s1.s0-77.A.exit.1", SELL, "6", "101", seconds=700)
    last = next_life(written(later), 3).feed(account(800, history=(out, stop, entry)))
    assert (held(last), len(last.of(OrderFilled))) == ({}, 1)


def test_a_position_of_somebody_s_is_adopted_and_what_is_counted_of_others_is_not_named() -> None:
    other = OrderReport("mb-bot-s0.5.B.entry.1", "B", BUY, S.FILLED, D(10), D(10), D(50), at(-9), "vb")
    first = Desk(opened=False)
    first.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10"), other)))
    assert [counted.order for counted in written(first.session).counted] == ["mb-bot-s0.77.A.entry.1"]


def test_an_older_word_of_an_order_takes_back_nothing_of_what_is_counted() -> None:
    desk, cause = holding()
    older = report(f"{cause}.entry.1", BUY, "4", seconds=1, status=S.CANCELED)
    book = written(desk.session)
    later = next_life(book, 2).feed(account(9, HeldAtVenue("A", D(10), D(100)), history=(older,)))
    assert written(later).counted == book.counted


def test_what_is_counted_goes_on_from_life_to_life_for_as_long_as_the_position() -> None:
    desk, cause = holding()
    entry = CountedOrder(f"{cause}.entry.1", D(10), D(1000))
    book = written(desk.session)
    for number in range(2, 5):
        assert (book.counted, book.names_counted) == ((entry,), True)
        book = written(next_life(book, number))
    last = next_life(book, 5).feed(report(f"{cause}.stop.1", SELL, "10", seconds=9))
    assert written(last).counted == ()


def test_an_order_of_this_session_that_the_core_was_not_told_of_is_named_like_the_others() -> None:
    desk, cause = holding()
    by_gate = report(f"{cause}.gate.1", SELL, "0", seconds=3, status=S.ACCEPTED)
    desk.session.feed(account(3, HeldAtVenue("A", D(10), D(100)), orders=(by_gate,)))
    filled = report(by_gate.order, SELL, "4", seconds=4, status=S.CANCELED)
    desk.session.feed(filled)
    later = next_life(written(desk.session), 2)
    later.feed(account(9, HeldAtVenue("A", D(6), D(100)), history=(filled,)))
    assert (held(later), later.of(OrderFilled)) == ({"A": D(6)}, [])


# --------------------------------------------------------------------------------------- books from before that


@pytest.mark.parametrize(("seconds", "counted"), [(1.5, 0), (2, 0), (30, 1)])
def test_a_book_that_names_nothing_knows_what_is_older_than_it(seconds: float, counted: int) -> None:
    desk, cause = holding()
    book = as_before(written(desk.session))
    orders = (report(f"{cause}.entry.1", BUY, "10", seconds=1), report(f"{cause}.exit.1", SELL, "4", seconds=seconds))
    positions = (HeldAtVenue("A", D(6), D(100)),)
    later = next_life(book, 2).feed(account(60, *positions, history=orders))
    assert len(later.of(OrderFilled)) == counted
    assert later.core.book().names_counted
    assert {order.order for order in later.core.book().counted} == {order.order for order in orders}
    last = next_life(written(later), 3).feed(account(90, *positions, history=orders))
    assert last.of(OrderFilled) == []


@pytest.mark.parametrize("heard", [True, False])
def test_a_book_that_names_only_the_gate_s_orders_is_read_as_it_was_meant(heard: bool) -> None:
    """The gate's order is older than the book, which was written before the core heard of it."""
    desk, cause = holding()
    gate = report(f"{cause}.gate.1", SELL, "4", seconds=1.5, status=S.CANCELED)
    book = msgspec.structs.replace(as_before(written(desk.session)), gate_orders=(gate.order,) if heard else ())
    early = next_life(book, 2).feed(clock(30))  # killed before it saw the account
    assert written(early).gate_orders == book.gate_orders
    assert not written(early).names_counted
    later = next_life(written(early), 3)
    later.feed(account(60, HeldAtVenue("A", D(6), D(100)), history=(gate,)))
    assert len(later.of(OrderFilled)) == (0 if heard else 1)


def test_what_an_older_book_had_missed_is_not_hidden_by_one_written_before_the_account_was_seen() -> None:
    desk, cause = holding()
    early = next_life(as_before(written(desk.session)), 2).feed(clock(50))
    out = report(f"{cause}.exit.1", SELL, "10", seconds=3)
    assert held(next_life(written(early), 3).feed(account(60, history=(out,)))) == {}


def test_a_session_that_was_told_of_no_order_that_is_over_does_not_claim_to_name_all() -> None:
    desk, _ = holding()
    later = next_life(as_before(written(desk.session)), 2).feed(account(60, HeldAtVenue("A", D(10), D(100))))
    assert not written(later).names_counted


def test_an_order_without_a_fill_that_a_book_cannot_know_keeps_no_position_from_being_adopted() -> None:
    """The position's orders are older than that book, in which it was forgotten."""
    desk = Desk().pass_time(2)
    book = as_before(written(desk.session))
    nothing = old("exit", "0", side=SELL, status=S.ACCEPTED, seconds=30)
    later = next_life(book, 2)
    held_ten = HeldAtVenue("A", D(10), D(100))
    later.feed(account(60, held_ten, orders=(nothing,), history=(old("entry", "10"),)))
    assert [opened.adopted for opened in later.of(PositionOpened)] == [True]


# ----------------------------------------------------------------------------------------------------- by itself


def name_of(order: OrderReport) -> OrderName:
    name = OrderName.of(order.order)
    assert name is not None
    return name


@pytest.mark.parametrize(
    ("order", "misses"),
    [
        (report("mb-bot-s1.5.A.exit.1", SELL, "4", seconds=0), True),
        (report("mb-bot-s1.5.A.exit.1", SELL, "0", seconds=9, status=S.CANCELED), False),
        (report("mb-bot-s1.5.A.exit.1", SELL, "0", seconds=0, status=S.ACCEPTED), True),
        (report("mb-bot-s1.5.A.entry.1", BUY, "10", seconds=9), False),
        (report("mb-bot-s1.6.A.exit.1", SELL, "4", seconds=9), False),
        (report("mb-bot-s2.5.A.exit.1", SELL, "4", seconds=9), False),
        (report("mb-bot-s2.s1-5.A.exit.1", SELL, "4", seconds=9), True),
    ],
)
def test_a_book_misses_what_it_has_not_counted_of_the_decisions_that_it_holds(order: OrderReport, misses: bool) -> None:
    desk = Desk().enter()
    assert desk.session.core.positions.open["A"].decision == "5"
    assert Knowledge(written(desk.session)).misses(name_of(order), order) is misses


def test_a_book_misses_the_orders_of_a_decision_for_which_it_has_only_an_order() -> None:
    """The entry was filled, and the gate closed what it had bought, while the core was stuck."""
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    order = report("mb-bot-s1.5.A.gate.1", SELL, "4", seconds=9)
    assert Knowledge(written(desk.session)).misses(name_of(order), order)


@pytest.mark.parametrize(
    "order", ["", ".5.A.exit.1", "b..A.exit.1", "b.5..exit.1", "b.5.A.exit.", "b.5.A.exit.x", "b.5.A.hedge.1", "b.5"]
)
def test_an_id_that_lacks_a_part_is_none_of_ours(order: str) -> None:
    assert OrderName.of(order) is None
    assert decision_of(order) == ""
    assert OrderName.of("b.5.BRK.B.exit.12") == ("b", "5", "BRK.B", "exit", "12")


def test_without_a_book_nothing_is_missed() -> None:
    order = report("mb-bot-s1.5.A.exit.1", SELL, "4", seconds=9)
    assert not Knowledge().misses(name_of(order), order)


def test_a_book_from_before_any_time_was_known_misses_nothing() -> None:
    """A bot that was paused before its feed said anything."""
    desk, cause = holding()
    book = msgspec.structs.replace(as_before(written(desk.session)), ts=0)
    order = report(f"{cause}.exit.1", SELL, "4", seconds=9)
    assert not Knowledge(book).misses(name_of(order), order)


def test_an_account_that_is_read_for_the_session_before_is_known_by_the_book_s_time() -> None:
    desk, _ = holding()
    session = next_life(written(desk.session), 2)
    early: AccountReport = account(1.9, HeldAtVenue("A", D(10), D(100)))
    session.feed(quote(1.9, 99.9, 100.1), early)
    assert session.core.book().known_until == at(2)
