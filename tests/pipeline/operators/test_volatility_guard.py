"""volatility_guard: the window's range must reach the threshold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from reactivex import Observable

from microbot.testing.hypothesis import ticks
from pipeline import operators as op
from pipeline.events import Reading, Trade
from tests.support.frames import frame
from tests.support.market import trade
from tests.support.streams import (
    assert_marbles,
    assert_no_look_ahead,
    assert_two_subscriptions_are_independent,
    outputs,
    then,
)

PASSED = {"0": False, "1": True}


def pipe(source: Observable[Any]) -> Observable[Any]:
    return source.pipe(op.window(2.0, 1), op.volatility_guard(0.001))


@pytest.mark.parametrize(
    ("high", "passed"), [(100.1, True), (100.2, True), (100.1 - 5e-8, True), (100.1 - 2e-7, False), (100.0, False)]
)
def test_the_range_must_reach_the_threshold(high: float, passed: bool) -> None:
    [seen] = outputs(lambda s: s.pipe(op.volatility_guard(0.001)), [frame(high=high)])
    assert seen.readings == (Reading("volatility_guard", high / 100 - 1, 0.001, passed),)


def test_a_guard_of_zero_lets_everything_pass() -> None:
    [seen] = outputs(lambda s: s.pipe(op.volatility_guard(0)), [frame()])
    assert seen.readings == (Reading("volatility_guard", 0.0, 0.0, True),)


def test_the_guard_passes_every_frame_on_whatever_it_read() -> None:
    assert_marbles(
        then(lambda source: source.pipe(op.window(15, 1), op.volatility_guard(0.001)), lambda f: f.readings[0].passed),
        hears="-a-b-c-|",
        says="-0-0-1-|",
        heard={"a": trade(0, 100), "b": trade(1, 100.05), "c": trade(1.5, 99.9)},
        said=PASSED,
    )


def test_two_subscriptions_are_independent() -> None:
    values = [trade(n * 0.5, 100 + n % 5 / 20) for n in range(20)]
    assert_two_subscriptions_are_independent(pipe, values, key=lambda f: f.readings)


@given(ticks(), st.integers(0, 60))
def test_a_prefix_of_the_ticks_gives_a_prefix_of_the_readings(values: list[Trade], cut: int) -> None:
    assert_no_look_ahead(pipe, values, cut, key=lambda f: f.readings)
