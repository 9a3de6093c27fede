"""volume_spike: strictly more than so many times the mean of the others."""

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
    return source.pipe(op.window(2.0, 1), op.volume_spike(1.5))


def reading(size: float, others_volume: float = 40.0, count: int = 5) -> Reading:
    """Read a tick among `count` - 1 others that traded `others_volume` together."""
    value = frame(size=size, others_volume=others_volume, count=count)
    [seen] = outputs(lambda s: s.pipe(op.volume_spike(1.5)), [value])
    [found] = seen.readings
    assert isinstance(found, Reading)
    return found


@pytest.mark.parametrize(
    ("size", "passed"),
    [(15.0, False), (15.0 + 5e-9, False), (15.0 + 2e-8, True), (16.0, True), (14.0, False), (0.0, False)],
)
def test_a_spike_is_strictly_more_than_the_multiplier_times_the_mean(size: float, passed: bool) -> None:
    assert reading(size).passed is passed


def test_the_reading_is_the_size_over_the_mean_of_the_others() -> None:
    assert reading(25.0) == Reading("volume_spike", 2.5, 1.5, True, "more_than")


def test_no_spike_without_others() -> None:
    assert reading(1e9, others_volume=0.0, count=1) == Reading("volume_spike", 0.0, 1.5, False, "more_than")


def test_no_spike_where_the_others_traded_nothing() -> None:
    assert reading(1e9, others_volume=0.0) == Reading("volume_spike", 0.0, 1.5, False, "more_than")


def test_even_a_multiplier_of_zero_asks_for_some_volume() -> None:
    seen = outputs(lambda s: s.pipe(op.volume_spike(0)), [frame(size=0.0), frame(size=0.1)])
    assert [f.readings[0].passed for f in seen] == [False, True]


def test_volume_spike_passes_every_frame_on_whatever_it_read() -> None:
    assert_marbles(
        then(lambda source: source.pipe(op.window(15, 1), op.volume_spike(1.5)), lambda f: f.readings[0].passed),
        hears="-a-b-c-|",
        says="-0-0-1-|",
        heard={"a": trade(0, size=10), "b": trade(1, size=15), "c": trade(1.5, size=20)},
        said=PASSED,
    )


def test_two_subscriptions_are_independent() -> None:
    values = [trade(n * 0.5, size=1 + n % 4) for n in range(20)]
    assert_two_subscriptions_are_independent(pipe, values, key=lambda f: f.readings)


@given(ticks(), st.integers(0, 60))
def test_a_prefix_of_the_ticks_gives_a_prefix_of_the_readings(values: list[Trade], cut: int) -> None:
    assert_no_look_ahead(pipe, values, cut, key=lambda f: f.readings)
