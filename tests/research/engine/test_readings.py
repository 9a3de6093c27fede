"""The compiled window against the operator's own, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.events import SECOND, Clock, Trade
from pipeline.operators.frame import Frame
from pipeline.operators.window.window import _window
from research.engine.columns import Unreadable, columns_of
from research.engine.facts import facts_of
from research.engine.readings import Windowed, windowed

Tick = tuple[int, float, float]

STEPS = st.one_of(st.integers(0, 3), st.integers(0, 2 * SECOND), st.just(20 * SECOND))
PRICES = st.one_of(st.sampled_from([100.0, 100.01, 99.99, 100.02]), st.floats(0.01, 1e6))
SIZES = st.one_of(st.sampled_from([0.0, 1.0, 100.0]), st.floats(0, 1e9))
TICKS = st.lists(st.tuples(STEPS, PRICES, SIZES), min_size=1, max_size=60)


def operators_own(ticks: list[Trade], window: int, min_ticks: int) -> list[Frame]:
    frames: list[Frame] = []
    step = _window(window, min_ticks, (), frames.append)
    for tick in ticks:
        step.on_next(tick)
    return frames


def made(steps: list[Tick]) -> list[Trade]:
    ts, ticks = SECOND, []
    for step, price, size in steps:
        ts += step
        ticks.append(Trade("A", ts, price, size))
    return ticks


def compiled(ticks: list[Trade], window: int) -> Windowed:
    (symbol,) = facts_of(columns_of(ticks)).symbols
    found, finite = windowed(symbol.ts, symbol.price, symbol.size, window)
    assert finite == all(np.isfinite(column).all() for column in found)
    return found


def assert_equal(found: Windowed, frames: list[Frame], min_ticks: int) -> None:
    assert np.array_equal(found.momentum, [frame.momentum for frame in frames])
    assert np.array_equal(found.range, [frame.range for frame in frames])
    assert np.array_equal(found.volume_ratio, [frame.volume_ratio for frame in frames])
    assert np.array_equal(found.depth >= min_ticks, [frame.ready for frame in frames])


@settings(deadline=None, max_examples=150)
@given(TICKS, st.sampled_from([1, 3, SECOND, 15 * SECOND]), st.integers(1, 5))
def test_readings_are_those_of_the_operator(steps: list[Tick], window: int, min_ticks: int) -> None:
    ticks = made(steps)
    assert_equal(compiled(ticks, window), operators_own(ticks, window, min_ticks), min_ticks)


def test_sums_are_added_up_again_where_the_operator_does() -> None:
    """Thousands of ticks that leave, sizes that hardly differ from each other, and one that dwarfs them all."""
    rng = np.random.default_rng(3)
    steps = [(int(rng.integers(0, SECOND // 50)), 100.0, float(rng.random())) for _ in range(4_000)]
    steps[1_500] = (0, 100.0, 1e17)
    ticks = made(steps)
    for window in (SECOND // 3, 3 * SECOND):
        assert_equal(compiled(ticks, window), operators_own(ticks, window, 3), 3)


def test_a_time_beyond_reckoning_is_refused() -> None:
    with pytest.raises(Unreadable, match="beyond what compiled code reckons with"):
        columns_of([Clock(1 << 63)])
