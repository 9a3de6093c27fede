"""Decisions: what became of each signal, up to the end of its trade."""

from __future__ import annotations

from decimal import Decimal

from actors.messages import OrderChanged, OrderSubmitted, Refusal
from actors.orders import OrderRole, OrderSide, OrderStatus, SubmitOrder
from tests.web.builders import at, closed, signal
from web.decisions import SIGNALS_SHOWN, Decisions, Outcome


def sent(decision: str = "d1", order: str = "o1", quantity: int = 5) -> OrderSubmitted:
    wanted = SubmitOrder(order, "AAPL", OrderSide.BUY, Decimal(quantity), decision, OrderRole.ENTRY)
    return OrderSubmitted(wanted, at(1), 7)


def moved(
    status: OrderStatus, filled: int = 0, order: str = "o1", reason: str = "", seconds: float = 2
) -> OrderChanged:
    before = OrderStatus.SUBMITTED
    return OrderChanged(order, "AAPL", status, before, Decimal(filled), at(seconds), 8, reason=reason)


def outcome_after(*news: OrderSubmitted | OrderChanged) -> Outcome:
    decisions = Decisions()
    decisions.raised(signal())
    for fact in news:
        (decisions.submitted if isinstance(fact, OrderSubmitted) else decisions.changed)(fact)  # type: ignore[arg-type]
    found = decisions.shown[0]["outcome"]
    assert isinstance(found, Outcome)
    return found


def test_a_refused_signal_ends_there_and_an_approved_one_goes_on() -> None:
    decisions = Decisions()
    decisions.raised(signal(reason=Refusal.COOLDOWN))
    decisions.raised(signal(decision="d2"))
    assert [one["outcome"].stage for one in decisions.shown] == ["refused", "approved"]
    assert decisions.shown[0]["outcome"].reason == "COOLDOWN"


def test_it_is_followed_from_the_order_to_the_fill() -> None:
    assert outcome_after(sent()) == Outcome("submitted", at(1), 5.0)
    assert outcome_after(sent(), moved(OrderStatus.ACCEPTED)) == Outcome("accepted", at(2), 5.0)
    part = moved(OrderStatus.PARTIALLY_FILLED, 3)
    assert outcome_after(sent(), part) == Outcome("partially_filled", at(2), 5.0, 3.0)
    over = moved(OrderStatus.CANCELED, 3, reason="its time was over", seconds=3)
    assert outcome_after(sent(), part, over) == Outcome("canceled", at(3), 5.0, 3.0, "its time was over")
    assert outcome_after(sent(), moved(OrderStatus.REJECTED, reason="no")) == Outcome("rejected", at(2), 5.0, 0, "no")


def test_the_end_of_its_trade_is_the_end_of_it() -> None:
    decisions = Decisions()
    decisions.raised(signal())
    decisions.submitted(sent(quantity=1))
    decisions.closed(closed(pnl="0.23"))
    decisions.changed(moved(OrderStatus.FILLED, 1))
    assert decisions.shown[0]["outcome"] == Outcome("closed", at(3), 1.0, 1.0, "TP", 0.23)


def test_orders_of_what_is_not_shown_are_nobodys() -> None:
    assert outcome_after(sent("d9", "o9"), moved(OrderStatus.FILLED, 5, "o9")).stage == "approved"


def test_what_became_of_it_is_told_once_and_with_a_signal_that_is_new() -> None:
    decisions = Decisions()
    decisions.raised(signal())
    decisions.submitted(sent())
    assert [one["outcome"].stage for one in decisions.untold_signals] == ["submitted"]
    assert decisions.untold_outcomes == {}
    decisions.forget_untold()
    decisions.changed(moved(OrderStatus.FILLED, 5))
    assert decisions.untold_signals == []
    assert list(decisions.untold_outcomes) == ["d1"]
    decisions.forget_untold()
    assert decisions.untold_outcomes == {}


def test_an_id_that_comes_again_in_a_later_session_is_the_newer_decisions() -> None:
    decisions = Decisions()
    decisions.raised(signal())
    decisions.raised(signal(seconds=9))
    decisions.submitted(sent())
    assert [one["outcome"].stage for one in decisions.shown] == ["approved", "submitted"]


def test_it_is_bounded() -> None:
    decisions = Decisions()
    for n in range(20 * SIGNALS_SHOWN):
        decisions.raised(signal(decision=f"d{n}"))
        decisions.submitted(sent(f"d{n}", f"o{n}"))
    assert len(decisions.shown) == len(decisions._outcomes) == SIGNALS_SHOWN
    assert len(decisions._orders) <= 4 * SIGNALS_SHOWN
    assert len(decisions.untold_outcomes) <= 20 * SIGNALS_SHOWN
