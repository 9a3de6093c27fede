"""momentum: LONG at the threshold, SHORT at its mirror, and nothing between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st
from reactivex import Observable

from microbot.testing.hypothesis import ticks
from pipeline import operators as op
from pipeline.events import Reading, Trade
from pipeline.operators.frame import Frame
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


def directions(threshold: float, *values: Frame) -> list[int]:
    return [seen.direction for seen in outputs(lambda s: s.pipe(op.momentum(threshold)), values)]


def pipe(source: Observable[Any]) -> Observable[Any]:
    return source.pipe(op.window(2.0, 1), op.momentum(0.0005))


def readings(values: Sequence[Trade]) -> list[tuple[Reading, ...]]:
    return [seen.readings for seen in outputs(pipe, values)]


@pytest.mark.parametrize(
    ("moved", "direction"),
    [
        (0.0005, 1),
        (0.0006, 1),
        (0.0005 - 5e-10, 1),  # float noise is forgiven
        (0.0005 - 2e-9, 0),
        (0.0, 0),
        (-0.0005 + 2e-9, 0),
        (-0.0005 + 5e-10, -1),
        (-0.0005, -1),
        (-0.0006, -1),
    ],
)
def test_a_tick_points_where_the_price_moved_by_the_threshold(moved: float, direction: int) -> None:
    assert directions(0.0005, frame(momentum=moved)) == [direction]


def test_a_tick_that_is_not_ready_points_nowhere() -> None:
    assert directions(0.0005, frame(momentum=0.01, ready=False)) == [0]


def test_the_reading_shows_the_value_beside_the_threshold() -> None:
    seen = outputs(lambda s: s.pipe(op.momentum(0.0005)), [frame(momentum=-0.001), frame(momentum=0.0001)])
    assert [f.readings for f in seen] == [
        (Reading("momentum", -0.001, 0.0005, True, "either_way"),),
        (Reading("momentum", 0.0001, 0.0005, False, "either_way"),),
    ]


def test_momentum_passes_every_frame_on_whatever_it_read() -> None:
    assert_marbles(
        then(lambda source: source.pipe(op.window(15, 1), op.momentum(0.0005)), lambda f: f.readings[0].passed),
        hears="-a-b-c-d-|",
        says="-0-0-1-1-|",
        heard={"a": trade(0, 100), "b": trade(1, 100.04), "c": trade(1.5, 100.05), "d": trade(1.75, 99.9)},
        said=PASSED,
    )


def test_two_subscriptions_are_independent() -> None:
    values = [trade(n * 0.5, 100 + n % 3 / 10) for n in range(20)]
    assert_two_subscriptions_are_independent(pipe, values, key=lambda f: f.readings)


@given(ticks(), st.integers(0, 60))
def test_a_prefix_of_the_ticks_gives_a_prefix_of_the_readings(values: list[Trade], cut: int) -> None:
    assert_no_look_ahead(pipe, values, cut, key=lambda f: f.readings)
