"""The table of an order's life: what can follow what, and that nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from actors.execution.order_states import TRANSITIONS, OrderEvent, after
from actors.orders import OVER, OrderStatus

S, E = OrderStatus, OrderEvent


def test_every_status_has_a_row() -> None:
    assert set(TRANSITIONS) == set(OrderStatus)


def test_an_order_is_created_then_sent_and_nothing_else() -> None:
    assert TRANSITIONS[S.CREATED] == {E.SUBMIT: S.SUBMITTED}
    assert all(row.get(E.SUBMIT) is None for status, row in TRANSITIONS.items() if status is not S.CREATED)


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {S.CREATED, S.FILLED}))
def test_whatever_an_order_waits_for_it_can_be_filled(status: OrderStatus) -> None:
    """Also one that is over: the fill was on its way before the end was told."""
    assert after(status, E.FILL) is S.FILLED


AT_VENUE = sorted({S.SUBMITTED, S.ACCEPTED, S.PARTIALLY_FILLED, S.CANCEL_PENDING, S.UNKNOWN})


@pytest.mark.parametrize("status", AT_VENUE)
def test_an_order_at_the_venue_ends_as_the_venue_says(status: OrderStatus) -> None:
    ends = {E.FILL: S.FILLED, E.CANCELED: S.CANCELED, E.REJECT: S.REJECTED, E.EXPIRE: S.EXPIRED}
    assert {event: after(status, event) for event in ends} == ends


@pytest.mark.parametrize("status", AT_VENUE)
def test_an_order_at_the_venue_can_be_taken_back(status: OrderStatus) -> None:
    assert after(status, E.CANCEL) is S.CANCEL_PENDING


@pytest.mark.parametrize("status", [S.SUBMITTED, S.ACCEPTED, S.UNKNOWN])
def test_an_answer_or_a_first_fill_says_that_an_order_works(status: OrderStatus) -> None:
    assert after(status, E.ACCEPT) is S.ACCEPTED
    assert after(status, E.PARTIAL_FILL) is S.PARTIALLY_FILLED


@pytest.mark.parametrize(("status", "event"), [(S.CANCELED, E.CANCELED), (S.EXPIRED, E.EXPIRE), (S.FILLED, E.FILL)])
def test_an_end_may_be_told_twice_but_is_not_exchanged_for_another(status: OrderStatus, event: OrderEvent) -> None:
    assert after(status, event) is status
    others = {E.CANCELED, E.EXPIRE, E.REJECT, E.CANCEL, E.LOSE, E.ACCEPT} - {event}
    assert {after(status, other) for other in others} == {None}


@pytest.mark.parametrize("status", [S.CANCELED, S.EXPIRED])
def test_a_part_that_is_filled_late_does_not_reopen_an_order(status: OrderStatus) -> None:
    assert after(status, E.PARTIAL_FILL) is status


@pytest.mark.parametrize("status", sorted({S.CANCELED, S.EXPIRED, S.FILLED}))
def test_what_is_over_stays_over(status: OrderStatus) -> None:
    assert {after(status, event) for event in OrderEvent} <= {*OVER, None}


def test_an_order_that_was_given_up_may_turn_up_after_all() -> None:
    assert after(S.REJECTED, E.ACCEPT) is S.ACCEPTED
    assert after(S.REJECTED, E.PARTIAL_FILL) is S.PARTIALLY_FILLED


def test_older_news_does_not_undo_a_cancel() -> None:
    assert after(S.CANCEL_PENDING, E.ACCEPT) is S.CANCEL_PENDING
    assert after(S.CANCEL_PENDING, E.PARTIAL_FILL) is S.CANCEL_PENDING


def test_older_news_does_not_undo_a_fill() -> None:
    assert after(S.PARTIALLY_FILLED, E.ACCEPT) is S.PARTIALLY_FILLED
    assert after(S.FILLED, E.ACCEPT) is None
    assert after(S.FILLED, E.PARTIAL_FILL) is None
    assert after(S.FILLED, E.CANCELED) is None


@pytest.mark.parametrize("status", [S.SUBMITTED, S.ACCEPTED, S.PARTIALLY_FILLED, S.CANCEL_PENDING])
def test_any_order_at_work_can_be_lost_and_is_then_unknown(status: OrderStatus) -> None:
    assert after(status, E.LOSE) is S.UNKNOWN


def test_an_unknown_order_learns_of_anything() -> None:
    ends = {after(S.UNKNOWN, event) for event in OrderEvent} - {None}
    assert ends >= {*OVER, S.ACCEPTED, S.PARTIALLY_FILLED}


@given(st.lists(st.sampled_from(OrderEvent), max_size=30))
def test_a_filled_order_is_never_anything_else(events: list[OrderEvent]) -> None:
    status = S.CREATED
    filled = False
    for event in events:
        status = after(status, event) or status
        filled = filled or status is S.FILLED
        assert not filled or status is S.FILLED
