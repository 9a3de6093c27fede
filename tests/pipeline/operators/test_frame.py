"""frame: what a tick with its window and its conditions can say."""

from __future__ import annotations

import pytest

from pipeline.events import Reading, Side
from pipeline.operators.frame import Condition, Frame, signal_of
from tests.support.frames import frame
from tests.support.market import trade


def always(name: str, *, passed: bool = True, direction: int | None = None) -> Condition:
    return Condition(
        name=name,
        reason=f"NO_{name}",
        threshold=1.0,
        value=lambda f: f.price,
        passed=lambda _: passed,
        direction=None if direction is None else lambda _: direction,
    )


def test_a_frame_speaks_of_its_tick() -> None:
    seen = frame(3.0, price=101.0, size=7.0, symbol="B")
    assert (seen.symbol, seen.ts, seen.price, seen.size) == ("B", trade(3.0).ts, 101.0, 7.0)


def test_the_range_is_the_highest_price_over_the_lowest() -> None:
    assert frame(high=101.0, low=100.0).range == pytest.approx(0.01)


def test_the_volume_ratio_is_the_size_over_the_mean_of_the_others() -> None:
    assert frame(size=30.0, others_volume=40.0, count=5).volume_ratio == 3.0


@pytest.mark.parametrize("count", [1, 5])
def test_the_volume_ratio_is_zero_without_volume_beside_the_tick(count: int) -> None:
    assert frame(size=30.0, others_volume=0.0, count=count).volume_ratio == 0.0


def test_the_window_of_a_frame_includes_its_tick() -> None:
    seen = Frame(trade(0, 110.0, 10.0), 110.0, True, 0.1, 3, 100.0, 30.0, 3000.0, 110.0, 99.0)
    window = seen.window
    assert (window.count, window.volume, window.notional) == (3, 40.0, 4100.0)
    assert (window.oldest_price, window.high, window.low) == (100.0, 110.0, 99.0)
    assert window.vwap == 102.5


def test_the_average_price_of_a_window_without_volume_is_its_oldest_price() -> None:
    seen = Frame(trade(0, 110.0, 0.0), 110.0, True, 0.1, 3, 100.0, 0.0, 0.0, 110.0, 99.0)
    assert seen.window.vwap == 100.0


@pytest.mark.parametrize(("moved", "direction"), [(0.001, 1), (0.0, 0), (-0.001, -1)])
def test_without_a_condition_for_it_a_frame_points_where_the_price_moved(moved: float, direction: int) -> None:
    assert frame(momentum=moved).direction == direction


def test_a_condition_may_give_the_direction() -> None:
    assert frame(momentum=0.5).given(always("x", direction=-1)).direction == -1


def test_the_first_condition_that_can_gives_the_direction() -> None:
    seen = frame().given(always("a")).given(always("b", direction=-1)).given(always("c", direction=1))
    assert seen.direction == -1


def test_a_frame_that_is_not_ready_points_nowhere() -> None:
    assert frame(momentum=0.5, ready=False).given(always("x", direction=1)).direction == 0


def test_a_frame_passes_with_a_direction_and_every_condition_met() -> None:
    moving = frame(momentum=0.5)
    assert moving.passed
    assert moving.given(always("a")).passed
    assert not moving.given(always("a")).given(always("b", passed=False)).passed
    assert not frame(momentum=0.0).given(always("a")).passed


def test_a_reading_that_cannot_be_computed_is_left_out() -> None:
    broken = Condition("broken", "NO_BROKEN", 1.0, lambda f: 1 / 0, lambda f: True)
    assert [reading.name for reading in frame().given(broken).given(always("a")).readings] == ["a"]


def test_a_condition_makes_a_new_frame_and_leaves_the_old_one() -> None:
    bare = frame()
    with_one = bare.given(always("a", passed=False))
    assert bare.readings == ()
    assert with_one.readings == (Reading("a", 100.0, 1.0, False),)


def test_a_signal_says_what_its_frame_said() -> None:
    seen = frame(2.0, momentum=-0.002, size=30.0, high=101.0, low=100.0).given(always("a"))
    signal = signal_of(seen)
    assert (signal.symbol, signal.ts, signal.side) == ("A", seen.ts, Side.SHORT)
    assert (signal.price, signal.momentum, signal.volume_ratio) == (100.0, -0.002, 3.0)
    assert (signal.range, signal.readings) == (seen.range, seen.readings)


def test_a_rising_frame_makes_a_long_signal() -> None:
    assert signal_of(frame(momentum=0.002)).side is Side.LONG
