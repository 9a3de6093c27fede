"""Holdings: what is held and what works, out of books, of what left, and of what the venue says."""

from __future__ import annotations

import msgspec
import pytest

from actors.holdings import Holdings
from actors.messages import OrderFilled
from actors.orders import Execution, OrderMissing, OrderRole, OrderSide, SubmitOrder
from tests.actors.test_close_out import BOOK, CLOSE, ENTRY, STOP, D, S, account, book, report

GATE = SubmitOrder(CLOSE, "A", OrderSide.SELL, D(3), "1", OrderRole.GATE, "HALT")


def filled(order: SubmitOrder, shares: int) -> OrderFilled:
    return OrderFilled(Execution(f"{order.id}/{shares}", order.id, "A", order.side, D(shares), D(100), 1), "1", 5)


def test_inputs_are_counted_anew_with_each_session() -> None:
    holdings = Holdings()
    holdings.see(50, (), book())
    holdings.see(49, (), None)
    assert (holdings.book, holdings.number) == (BOOK, 50)
    holdings.see(3, (), msgspec.structs.replace(book(), name="mb-bot-s2"))
    assert (holdings.book, holdings.number) == ("mb-bot-s2", 3)


def test_what_the_core_has_counted_is_not_held_twice_and_what_it_has_not_is_held() -> None:
    holdings = Holdings()
    holdings.see(1, (), book((ENTRY, 0), held=0))
    holdings.hear(report(ENTRY, S.PARTIALLY_FILLED, 2))
    assert holdings.positions() == {"A": (D(2), "1")}
    holdings.see(2, (filled(ENTRY, 2),), book((ENTRY, 2), held=2))
    assert holdings.positions() == {"A": (D(2), "1")}
    holdings.see(3, (filled(ENTRY, 1),), None)
    holdings.hear(report(ENTRY, S.FILLED, 3))
    holdings.see(4, (), book(held=3))
    assert (holdings.positions(), holdings.known) == ({"A": (D(3), "1")}, {})


def test_an_order_that_the_book_lists_no_more_is_remembered_for_what_is_not_counted_of_it() -> None:
    holdings = Holdings()
    holdings.see(1, (), book((ENTRY, 0), held=0))
    holdings.hear(report(ENTRY, S.FILLED, 3))
    holdings.see(2, (), book(held=0))
    assert holdings.positions() == {"A": (D(3), "1")}
    holdings.see(3, (filled(ENTRY, 3),), book(held=3))
    assert (holdings.positions(), holdings.known) == ({"A": (D(3), "1")}, {})


@pytest.mark.parametrize(
    ("status", "shares", "counted", "kept"),
    [
        (S.ACCEPTED, 0, 0, True),
        (S.PARTIALLY_FILLED, 1, 1, True),
        (S.CANCELED, 0, 0, False),
        (S.CANCELED, 1, 1, False),
        (S.FILLED, 3, 1, True),
    ],
)
def test_an_order_of_the_gate_s_is_remembered_until_it_is_over_and_counted(
    status: S, shares: int, counted: int, kept: bool
) -> None:
    """No book lists it before the core has heard of it."""
    holdings = Holdings()
    holdings.see(1, (), book())
    holdings.let_out(GATE)
    holdings.hear(report(GATE, status, shares))
    holdings.see(2, (filled(GATE, counted),) if counted else (), book(held=3 - counted))
    assert (GATE.id in holdings.known) is kept
    assert holdings.positions().get("A", (D(0), ""))[0] == 3 - shares


def test_an_order_that_the_core_has_given_up_is_not_waited_for() -> None:
    """The venue never got it: nobody will tell its end."""
    holdings = Holdings()
    holdings.see(1, (), book((ENTRY, 0), held=0))
    holdings.see(2, (), book(held=0))
    assert holdings.known == {}


def test_news_of_an_order_only_goes_forward() -> None:
    holdings = Holdings()
    holdings.see(1, (), book((STOP, 0)))
    known = holdings.known[STOP.id]
    holdings.hear(OrderMissing(STOP.id, 1))
    assert known.missing
    holdings.hear(report(STOP, S.CANCELED, 2))
    holdings.hear(report(STOP, S.PARTIALLY_FILLED, 1))
    assert (known.heard, known.over, known.told, known.missing) == (D(2), True, True, False)
    assert holdings.working() == []
    holdings.hear(OrderMissing("x", 1))
    assert list(holdings.known) == [STOP.id]


def test_an_entry_is_in_flight_until_there_is_any_word_of_it() -> None:
    holdings = Holdings()
    holdings.see(1, (), book(held=0))
    holdings.let_out(ENTRY)
    holdings.let_out(STOP)
    assert holdings.entries_in_flight() == [ENTRY.id]
    holdings.see(2, (filled(ENTRY, 1),), None)
    assert holdings.entries_in_flight() == []
    other = msgspec.structs.replace(ENTRY, id=f"{BOOK}.1.A.entry.2")
    holdings.let_out(other)
    holdings.hear(report(other, S.REJECTED))
    assert holdings.entries_in_flight() == []


def test_the_account_s_orders_are_news_of_them_and_what_is_not_ours_is_left_out() -> None:
    holdings = Holdings()
    assert holdings.in_account("A") == 0
    holdings.see(1, (), msgspec.structs.replace(book((ENTRY, 0), held=0), foreign={"A": D(4)}))
    holdings.hear(msgspec.structs.replace(account(6), orders=(report(ENTRY, S.PARTIALLY_FILLED, 2),)))
    assert holdings.positions() == {"A": (D(2), "1")}
    assert (holdings.in_account("A"), holdings.in_account("B"), holdings.accounts) == (D(2), D(0), 1)
