"""The mock exchange's limit on calls: by account, by the market's minute."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mock_exchange.alpaca.rate_limit import RateLimit
from mock_exchange.events import SECOND


@pytest.mark.parametrize("speed", [1.0, 50.0])
def test_a_minute_begins_with_an_accounts_first_call_and_the_next_one_afresh(speed: float) -> None:
    limit, minute_ns = RateLimit(2, speed), round(60 * SECOND / speed)
    assert [limit.take("ANN", now).remaining for now in (5, 6, 7)] == [1, 0, -1]
    assert limit.take("BOB", 7).remaining == 1
    assert limit.take("ANN", 4 + minute_ns).exceeded
    begun = limit.take("ANN", 5 + minute_ns)
    assert (begun.remaining, begun.reset_in_ns) == (1, minute_ns)


@given(st.lists(st.integers(0, 30 * SECOND), max_size=200))
def test_no_minute_of_an_account_has_more_calls_than_the_limit(delays: list[int]) -> None:
    limit, now, allowed = RateLimit(5), 0, dict[int, int]()
    for delay in delays:
        now += delay
        quota = limit.take("ANN", now)
        assert 0 < quota.reset_in_ns <= 60 * SECOND
        if not quota.exceeded:
            allowed[now + quota.reset_in_ns] = allowed.get(now + quota.reset_in_ns, 0) + 1
    assert all(calls <= 5 for calls in allowed.values())


def test_the_reset_is_told_in_whole_seconds_that_are_not_too_early() -> None:
    quota = RateLimit(2).take("ANN", 0)
    assert quota.headers(1_500_000_000)["X-RateLimit-Reset"] == "62"
