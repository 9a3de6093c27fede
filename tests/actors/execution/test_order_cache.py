"""The order cache: orders' states and fills out of reports that come twice, late, or in another order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from actors.execution import order_cache
from actors.execution.order_cache import Order, OrderCache
from actors.execution.order_states import OrderEvent
from actors.orders import OVER, Execution, OrderReport, OrderRole, OrderSide, OrderStatus, SubmitOrder
from tests.support.market import at

S = OrderStatus
D = Decimal


def order(quantity: str = "10", id: str = "o") -> SubmitOrder:
    return SubmitOrder(id, "A", OrderSide.BUY, D(quantity), "d", OrderRole.ENTRY)


def report(status: OrderStatus, filled: str = "0", average: str | None = None, ts: float = 1) -> OrderReport:
    price = D(average) if average is not None else None
    return OrderReport("o", "A", OrderSide.BUY, status, D(10), D(filled), price, at(ts), "v1")


def sent(quantity: str = "10") -> tuple[OrderCache, Order]:
    cache = OrderCache()
    return cache, cache.add(order(quantity))


def take(cache: OrderCache, entry: Order, *reports: OrderReport) -> list[Execution]:
    """Feed reports as the executor does, and return the executions that came of them."""
    executions = []
    for news in reports:
        execution = cache.execution_of(entry, news)
        if execution is not None:
            executions.append(execution)
            cache.count_execution(execution)
        cache.apply_status(entry, news)
    return executions


def test_the_difference_between_two_averages_is_the_price_of_what_came_between() -> None:
    cache, entry = sent()
    first, second = take(cache, entry, report(S.PARTIALLY_FILLED, "4", "100"), report(S.FILLED, "10", "103", ts=2))
    assert (first.quantity, first.price, first.ts) == (D(4), D(100), at(1))
    assert (second.quantity, second.price, second.ts) == (D(6), D(105), at(2))
    assert (entry.status, entry.filled, entry.value) == (S.FILLED, D(10), D(1030))
    assert entry.venue_id == "v1"


def test_a_share_may_cost_less_than_a_dollar() -> None:
    cache, entry = sent()
    first, second = take(cache, entry, report(S.PARTIALLY_FILLED, "5", "0.5"), report(S.FILLED, "10", "0.6"))
    assert (first.price, second.price) == (D("0.5"), D("0.7"))


def test_the_same_news_by_another_way_is_the_same_execution() -> None:
    cache, entry = sent()
    assert len(take(cache, entry, *[report(S.PARTIALLY_FILLED, "4", "100")] * 3)) == 1
    assert entry.filled == 4


def test_older_news_changes_nothing() -> None:
    cache, entry = sent()
    take(cache, entry, report(S.PARTIALLY_FILLED, "6", "100"))
    assert take(cache, entry, report(S.PARTIALLY_FILLED, "4", "100"), report(S.ACCEPTED)) == []
    assert (entry.status, entry.filled) == (S.PARTIALLY_FILLED, D(6))


def test_older_news_does_not_take_a_cancel_back() -> None:
    cache, entry = sent()
    take(cache, entry, report(S.PARTIALLY_FILLED, "6", "100"))
    cache.move(entry, OrderEvent.CANCEL)
    take(cache, entry, report(S.PARTIALLY_FILLED, "4", "100"), report(S.ACCEPTED))
    assert entry.status is S.CANCEL_PENDING


def test_a_fill_before_the_answer_to_the_submit() -> None:
    cache, entry = sent()
    take(cache, entry, report(S.FILLED, "10", "100"), report(S.ACCEPTED))
    assert entry.status is S.FILLED
    assert not cache.working


def test_a_fill_after_a_cancel_is_counted() -> None:
    cache, entry = sent()
    executions = take(cache, entry, report(S.CANCELED), report(S.PARTIALLY_FILLED, "3", "100"))
    assert [e.quantity for e in executions] == [D(3)]
    assert (entry.status, entry.filled) == (S.CANCELED, D(3))


def test_the_end_of_an_order_that_was_partly_filled_says_how_much() -> None:
    cache, entry = sent()
    [execution] = take(cache, entry, report(S.CANCELED, "3", "100"))
    assert execution.quantity == 3
    assert (entry.status, entry.filled) == (S.CANCELED, D(3))


def test_an_end_is_one_also_where_it_tells_less_than_is_known() -> None:
    cache, entry = sent()
    assert take(cache, entry, report(S.PARTIALLY_FILLED, "6", "100"), report(S.CANCELED, "4", "100"))
    assert (entry.status, entry.filled) == (S.CANCELED, D(6))


def test_a_fill_without_a_price_waits_for_better_news() -> None:
    cache, entry = sent()
    assert take(cache, entry, report(S.PARTIALLY_FILLED, "4")) == []
    assert entry.filled == 0


def test_an_average_that_was_rounded_gives_no_price_below_zero() -> None:
    cache, entry = sent()
    first, second = take(cache, entry, report(S.PARTIALLY_FILLED, "9", "1"), report(S.FILLED, "10", "0.9"))
    assert first.price == 1
    assert second.price == D("0.9")


def test_an_order_that_was_given_up_works_again_when_it_turns_up() -> None:
    cache, entry = sent()
    cache.move(entry, OrderEvent.LOSE)
    cache.move(entry, OrderEvent.REJECT)
    assert not cache.working
    take(cache, entry, report(S.ACCEPTED))
    assert cache.working == {"o": entry}


def test_the_memory_of_what_is_over_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_cache, "REMEMBERED_ORDERS", 3)
    cache = OrderCache()
    for n in range(10):
        cache.move(cache.add(order(id=f"o{n}")), OrderEvent.CANCELED)
    assert [n for n in range(10) if cache.get(f"o{n}") is not None] == [7, 8, 9]


_NEWS = [
    report(S.ACCEPTED),
    report(S.PARTIALLY_FILLED, "2", "100"),
    report(S.PARTIALLY_FILLED, "5", "101"),
    report(S.PARTIALLY_FILLED, "9", "102"),
    report(S.FILLED, "10", "102.5"),
]


@given(st.permutations(_NEWS), st.lists(st.sampled_from(_NEWS), max_size=10))
def test_in_whatever_order_and_however_often_news_comes_it_adds_up(
    news: list[OrderReport], again: list[OrderReport]
) -> None:
    cache, entry = sent()
    executions = take(cache, entry, *news, *again)
    assert sum(e.quantity for e in executions) == entry.filled == 10
    assert sum(e.quantity * e.price for e in executions) == D(1025)
    assert len({e.id for e in executions}) == len(executions)
    assert entry.status is S.FILLED


@given(st.permutations([*_NEWS[:3], report(S.CANCELED, "5", "101")]))
def test_a_canceled_order_is_canceled_in_whatever_order_news_comes(news: list[OrderReport]) -> None:
    cache, entry = sent()
    take(cache, entry, *news)
    assert (entry.status, entry.filled) == (S.CANCELED, D(5))
    assert entry.status in OVER
