"""Splits: a position of other shares, worth what it was, is guarded at its new price, and not sold at the old one."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from actors.book import Book
from actors.messages import PositionSplit, TradingState
from actors.orders import HeldAtVenue, LookUpOrder, OrderReport, OrderRole, OrderSide, OrderStatus, SubmitOrder
from actors.portfolio.positions import Position
from actors.reconciliation.splits import split_of
from pipeline.events import Side
from tests.support.desk import ORDERS, TEN, Desk, account
from tests.support.market import at, quote, trade
from tests.support.sessions import RestingBroker, Session

S = OrderStatus
D = Decimal


@pytest.mark.parametrize(
    ("shares", "average", "ratio"),
    [
        ("20", "50", Fraction(2)),
        ("15", "66.666667", Fraction(3, 2)),
        ("200", "5", Fraction(20)),
        ("1", "1000", Fraction(1, 10)),
        ("2.5", "400", Fraction(1, 4)),
        ("10", "100", None),  # nothing happened
        ("20", "100", None),  # ten more were bought
        ("20", "51", None),
        ("6", "100", None),  # an execution was undone
        ("-20", "50", None),
        ("1010", "0.990099", None),  # 101 for one
    ],
)
def test_a_split_is_what_leaves_the_cost_as_it_was(shares: str, average: str, ratio: Fraction | None) -> None:
    ten = Position("A", Side.LONG, 0, "1", D(10), D(1000))
    assert split_of(ten, HeldAtVenue("A", D(shares), D(average))) == ratio
    short = Position("A", Side.SHORT, 0, "1", D(10), D(1000))
    assert split_of(short, HeldAtVenue("A", -D(shares), D(average))) == ratio


def stop_of(session: Session) -> SubmitOrder:
    broker = session.core.broker
    assert isinstance(broker, RestingBroker)
    return [order for order in broker.of(SubmitOrder) if order.role is OrderRole.STOP][-1]


def holds(shares: str, average: str) -> HeldAtVenue:
    return HeldAtVenue("A", D(shares), D(average))


def test_a_split_that_the_account_shows_is_told_and_the_stop_is_placed_for_it() -> None:
    desk = Desk().enter()
    old = desk.last
    assert (old.quantity, old.stop) == (D(10), D("99.5"))
    desk.session.feed(account(3, holds("20", "50")))
    [split] = desk.session.of(PositionSplit)
    assert (split.before, split.quantity, split.price_before, split.entry_price) == (D(10), D(20), D(100), D(50))
    desk.say(3.1, S.CANCELED, of="stop")  # by the venue, or by us
    assert (desk.last.role, desk.last.quantity, desk.last.stop) == (OrderRole.STOP, D(20), D("49.75"))
    desk.say(3.2, S.ACCEPTED, of="stop")
    for seconds in range(5, 60, 5):
        desk.session.feed(account(seconds, holds("20", "50"), orders=(report(desk.last, "v"),)))
    assert desk.session.core.risk.state is TradingState.ACTIVE
    desk.say(61, S.FILLED, "20", "49.75", of="stop")
    [closed] = desk.session.trades
    assert (closed.quantity, closed.pnl, closed.exit_reason) == (D(20), D(-5), "STOP")


def report(order: SubmitOrder, venue_id: str) -> OrderReport:
    return OrderReport(
        order.id, "A", order.side, S.ACCEPTED, order.quantity, D(0), None, at(1), venue_id, stop=order.stop
    )


@pytest.mark.parametrize("fate", [S.CANCELED, S.ACCEPTED])
def test_a_split_while_the_bot_was_away_never_sends_a_stop_at_the_old_price(fate: OrderStatus) -> None:
    """Whether the venue has canceled the old stop or kept it; what exits said of the old price is forgotten."""
    desk = Desk().enter()
    book = msgspec.json.decode(msgspec.json.encode(desk.session.core.book()), type=Book)
    old = report(desk.last, "v")
    later = Session(risk=TEN, broker=RestingBroker(), orders=ORDERS, book="mb-bot-s2")
    orders = (old,) if fate is S.ACCEPTED else ()
    later.feed(book, quote(30, 49.99, 50.01), trade(30, 50), account(31, holds("20", "50"), orders=orders))
    broker = later.core.broker
    assert isinstance(broker, RestingBroker)
    assert broker.of(SubmitOrder) == []
    assert old.order in [question.id for question in broker.of(LookUpOrder)]
    later.feed(msgspec.structs.replace(old, status=fate, ts=at(32)))
    if fate is S.ACCEPTED:  # and it has to go before another one is placed
        assert broker.of(SubmitOrder) == []
        later.feed(msgspec.structs.replace(old, status=S.CANCELED, ts=at(33)))
    [stop] = broker.of(SubmitOrder)
    assert (stop.role, stop.side, stop.quantity, stop.stop) == (OrderRole.STOP, OrderSide.SELL, D(20), D("49.75"))
    assert later.trades == []
    assert later.core.risk.state is TradingState.ACTIVE


def test_shares_that_a_split_does_not_explain_halt_as_any_difference() -> None:
    desk = Desk().enter()
    for seconds in range(3, 40, 3):
        desk.session.feed(account(seconds, holds("1", "990")))  # one for ten, and a fraction in cash
    assert desk.session.core.risk.state is TradingState.HALTED
    assert "A: the account holds 1, the book 10" in desk.session.core.risk.state_reason
    assert stop_of(desk.session).quantity == 10
