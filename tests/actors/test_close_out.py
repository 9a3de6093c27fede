"""The close-out: what the gate sends by itself, in which order, and what it never sends twice."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.book import Book, HeldPosition, OpenOrder, Tally
from actors.execution.retries import MOST_WAIT_S
from actors.gateway.close_out import AGAIN_S, MISSING_S, CloseOut
from actors.gateway.shadow_ledger import ShadowLedger
from actors.messages import OrderFilled, TradingState
from actors.orders import (
    AccountReport,
    CancelOrder,
    Execution,
    HeldAtVenue,
    LookUpOrder,
    OrderMissing,
    OrderReport,
    OrderRole,
    OrderSide,
    OrderStatus,
    SubmitOrder,
)
from pipeline.events import Side

D = Decimal
S = OrderStatus
BOOK = "mb-bot-s1"
ENTRY = SubmitOrder(f"{BOOK}.1.A.entry.1", "A", OrderSide.BUY, D(3), "1", OrderRole.ENTRY)
STOP = SubmitOrder(f"{BOOK}.1.A.stop.1", "A", OrderSide.SELL, D(3), "1", OrderRole.STOP, stop=D(90), rests=True)
CLOSE = f"{BOOK}.1.A.gate.1"


def book(*orders: tuple[SubmitOrder, int], held: int = 3) -> Book:
    """A book that holds so many shares of A, and orders of which so many are filled."""
    side = Side.LONG if held > 0 else Side.SHORT
    shares = D(abs(held))
    position = HeldPosition("A", side, 1, "1", shares, shares * 100, D(0), D(0), D(0))
    working = tuple(OpenOrder(order, S.ACCEPTED, D(filled), D(filled) * 100, "v", False) for order, filled in orders)
    tally = Tally(D(1), D(1), D(1), D(0), 0.0, 0)
    return Book(1, tally, "", TradingState.ACTIVE, "", False, {}, (position,) if held else (), working, BOOK)


def report(order: SubmitOrder, status: OrderStatus, filled: int = 0) -> OrderReport:
    return OrderReport(order.id, order.symbol, order.side, status, order.quantity, D(filled), D(100), 1, "v")


def account(held: int) -> AccountReport:
    positions = (HeldAtVenue("A", D(held), D(100)),) if held else ()
    return AccountReport(1, "PA1", D(1), D(1), D(1), positions, ())


class Desk:
    """A close-out, and what it sent; the time passes by hand."""

    def __init__(self, *orders: tuple[SubmitOrder, int], held: int = 3) -> None:
        self.ledger = ShadowLedger()
        self.ledger.fold_batch(1, (), book(*orders, held=held))
        self.close_out = CloseOut(self.ledger, BOOK, "HALT")
        self.now = 0.0

    def hear(self, *reports: OrderReport | OrderMissing | AccountReport) -> Desk:
        for heard in reports:
            self.ledger.fold_report(heard)
        return self

    def step(self, passed_s: float = 0.0) -> list[CancelOrder | LookUpOrder | SubmitOrder]:
        self.now += passed_s
        effects = self.close_out.step(self.now)
        for effect in effects:
            if isinstance(effect, SubmitOrder):
                self.ledger.add_order(effect)
        return effects

    def is_done(self) -> bool:
        return self.close_out.is_done

    def wants_account(self) -> bool:
        return self.close_out.wants_account

    def closes(self) -> SubmitOrder:
        [order] = self.step()
        assert isinstance(order, SubmitOrder)
        return order


def test_orders_are_taken_back_before_the_position_is_closed() -> None:
    desk = Desk((STOP, 0))
    assert desk.step() == [CancelOrder(STOP.id)]
    assert desk.hear(account(3), account(3)).step() == []
    desk.hear(report(STOP, S.CANCELED))
    assert desk.step() == []  # the account was read before the stop's end
    order = desk.hear(account(3)).closes()
    assert (order.id, order.side, order.quantity, order.role) == (CLOSE, OrderSide.SELL, D(3), "gate")
    assert order.limit is None
    assert not desk.is_done()
    desk.hear(report(order, S.FILLED, 3))
    assert desk.is_done()
    assert desk.step() == []


def test_a_short_position_is_bought_back() -> None:
    desk = Desk(held=-3)
    desk.step()
    order = desk.hear(account(-3)).closes()
    assert (order.side, order.quantity) == (OrderSide.BUY, D(3))


def test_shares_that_are_accepted_as_not_ours_are_left_alone() -> None:
    desk = Desk()
    desk.ledger.fold_batch(2, (), msgspec.structs.replace(book(), foreign={"A": D(5)}))
    desk.step()
    assert desk.hear(account(5)).step() == []  # ours are gone, and the others are somebody else's
    short = Desk()
    short.ledger.fold_batch(2, (), msgspec.structs.replace(book(), foreign={"A": D(-2)}))
    short.step()
    assert short.hear(account(1)).closes().quantity == D(3)


def test_nothing_is_sent_before_the_account_was_read() -> None:
    desk = Desk()
    assert not desk.wants_account()
    assert desk.step() == []
    assert desk.wants_account()
    assert desk.step(100) == []
    assert not desk.is_done()  # no order works, and the position is open
    assert desk.hear(account(3)).closes().quantity == 3
    assert desk.close_out.differs == {}
    desk.hear(account(3))
    assert not desk.wants_account()  # what was read twice since all is quiet is so


def test_a_stop_that_filled_meanwhile_leaves_nothing_to_close() -> None:
    desk = Desk((STOP, 0))
    desk.step()
    desk.hear(report(STOP, S.FILLED, 3), account(0), account(0))
    assert desk.step() == []
    assert desk.is_done()


def test_what_an_entry_filled_while_the_core_was_stuck_is_closed_too() -> None:
    desk = Desk((ENTRY, 1), held=1)
    assert desk.step() == [CancelOrder(ENTRY.id)]
    desk.hear(report(ENTRY, S.CANCELED, 2)).step()
    assert desk.hear(account(2)).closes().quantity == 2


def test_fills_that_the_core_has_counted_are_not_counted_again() -> None:
    desk = Desk((ENTRY, 1), held=1)
    fill = Execution("x", ENTRY.id, "A", OrderSide.BUY, D(2), D(100), 1)
    desk.hear(report(ENTRY, S.FILLED, 3))
    assert desk.ledger.positions() == {"A": (D(3), "1")}
    desk.ledger.fold_batch(2, [OrderFilled(fill, "1", 2)], book(held=3))
    assert desk.ledger.positions() == {"A": (D(3), "1")}
    assert desk.ledger.working() == []


def test_never_more_is_closed_than_the_account_holds() -> None:
    desk = Desk()
    desk.step()
    assert desk.hear(account(2)).step() == []  # that reading may have begun before
    assert desk.hear(account(2)).closes().quantity == 2
    assert desk.close_out.differs == {"A": "A: the account holds 2, the book 3"}


@pytest.mark.parametrize("held", [0, -3])
def test_what_the_account_does_not_hold_is_not_closed(held: int) -> None:
    desk = Desk()
    desk.step()
    assert desk.hear(account(held), account(held), account(held)).step(100) == []
    assert desk.is_done()
    assert desk.close_out.differs


def test_an_order_to_close_is_asked_for_and_never_repeated_while_its_end_is_unknown() -> None:
    desk = Desk()
    desk.step()
    order = desk.hear(account(3)).closes()
    assert desk.step() == []
    for times in (1, 2, 4):
        assert desk.step(AGAIN_S * times * 0.9) == []
        assert desk.step(AGAIN_S * times * 0.2) == [LookUpOrder(order.id)]
    desk.hear(report(order, S.PARTIALLY_FILLED, 1))
    assert all(isinstance(effect, LookUpOrder) for effect in desk.step(AGAIN_S * 8))


def test_a_refused_close_is_tried_again_under_the_next_id_and_not_at_once() -> None:
    desk = Desk()
    desk.step()
    desk.hear(report(desk.hear(account(3)).closes(), S.REJECTED))
    desk.step()
    desk.hear(account(3))
    assert desk.step() == []
    [again] = desk.step(AGAIN_S)
    assert again.id == f"{BOOK}.1.A.gate.2"


def test_a_close_that_is_refused_for_hours_is_tried_for_hours() -> None:
    desk = Desk()
    desk.close_out = CloseOut(desk.ledger, BOOK, "HALT", {f"{BOOK}.1.A.gate": 5_000})
    desk.step()
    desk.hear(report(desk.hear(account(3)).closes(), S.REJECTED)).step()
    desk.hear(account(3))
    assert desk.step(MOST_WAIT_S * 0.9) == []
    assert [type(effect) for effect in desk.step(MOST_WAIT_S * 0.2)] == [SubmitOrder]


def test_a_second_close_out_of_a_session_goes_on_counting() -> None:
    attempts = {f"{BOOK}.1.A.gate": 1}
    desk = Desk()
    desk.close_out = CloseOut(desk.ledger, BOOK, "HALT", attempts)
    desk.step()
    assert desk.hear(account(3)).closes().id == f"{BOOK}.1.A.gate.2"


def test_a_cancel_without_an_answer_is_repeated_and_asked_for() -> None:
    desk = Desk((STOP, 0))
    desk.step()
    assert desk.step(AGAIN_S / 2) == []
    assert desk.step(AGAIN_S) == [CancelOrder(STOP.id), LookUpOrder(STOP.id)]


def test_an_order_that_the_venue_does_not_know_is_given_up_after_a_while_and_taken_back_if_it_turns_up() -> None:
    desk = Desk((ENTRY, 0), held=0)
    desk.step()
    desk.hear(OrderMissing(ENTRY.id, 1)).step()
    assert not desk.is_done()
    desk.step(MISSING_S)
    assert desk.is_done()
    desk.hear(report(ENTRY, S.PARTIALLY_FILLED, 1))
    assert CancelOrder(ENTRY.id) in desk.step()
    desk.hear(report(ENTRY, S.CANCELED, 1)).step()
    assert desk.hear(account(1)).closes().quantity == 1


def test_of_a_position_with_a_part_under_way_exactly_what_is_left_is_closed() -> None:
    part = SubmitOrder(f"{BOOK}.1.A.part.1", "A", OrderSide.SELL, D(2), "1", OrderRole.PART, "TP", D(101))
    rest = msgspec.structs.replace(STOP, quantity=D(1))
    desk = Desk((rest, 0), (part, 0))
    assert desk.step() == [CancelOrder(rest.id), CancelOrder(part.id)]
    desk.hear(report(rest, S.CANCELED), report(part, S.CANCELED, 1), account(2)).step()
    assert desk.hear(account(2)).closes().quantity == D(2)
