"""The market in real time, with time handed in."""

from __future__ import annotations

import pytest

from mock_exchange.events import SECOND
from mock_exchange.market import LiveMarket, Market, tape

START = 1_767_623_400 * SECOND


def live(speed: float = 10.0, at: int = 500) -> LiveMarket:
    return LiveMarket(Market(["AAPL"], 7, START), START, speed, most_lag_s=1.0, monotonic_ns=at)


def test_nothing_is_due_at_the_start() -> None:
    market = live(at=500)
    assert market.now(500) == START
    assert market.take_due(500, limit=100) == []


def test_market_time_runs_at_its_speed() -> None:
    market = live(speed=10.0, at=500)
    now = 500 + SECOND // 2
    assert market.take_due(now, limit=1_000) == list(tape(["AAPL"], 7, START, 5))
    assert market.take_due(now, limit=1_000) == []


def test_the_next_event_is_due_when_its_seconds_are_over() -> None:
    market = live(speed=10.0, at=0)
    events = market.take_due(SECOND // 2, limit=1_000)
    real_s = market.seconds_to_next(SECOND // 2)
    assert real_s > 0
    following = market.take_due(SECOND // 2 + round(real_s * SECOND) + 1, limit=1_000)
    assert [*events, *following] == list(tape(["AAPL"], 7, START, 60))[: len(events) + len(following)]
    assert following


def test_a_part_of_what_is_due_leaves_the_rest_for_the_next_turn() -> None:
    market = live(speed=10.0, at=0)
    first = market.take_due(SECOND // 2, limit=3)
    assert market.seconds_to_next(SECOND // 2) == 0
    assert market.now(SECOND // 2) < START + 5 * SECOND  # no event still to come is before what it calls now
    assert first + market.take_due(SECOND // 2, limit=1_000) == list(tape(["AAPL"], 7, START, 5))


def test_a_market_that_fell_behind_goes_on_from_where_it_stood() -> None:
    market = live(speed=10.0, at=0)
    before = market.take_due(SECOND // 2, limit=1_000)
    stopped_until = 600 * SECOND
    after = market.take_due(stopped_until, limit=1_000)
    assert len(after) == 1  # and not what ten minutes would have brought
    assert [*before, *after] == list(tape(["AAPL"], 7, START, 60))[: len(before) + 1]
    assert market.slipped_s == pytest.approx(599.5, abs=1.0)
    assert market.now(stopped_until) < START + 7 * SECOND


def test_a_small_delay_is_made_up_for() -> None:
    market = live(speed=10.0, at=0)
    assert market.take_due(SECOND * 9 // 10, limit=1_000) == list(tape(["AAPL"], 7, START, 9))
    assert market.slipped_s == 0


def test_a_market_that_is_sped_up_goes_on_from_where_it_is() -> None:
    market = live(speed=10.0, at=0)
    half, later = SECOND // 2, SECOND // 10 * 9
    seen = market.take_due(half, limit=10_000)
    market.run_at(100.0, half)
    seen += market.take_due(later, limit=10_000)
    assert seen == list(tape(["AAPL"], 7, START, 5 + 40))
    assert market.slipped_s == 0.0
