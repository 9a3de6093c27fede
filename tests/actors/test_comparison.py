"""The comparison of book and account: each difference is named, and what is accepted is a difference no more."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.book import Book, CountedOrder, HeldPosition, OpenOrder, TakenParts, Tally
from actors.execution.policy import OrderSettings
from actors.messages import (
    BookReconciled,
    BrokerChanged,
    Command,
    FeedState,
    HaltCause,
    PositionClosed,
    Refusal,
    TradingState,
)
from actors.orders import AccountReport, HeldAtVenue, OrderReport, OrderRole, OrderSide, OrderStatus, SubmitOrder
from actors.reconciliation.comparison import RECONCILED, Comparison, SymbolLine, Verdict, accept, compare
from pipeline.events import Side
from tests.support.market import at, trade
from tests.support.sessions import RestingBroker, Session

D = Decimal
OURS = "mb-bot-"
BUY, SELL = OrderSide.BUY, OrderSide.SELL


def position(shares: int, price: str = "100") -> HeldPosition:
    side = Side.LONG if shares > 0 else Side.SHORT
    entered = D(abs(shares))
    return HeldPosition("A", side, at(0), "77", entered, entered * D(price), D(0), D(0), D("0.1"))


def book(shares: int = 0, *orders: OpenOrder, foreign: int = 0) -> Book:
    tally = Tally(D(10_000), D(10_000), D(10_000), D(0), 0.0, 0)
    held = (position(shares),) if shares else ()
    beside = {"A": D(foreign)} if foreign else {}
    halted = TradingState.HALTED
    return Book(
        at(1), tally, "2026-01-05", halted, HaltCause.MISMATCH, False, {}, held, orders, "mb-bot-s0", "PA1", {}, beside
    )


def account(shares: int = 0, *orders: OrderReport, history: tuple[OrderReport, ...] = ()) -> AccountReport:
    held = (HeldAtVenue("A", D(shares), D(101)),) if shares else ()
    return AccountReport(at(9), "PA1", D(10_000), D(10_000), D(10_000), held, orders, history)


def report(
    order: str, side: OrderSide, filled: int, *, of: int = 0, price: str = "103", seconds: float = 5
) -> OrderReport:
    status = OrderStatus.FILLED if filled and not of else OrderStatus.ACCEPTED
    average = D(price) if filled else None
    return OrderReport(order, "A", side, status, D(of or filled), D(filled), average, at(seconds), f"v-{order}")


def open_order(side: OrderSide, quantity: int, leg: str = "stop") -> OpenOrder:
    submitted = SubmitOrder(f"mb-bot-s0.77.A.{leg}.1", "A", side, D(quantity), "77", OrderRole(leg))
    return OpenOrder(submitted, OrderStatus.ACCEPTED, D(0), D(0), "v1", False)


def compared(before: Book, found: AccountReport, *fates: OrderReport) -> Comparison:
    return compare(before, found, {fate.order: fate for fate in fates}, OURS)


def line(comparison: Comparison) -> SymbolLine:
    [only] = comparison.symbols
    return only


@pytest.mark.parametrize(
    ("booked", "held", "verdict", "closes", "foreign"),
    [
        (10, 10, Verdict.AGREES, 0, 0),
        (10, 0, Verdict.NOT_IN_ACCOUNT, 10, 0),
        (0, 7, Verdict.NOT_IN_BOOK, 0, 7),
        (0, -7, Verdict.NOT_IN_BOOK, 0, -7),
        (10, 7, Verdict.QUANTITY, 3, 0),
        (10, 13, Verdict.QUANTITY, 0, 3),
        (-10, -7, Verdict.QUANTITY, 3, 0),
        (10, -2, Verdict.NOT_IN_ACCOUNT, 10, -2),
    ],
)
def test_a_difference_is_named_and_ours_is_kept_as_far_as_the_account_holds_it(
    booked: int, held: int, verdict: Verdict, closes: int, foreign: int
) -> None:
    comparison = compared(book(booked), account(held))
    found = line(comparison)
    assert (found.verdict, found.closes, found.foreign_after) == (verdict, D(closes), D(foreign))
    assert bool(comparison.differences) == verdict.differs
    assert ("are gone" in found.explanation) == bool(closes)
    assert (f"explains {foreign}" in found.explanation) == bool(foreign)


def test_what_is_gone_at_a_price_that_nobody_knows_is_closed_at_what_it_cost() -> None:
    comparison = compared(book(10), account(0))
    assert "at $100, what they cost, since the price" in line(comparison).explanation
    after, facts = accept(book(10), comparison)
    [closed] = [fact for fact in facts if isinstance(fact, PositionClosed)]
    assert (closed.exit_reason, closed.exit_price, closed.pnl) == (
        "RECONCILED",
        D(100),
        D("-0.1"),
    )  # its fees were paid
    assert (after.positions, after.tally.equity) == ((), D("9999.9"))


@pytest.mark.parametrize(
    ("price", "shown"), [("0.0000131", "$0.0000131"), ("1234.5", "$1,234.5"), ("0.333333333333", "$0.33333333")]
)
def test_a_price_is_told_with_the_digits_that_it_has(price: str, shown: str) -> None:
    cost = msgspec.structs.replace(book(), positions=(position(10, price),))
    assert f"at {shown}, what they cost" in line(compared(cost, account(0))).explanation
    sold = account(0, history=(report("hand", SELL, 10, price=price),))
    assert f"at {shown}, the price of the order" in line(compared(cost, sold)).explanation


@pytest.mark.parametrize("sold", [[(10, 5, "103")], [(4, 5, "102"), (6, 6, "103")]])
def test_orders_of_somebody_else_that_add_up_to_what_is_gone_give_its_price(sold: list[tuple[int, int, str]]) -> None:
    history = tuple(report(f"hand{n}", SELL, q, seconds=s, price=p) for n, (q, s, p) in enumerate(sold))
    after, facts = accept(book(10), compared(book(10), account(0, history=history)))
    [closed] = [fact for fact in facts if isinstance(fact, PositionClosed)]
    value = sum(quantity * D(price) for quantity, _, price in sold)
    assert closed.exit_price == value / 10
    assert after.tally.equity == 10_000 + value - 1000 - D("0.1")


@pytest.mark.parametrize(
    "other",
    [
        report("hand", SELL, 9),  # does not add up
        report("hand", BUY, 10),  # the wrong side
        report("hand", SELL, 10, seconds=-5),  # from before the position
        report("mb-bot-s0.77.A.exit.1", SELL, 10),  # the bot's own, and told as its own
        msgspec.structs.replace(report("hand", SELL, 10), average=None),  # at nobody knows what price
    ],
)
def test_an_order_that_cannot_have_closed_it_gives_no_price(other: OrderReport) -> None:
    assert line(compared(book(10), account(0, history=(other,)))).price is None


def test_what_the_book_s_own_orders_did_meanwhile_is_no_difference() -> None:
    """The protective stop was filled while no bot ran: the next start looks it up and books it."""
    before = book(10, open_order(SELL, 10))
    comparison = compared(before, account(0), report("mb-bot-s0.77.A.stop.1", SELL, 10))
    assert line(comparison).verdict is Verdict.EXPLAINED
    assert [order.verdict for order in comparison.orders] == [Verdict.EXPLAINED]
    assert comparison.differences == ()


def test_orders_of_ours_that_the_book_cannot_know_are_counted_once_as_a_start_counts_them() -> None:
    """A backup was put back: the book is older than an entry in one case, than an exit in the other. The gate's own
    order may be older than the book, and the core had not heard of it."""
    for shares, order, held in (
        (0, report("mb-bot-s0.5.A.entry.1", BUY, 10), 10),
        (10, report("mb-bot-s0.77.A.exit.1", SELL, 10), 0),
        (10, report("mb-bot-s0.77.A.gate.1", SELL, 10), 0),
        (10, report("mb-bot-s0.77.A.gate.1", SELL, 10, seconds=0.5), 0),
    ):
        found = account(held, history=(order,))
        assert line(compared(book(shares), found)).verdict is Verdict.EXPLAINED
        session = Session(broker=RestingBroker(), orders=OrderSettings(), book="mb-bot-s2").feed(book(shares))
        core = session.core
        for seconds in (10, 60, 120):
            session.feed(msgspec.structs.replace(found, ts=at(seconds)))
        assert sum(p.quantity for p in core.positions.open.values()) == held
        assert core.risk.state_reason == HaltCause.MISMATCH  # as before, and nothing new


@pytest.mark.parametrize("order", ["mb-bot-s0.77.A.gate.1", "mb-bot-s0.76.A.gate.1"])
def test_the_gate_s_orders_that_the_book_knows_or_whose_position_is_over_are_not_counted_again(order: str) -> None:
    known = msgspec.structs.replace(book(10), gate_orders=("mb-bot-s0.77.A.gate.1",))
    found = account(10, history=(report(order, SELL, 5, seconds=0.5),))
    assert line(compared(known, found)).verdict is Verdict.AGREES
    core = Session(broker=RestingBroker(), orders=OrderSettings(), book="mb-bot-s2").feed(known).core
    core.run([msgspec.structs.replace(found, ts=at(10))])
    assert core.positions.open["A"].quantity == 10


@pytest.mark.parametrize(("counted", "verdict"), [(4, Verdict.EXPLAINED), (6, Verdict.NOT_IN_ACCOUNT)])
def test_what_an_order_filled_beyond_what_is_counted_is_what_it_did_meanwhile(counted: int, verdict: Verdict) -> None:
    order = report("mb-bot-s0.77.A.exit.1", SELL, 6, seconds=0.5)
    of = (CountedOrder(order.order, D(counted), D(counted) * 103),)
    before = msgspec.structs.replace(book(2), counted=of, names_counted=True)
    found = account(0, history=(order, report("mb-bot-s0.76.A.exit.1", SELL, 9)))  # and one of a trade that is over
    assert (line(compared(before, found)).verdict, line(compared(before, found)).meanwhile) == (verdict, D(counted - 6))
    core = Session(broker=RestingBroker(), orders=OrderSettings(), book="mb-bot-s2").feed(before).core
    core.run([msgspec.structs.replace(found, ts=at(10))])
    assert sum(p.quantity for p in core.positions.open.values()) == 2 + counted - 6


def test_a_position_that_the_bot_s_orders_add_up_to_is_left_to_the_next_start() -> None:
    comparison = compared(book(), account(10, history=(report("mb-bot-s0.5.A.entry.1", BUY, 10, seconds=0.5),)))
    assert line(comparison).verdict is Verdict.EXPLAINED
    assert "takes it over" in line(comparison).explanation
    assert compared(book(), account(10, history=(report("hand", BUY, 10),))).differences


def test_a_position_beside_an_order_that_works_is_adopted_by_no_start() -> None:
    """The symbol is in the book: what is in the account and not there, the next start counts as a difference."""
    before = book(0, open_order(BUY, 3, "entry"))
    found = account(10, history=(report("mb-bot-s0.5.A.entry.1", BUY, 10, seconds=0.5),))
    assert line(compared(before, found)).verdict is Verdict.NOT_IN_BOOK


def test_what_is_gone_at_what_it_cost_costs_just_that_also_where_an_average_has_no_end() -> None:
    before = msgspec.structs.replace(book(3), positions=(msgspec.structs.replace(position(3), entry_value=D(100)),))
    [closed] = [fact for fact in accept(before, compared(before, account(0)))[1] if isinstance(fact, PositionClosed)]
    assert closed.pnl == D("-0.1")


def test_what_agrees_is_explained_by_what_was_accepted_before_or_is_done_since_or_by_nothing() -> None:
    assert line(compared(book(10), account(10))).explanation == ""
    assert line(compared(book(10, foreign=5), account(15))).explanation == "5 of it are not ours, as accepted before"
    since = compared(book(10, open_order(SELL, 10), foreign=5), account(5), report("mb-bot-s0.77.A.stop.1", SELL, 10))
    assert line(since).explanation == "the bot's orders filled -10 since; the next start books it"


def test_what_was_accepted_and_is_gone_is_forgotten() -> None:
    found = line(compared(book(10, foreign=5), account(10)))
    assert (found.verdict, found.foreign_after) == (Verdict.QUANTITY, D(0))
    assert "accepting forgets it" in found.explanation


def test_a_symbol_in_which_nothing_is_held_is_no_line() -> None:
    comparison = compared(book(0, open_order(BUY, 3, "entry")), account(0))
    assert comparison.symbols == ()
    assert [order.verdict for order in comparison.orders] == [Verdict.EXPLAINED]  # the venue does not know it


@pytest.mark.parametrize(
    ("booked", "side", "meanwhile", "stuck"), [(10, SELL, 4, False), (4, BUY, 6, True), (4, SELL, 6, True)]
)
def test_no_more_can_be_closed_than_the_book_holds(booked: int, side: OrderSide, meanwhile: int, stuck: bool) -> None:
    before = book(booked, open_order(side, 10, "exit"))
    found = line(compared(before, account(0), report("mb-bot-s0.77.A.exit.1", side, meanwhile)))
    assert (found.closes, found.stuck) == (D(abs(booked + side.sign * meanwhile)), stuck)
    assert ("start it once" in found.explanation, "is not known" in found.explanation) == (stuck, not stuck)


@pytest.mark.parametrize(("status", "filled"), [(OrderStatus.CANCELED, 0), (OrderStatus.ACCEPTED, 2)])
def test_an_order_of_the_book_that_the_venue_tells_otherwise_is_explained(status: OrderStatus, filled: int) -> None:
    before = book(10, open_order(SELL, 10))
    fate = report("mb-bot-s0.77.A.stop.1", SELL, filled, of=10)
    agrees = compared(before, account(10), report("mb-bot-s0.77.A.stop.1", SELL, 0, of=10))
    assert [order.verdict for order in agrees.orders] == [Verdict.AGREES]
    other = compared(before, account(10 - filled), msgspec.structs.replace(fate, status=status))
    assert [order.verdict for order in other.orders] == [Verdict.EXPLAINED]


def test_what_was_to_be_closed_is_still_to_be_where_something_is_left_of_it() -> None:
    before = msgspec.structs.replace(book(10), closing={"A": "FLATTEN", "B": "FLATTEN"})
    assert accept(before, compared(before, account(3)))[0].closing == {"A": "FLATTEN"}
    assert accept(before, compared(before, account(0)))[0].closing == {}


def test_what_is_gone_of_a_position_that_was_partly_sold_is_closed_at_what_it_cost() -> None:
    sold = msgspec.structs.replace(position(10), exited=D(4), exit_value=D(440))
    before = msgspec.structs.replace(book(10), positions=(sold,))
    [closed] = [fact for fact in accept(before, compared(before, account(0)))[1] if isinstance(fact, PositionClosed)]
    assert (closed.quantity, closed.pnl) == (D(10), D("39.9"))


def test_before_its_own_fills_are_booked_nobody_can_say_what_is_missing() -> None:
    """An entry was filled after the book was written, and then somebody sold it."""
    before = book(0, open_order(BUY, 3, "entry"))
    comparison = compared(before, account(0), report("mb-bot-s0.77.A.entry.1", BUY, 3))
    assert comparison.stuck == ("A",)
    assert "start it once" in line(comparison).explanation


def test_an_open_order_that_is_nobody_s_is_accepted_by_its_id_at_the_venue() -> None:
    hand = report("hand", BUY, 0, of=5)
    ours = report("mb-bot-s0.77.A.exit.9", SELL, 0, of=5)
    comparison = compared(book(), account(0, hand, ours))
    assert [order.verdict for order in comparison.orders] == [Verdict.NOT_OURS, Verdict.EXPLAINED]
    after, _ = accept(book(), comparison)
    assert after.foreign_orders == ("v-hand",)
    assert compared(after, account(0, hand)).differences == ()
    gone, _ = accept(after, compared(after, account(0)))
    assert gone.foreign_orders == ()


def test_the_act_is_told_and_a_halt_stays_a_halt() -> None:
    comparison = compared(book(10), account(3))
    after, facts = accept(book(10), comparison)
    [told] = [fact for fact in facts if isinstance(fact, BookReconciled)]
    assert told.differences == ("A: the account holds 3, the book 10",)
    assert (after.state, after.reason) == (TradingState.HALTED, RECONCILED)
    by_hand, _ = accept(msgspec.structs.replace(book(10), reason="lunch", halt_cause=None), comparison)
    assert (by_hand.state, by_hand.reason) == (TradingState.HALTED, "lunch")
    assert [p.entered - p.exited for p in after.positions] == [3]
    assert not [fact for fact in facts if isinstance(fact, PositionClosed)]  # a part of it goes on


SHARES = st.integers(-5, 5)


@given(booked=SHARES, held=SHARES, foreign=SHARES, hand=st.booleans())
def test_a_bot_that_goes_on_from_what_was_accepted_finds_no_mismatch(
    booked: int, held: int, foreign: int, hand: bool
) -> None:
    before = book(booked, foreign=foreign)
    orders = (report("hand", BUY, 0, of=5),) if hand else ()
    found = account(held, *orders)
    accepted, _ = accept(before, compared(before, found))
    later = msgspec.json.decode(msgspec.json.encode(accepted), type=Book)
    session = Session(broker=RestingBroker(), orders=OrderSettings(), book="mb-bot-s2").feed(later)
    core = session.core
    assert core.book().foreign == accepted.foreign  # and it is written down again
    for seconds in (10, 60, 120):
        session.feed(msgspec.structs.replace(found, ts=at(seconds)))
    assert core.risk.state_reason == RECONCILED
    kept = {p.symbol: p.side.sign * p.quantity for p in core.positions.open.values()}
    assert kept.get("A", 0) + accepted.foreign.get("A", 0) == held
    session.feed(*(msgspec.structs.replace(account(held + 1, *orders), ts=at(s)) for s in range(200, 231, 5)))
    assert "the account and the book differ" in core.risk.state_reason  # what comes later counts


def test_what_a_person_had_halted_for_holds_once_the_account_is_reconciled() -> None:
    both = msgspec.structs.replace(book(10), halted_before="fat finger")
    after, _ = accept(both, compared(both, account(3)))
    assert (after.state, after.reason, after.halt_cause) == (TradingState.HALTED, "fat finger", HaltCause.COMMAND)
    assert after.halted_before == ""


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("the account and the book differ: A: the account holds 3, the book 10", HaltCause.MISMATCH),
        (RECONCILED, HaltCause.RECONCILED),
        ("halt by terminal", HaltCause.COMMAND),
    ],
)
def test_a_book_of_before_says_by_its_sentence_why_it_is_halted(reason: str, cause: HaltCause) -> None:
    old = msgspec.to_builtins(book(10)) | {"reason": reason}
    del old["halt_cause"], old["halted_before"]
    assert msgspec.json.decode(msgspec.json.encode(old), type=Book).halt_cause is cause
    paused = msgspec.json.decode(msgspec.json.encode(old | {"state": "PAUSED"}), type=Book)
    assert paused.halt_cause is None


def test_a_symbol_is_not_entered_while_somebody_else_s_order_is_open_in_it() -> None:
    """The venue refuses what crosses that order: a position could neither be guarded nor left."""
    hand = report("hand", BUY, 0, of=5)
    accepted, _ = accept(book(), compared(book(), account(0, hand)))
    session = Session(broker=RestingBroker(), orders=OrderSettings(), book="mb-bot-s2")
    session.feed(accepted, BrokerChanged(FeedState.LIVE, at(9)), account(0, hand), Command("resume", at(9)))
    session.feed(trade(10, 100, says="LONG"), trade(11, 100, symbol="B", says="LONG"))
    assert session.verdicts == [Refusal.FOREIGN_ORDER, None]
    session.feed(msgspec.structs.replace(account(0), ts=at(12)), trade(13, 100, says="LONG"))
    assert session.verdicts == [Refusal.FOREIGN_ORDER, None, None]


def test_beside_somebody_else_s_shares_a_position_is_adopted_for_what_is_ours() -> None:
    entry = report("mb-bot-s1.5.A.entry.1", BUY, 3, price="100", seconds=0.5)
    session = Session(broker=RestingBroker(), orders=OrderSettings(), book="mb-bot-s2")
    session.feed(book(0, foreign=7), account(10, history=(entry,)))
    [held] = session.core.positions.held()
    assert (held.entered, held.entry_value) == (D(3), D(300))
    assert session.core.risk.state_reason == HaltCause.MISMATCH  # as before, and nothing new


def test_the_parts_that_were_taken_are_kept_and_their_profit_is_not_counted_twice() -> None:
    taken = {"A": TakenParts(("take_profit(0.001, 0.5)",), D(7), "TP"), "B": TakenParts(("mine",))}
    reduced = msgspec.structs.replace(position(10), exited=D(5), exit_value=D(550), banked=D(50))
    before = msgspec.structs.replace(book(10), positions=(reduced,), parts=taken)
    after, _ = accept(before, compared(before, account(3)))
    assert (after.parts, after.positions[0].banked) == ({"A": taken["A"]}, D(50))
    after, facts = accept(before, compared(before, account(0)))
    [closed] = [fact for fact in facts if isinstance(fact, PositionClosed)]
    assert (closed.pnl, after.tally.equity) == (D("49.9"), D("9999.9"))  # the 50 were in it already
    assert not after.parts
