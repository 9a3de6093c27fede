"""ShadowLedger: what is held and what works, out of books, of what left, and of what the venue says."""

from __future__ import annotations

import msgspec
import pytest

from actors.gateway.shadow_ledger import ShadowLedger
from actors.messages import OrderFilled
from actors.orders import Execution, OrderMissing, OrderRole, OrderSide, SubmitOrder
from tests.actors.test_close_out import BOOK, CLOSE, ENTRY, STOP, D, S, account, book, report

GATE = SubmitOrder(CLOSE, "A", OrderSide.SELL, D(3), "1", OrderRole.GATE, "HALT")


def filled(order: SubmitOrder, shares: int) -> OrderFilled:
    return OrderFilled(Execution(f"{order.id}/{shares}", order.id, "A", order.side, D(shares), D(100), 1), "1", 5)


def test_inputs_are_counted_anew_with_each_session() -> None:
    ledger = ShadowLedger()
    ledger.fold_batch(50, (), book())
    ledger.fold_batch(49, (), None)
    assert (ledger.book, ledger.number) == (BOOK, 50)
    ledger.fold_batch(3, (), msgspec.structs.replace(book(), name="mb-bot-s2"))
    assert (ledger.book, ledger.number) == ("mb-bot-s2", 3)


def test_what_the_core_has_counted_is_not_held_twice_and_what_it_has_not_is_held() -> None:
    ledger = ShadowLedger()
    ledger.fold_batch(1, (), book((ENTRY, 0), held=0))
    ledger.fold_report(report(ENTRY, S.PARTIALLY_FILLED, 2))
    assert ledger.positions() == {"A": (D(2), "1")}
    ledger.fold_batch(2, (filled(ENTRY, 2),), book((ENTRY, 2), held=2))
    assert ledger.positions() == {"A": (D(2), "1")}
    ledger.fold_batch(3, (filled(ENTRY, 1),), None)
    ledger.fold_report(report(ENTRY, S.FILLED, 3))
    ledger.fold_batch(4, (), book(held=3))
    assert (ledger.positions(), ledger.known) == ({"A": (D(3), "1")}, {})


def test_an_order_that_the_book_lists_no_more_is_remembered_for_what_is_not_counted_of_it() -> None:
    ledger = ShadowLedger()
    ledger.fold_batch(1, (), book((ENTRY, 0), held=0))
    ledger.fold_report(report(ENTRY, S.FILLED, 3))
    ledger.fold_batch(2, (), book(held=0))
    assert ledger.positions() == {"A": (D(3), "1")}
    ledger.fold_batch(3, (filled(ENTRY, 3),), book(held=3))
    assert (ledger.positions(), ledger.known) == ({"A": (D(3), "1")}, {})


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
    ledger = ShadowLedger()
    ledger.fold_batch(1, (), book())
    ledger.add_order(GATE)
    ledger.fold_report(report(GATE, status, shares))
    ledger.fold_batch(2, (filled(GATE, counted),) if counted else (), book(held=3 - counted))
    assert (GATE.id in ledger.known) is kept
    assert ledger.positions().get("A", (D(0), ""))[0] == 3 - shares


def test_an_order_that_the_core_has_given_up_is_not_waited_for() -> None:
    """The venue never got it: nobody will tell its end."""
    ledger = ShadowLedger()
    ledger.fold_batch(1, (), book((ENTRY, 0), held=0))
    ledger.fold_batch(2, (), book(held=0))
    assert ledger.known == {}


def test_news_of_an_order_only_goes_forward() -> None:
    ledger = ShadowLedger()
    ledger.fold_batch(1, (), book((STOP, 0)))
    known = ledger.known[STOP.id]
    ledger.fold_report(OrderMissing(STOP.id, 1))
    assert known.missing
    ledger.fold_report(report(STOP, S.CANCELED, 2))
    ledger.fold_report(report(STOP, S.PARTIALLY_FILLED, 1))
    assert (known.heard, known.over, known.told, known.missing) == (D(2), True, True, False)
    assert ledger.working() == []
    ledger.fold_report(OrderMissing("x", 1))
    assert list(ledger.known) == [STOP.id]


def test_an_entry_is_in_flight_until_there_is_any_word_of_it() -> None:
    ledger = ShadowLedger()
    ledger.fold_batch(1, (), book(held=0))
    ledger.add_order(ENTRY)
    ledger.add_order(STOP)
    assert ledger.entries_in_flight() == [ENTRY.id]
    ledger.fold_batch(2, (filled(ENTRY, 1),), None)
    assert ledger.entries_in_flight() == []
    other = msgspec.structs.replace(ENTRY, id=f"{BOOK}.1.A.entry.2")
    ledger.add_order(other)
    ledger.fold_report(report(other, S.REJECTED))
    assert ledger.entries_in_flight() == []


def test_the_account_s_orders_are_news_of_them_and_what_is_not_ours_is_left_out() -> None:
    ledger = ShadowLedger()
    assert ledger.in_account("A") == 0
    ledger.fold_batch(1, (), msgspec.structs.replace(book((ENTRY, 0), held=0), foreign={"A": D(4)}))
    ledger.fold_report(msgspec.structs.replace(account(6), orders=(report(ENTRY, S.PARTIALLY_FILLED, 2),)))
    assert ledger.positions() == {"A": (D(2), "1")}
    assert (ledger.in_account("A"), ledger.in_account("B"), ledger.accounts) == (D(2), D(0), 1)
