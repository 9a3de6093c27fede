"""Intents to exit and protective stops as decisions: what is held and what works give what is to be done."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.execution.actions import Cancel, Submit, keep_stop
from actors.execution.exits import AT_ONCE, ExitIntent, ExitIntents, escalate_to_market
from actors.execution.order_cache import Order
from actors.execution.policy import ExecutionPolicy, OrderSettings, SimulatedExecution, VenueExecution
from actors.messages import ExitReason
from actors.orders import OrderRole, OrderSide, SubmitOrder
from actors.portfolio.positions import Position
from pipeline.events import Side
from tests.support.market import Quoted, at

D = Decimal
VENUE = VenueExecution(OrderSettings(reprices=1))


def held(quantity: str = "10") -> Position:
    position = Position("A", Side.LONG, at(0), "1")
    position.enter(D(quantity), D(100))
    return position


def order(role: OrderRole, quantity: str = "10", *, limit: str | None = None) -> Order:
    side = OrderSide.BUY if role is OrderRole.ENTRY else OrderSide.SELL
    price = D(limit) if limit is not None else None
    return Order(SubmitOrder(f"{role}{quantity}", "A", side, D(quantity), "1", role, limit=price))


def exits(reason: str = "TP", policy: ExecutionPolicy = VENUE) -> tuple[ExitIntents, ExitIntent]:
    found = ExitIntents(policy)
    assert found.request("A", reason, ()) == []
    return found, found.intents["A"]


@pytest.mark.parametrize("role", [OrderRole.ENTRY, OrderRole.STOP])
def test_what_works_is_taken_back_before_an_exit_is_sent(role: OrderRole) -> None:
    decided, intent = exits()
    working = [order(role)]
    assert decided.close(held(), intent, Quoted(), working, waits=False) == [Cancel(working[0])]
    assert intent.tries == 0


@pytest.mark.parametrize("role", [OrderRole.EXIT, OrderRole.GATE])
def test_no_exit_is_sent_beside_another(role: OrderRole) -> None:
    decided, intent = exits()
    assert decided.close(held(), intent, Quoted(), [order(role)], waits=False) == []


def test_no_exit_is_sent_while_a_refusal_is_waited_for() -> None:
    decided, intent = exits()
    assert decided.close(held(), intent, Quoted(), [], waits=True) == []


def test_an_exit_is_priced_as_often_as_the_settings_say_and_then_goes_at_market() -> None:
    decided, intent = exits()
    sent = [decided.close(held(), intent, Quoted(), [], waits=False)[0] for _ in range(3)]
    assert [action.terms.limit is None for action in sent if isinstance(action, Submit)] == [False, False, True]


def test_escalation_takes_back_the_exit_that_has_a_limit_and_keeps_its_reason() -> None:
    intent = ExitIntent("TP")
    at_limit, at_market = order(OrderRole.EXIT, limit="99"), order(OrderRole.EXIT)
    assert escalate_to_market(intent, ExitReason.SL, [at_limit, at_market]) == [Cancel(at_limit)]
    assert (intent.at_market, intent.reason) == (True, "TP")


@pytest.mark.parametrize("reason", sorted(AT_ONCE - {ExitReason.FALLBACK}))
def test_a_reason_that_may_not_wait_replaces_another_of_which_nothing_is_sent_yet(reason: ExitReason) -> None:
    decided, intent = exits()
    decided.request("A", reason, [order(OrderRole.STOP)])
    assert (intent.at_market, intent.reason) == (True, reason)


@pytest.mark.parametrize(
    ("policy", "reason", "waits"), [(VENUE, "TP", True), (VENUE, "HALT", False), (SimulatedExecution(), "HALT", True)]
)
def test_without_a_price_only_what_may_not_wait_is_sent_and_only_at_a_venue(
    policy: ExecutionPolicy, reason: str, waits: bool
) -> None:
    decided, _ = exits(policy=policy)
    decided.request("A", reason, ())
    assert (decided.to_close("A", Quoted(bid=None, ask=None, price=0.0), ()) is None) is waits
    assert decided.priceless == ({"A"} if waits else set())


def test_an_exit_that_waits_for_a_price_goes_on_with_the_first() -> None:
    decided, intent = exits()
    assert decided.to_close("A", Quoted(bid=None, ask=None, price=0.0), ()) is None
    assert decided.to_close("A", Quoted(), ()) is intent
    assert not decided.priceless


def test_one_stop_rests_for_exactly_what_is_held() -> None:
    [sent] = keep_stop(held(), [], VENUE)
    assert isinstance(sent, Submit)
    assert (sent.order.side, sent.order.quantity, sent.order.stop) == (OrderSide.SELL, D(10), D("99.5"))
    assert sent.order.rests
    fits, second, too_small = order(OrderRole.STOP), order(OrderRole.STOP), order(OrderRole.STOP, "4")
    assert keep_stop(held(), [too_small, fits, second], VENUE) == [Cancel(too_small), Cancel(second)]


def test_no_stop_is_sent_while_the_entry_works_and_none_at_all_in_the_simulation() -> None:
    assert keep_stop(held(), [order(OrderRole.ENTRY)], VENUE) == []
    assert keep_stop(held(), [], SimulatedExecution()) == []
