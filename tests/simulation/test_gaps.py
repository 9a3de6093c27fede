"""Prices that gap in the simulation, and the audit of what becomes of the stops there."""

from __future__ import annotations

import pytest

from actors.orders import OrderRole, OrderSide, SubmitOrder, rejection
from mock_exchange.events import Quote, Trade
from simulation.broken import Broken
from simulation.gaps import MOST_AWAY, Gaps
from simulation.stop_audit import StopAudit
from tests.support.desk import D


def trade(price: float) -> Trade:
    return Trade("A", 1, price, 100, round(price - 0.01, 2), price, 1)


def test_what_comes_after_a_gap_is_as_far_away_as_the_gap() -> None:
    gaps = Gaps()
    assert gaps.jump("A", 0.05, 2) is None  # nothing was traded yet
    assert gaps.apply([trade(100.0), Quote("A", 1, 99.99, 100.01, 5, 5)])[0] == trade(100.0)
    jumped = gaps.jump("A", 0.05, 2)
    assert jumped is not None
    assert (jumped.price, jumped.ts, jumped.size) == (105.0, 2, 1)
    assert gaps.apply([trade(100.02), Quote("A", 3, 100.0, 100.02, 7, 8), Quote("B", 3, 1.0, 1.01)]) == [
        trade(105.02),
        Quote("A", 3, 105.0, 105.02, 7, 8),
        Quote("B", 3, 1.0, 1.01),
    ]


def test_gaps_never_lead_far_away_from_the_tape() -> None:
    gaps = Gaps()
    gaps.apply([trade(100.0)])
    for _ in range(50):
        jumped = gaps.jump("A", 0.06, 2)
        assert jumped is not None
        assert abs(jumped.price / 100 - 1) <= MOST_AWAY


def test_after_a_stop_that_was_reached_the_audit_wants_no_other_before_the_position_is_closed() -> None:
    stop = SubmitOrder("s.1.A.stop.1", "A", OrderSide.BUY, D(3), "1", OrderRole.STOP, stop=D("100.5"))
    audit = StopAudit({stop.id})
    audit.note_report(rejection(stop, 1, "the venue answered 422"))  # it could not be read
    audit.check_order(stop)
    audit.note_report(rejection(stop, 1, "stop price must be greater than current price"))
    with pytest.raises(Broken, match="reached already"):
        audit.check_order(stop)
    audit.closed("A")
    audit.check_order(stop)
