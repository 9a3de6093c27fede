"""condition and running_condition: tests of one's own, and what goes wrong when they are written wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from reactivex import Observable, operators as ops

from microbot.testing.hypothesis import ticks
from pipeline import operators as op
from pipeline.events import Reading, Trade
from pipeline.operators.frame import Frame
from tests.support.frames import frame
from tests.support.market import trade
from tests.support.streams import (
    Pipe,
    assert_marbles,
    assert_no_look_ahead,
    assert_two_subscriptions_are_independent,
    outputs,
    then,
)

PASSED = {"0": False, "1": True}


def price(seen: Frame) -> float:
    return seen.price


def ticks_so_far() -> Callable[[Frame], float]:
    """Make a value with a memory: how many frames it has seen."""
    count = 0

    def value(_: Frame) -> float:
        nonlocal count
        count += 1
        return float(count)

    return value


def run(source: Observable[Any]) -> Observable[Any]:
    return source.pipe(op.window(2.0, 1), op.running_condition("count", ticks_so_far, at_least=3))


def plain(source: Observable[Any]) -> Observable[Any]:
    return source.pipe(op.window(2.0, 1), op.condition("price", price, at_least=100))


def passed(pipe: Pipe, *prices: float) -> list[bool]:
    return [seen.readings[0].passed for seen in outputs(pipe, [frame(price=p) for p in prices])]


# -------------------------------------------------------------------------------------------- thresholds


def test_at_least_lets_the_threshold_itself_pass() -> None:
    pipe = op.condition("price", price, at_least=100)
    assert passed(pipe, 100 - 1e-8, 100 - 1e-10, 100, 101) == [False, True, True, True]


def test_at_most_lets_the_threshold_itself_pass() -> None:
    pipe = op.condition("price", price, at_most=100)
    assert passed(pipe, 99, 100, 100 + 1e-10, 100 + 1e-8) == [True, True, True, False]


def test_more_than_does_not_let_the_threshold_itself_pass() -> None:
    pipe = op.condition("price", price, more_than=100)
    assert passed(pipe, 99, 100, 100 + 1e-10, 100 + 1e-8) == [False, False, False, True]


def test_a_threshold_of_zero_is_a_threshold() -> None:
    assert passed(op.condition("price", price, at_least=0), 1) == [True]


@pytest.mark.parametrize("make", [op.condition, op.running_condition])
@pytest.mark.parametrize("bounds", [{}, {"at_least": 1, "at_most": 2}, {"at_least": 1, "at_most": 2, "more_than": 3}])
def test_a_condition_wants_exactly_one_threshold(make: Callable[..., object], bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="'spread': give exactly one of at_least, at_most, more_than, less_than and"):
        make("spread", price, **bounds)


@pytest.mark.parametrize(
    "pipe",
    [
        op.condition("mine", lambda frame: None, at_least=0),  # type: ignore[arg-type,return-value]
        op.running_condition("mine", lambda: lambda frame: None, at_least=0),  # type: ignore[arg-type,return-value]
    ],
)
def test_a_condition_that_gives_no_number_is_named(pipe: Any) -> None:
    with pytest.raises(TypeError, match=r"^the condition 'mine' gave None, not a number: is there a `return`"):
        _ = [seen.conditions[0].passed(seen) for seen in outputs(pipe, [frame(price=1.0)])]


# ---------------------------------------------------------------------------------------------- on frames


def test_the_reading_stands_under_its_name() -> None:
    [seen] = outputs(op.condition("price", price, at_most=99), [frame(price=100)])
    assert seen.readings == (Reading("price", 100.0, 99, False, "at_most"),)


def test_readings_come_in_the_order_of_the_pipe() -> None:
    def pipe(source: Observable[Any]) -> Observable[Any]:
        return source.pipe(
            op.condition("first", price, at_least=0),
            op.running_condition("second", ticks_so_far, at_least=0),
            op.condition("third", price, at_least=0),
        )

    [seen] = outputs(pipe, [frame()])
    assert [reading.name for reading in seen.readings] == ["first", "second", "third"]


def test_a_condition_is_computed_only_when_somebody_looks() -> None:
    looked: list[float] = []

    def value(seen: Frame) -> float:
        looked.append(seen.price)
        return seen.price

    [seen] = outputs(op.condition("price", value, at_least=0), [frame()])
    assert looked == []
    assert seen.passed is False  # it has no direction, so nobody had to look
    assert seen.readings[0].value == 100.0
    assert looked


def test_a_running_condition_is_computed_once_a_tick_whoever_looks() -> None:
    seen = outputs(op.running_condition("count", ticks_so_far, at_least=3), [frame() for _ in range(4)])
    assert [f.readings for f in seen] == [f.readings for f in seen]
    assert [f.readings[0].value for f in seen] == [1, 2, 3, 4]
    assert [f.readings[0].passed for f in seen] == [False, False, True, True]


def test_frames_keep_what_they_had_when_a_condition_is_added() -> None:
    """A frame is a value: a condition further down the pipe does not reach back into it."""
    before: list[Frame] = []
    pipe = lambda s: s.pipe(ops.do_action(before.append), op.condition("price", price, at_least=0))  # noqa: E731
    [after] = outputs(pipe, [frame()])
    assert (len(before[0].conditions), len(after.conditions)) == (0, 1)


@pytest.mark.parametrize("directly", [True, False])
def test_a_condition_reads_the_same_directly_behind_the_window_and_further_down(directly: bool) -> None:
    def pipe(source: Observable[Any]) -> Observable[Any]:
        framed = source.pipe(op.window(2.0, 1))
        between = framed if directly else framed.pipe(ops.filter(lambda _: True))
        return between.pipe(op.condition("price", price, at_least=100.1))

    values = [trade(0, 100), trade(1, 100.1), trade(2, 100.2)]
    assert [seen.readings for seen in outputs(pipe, values)] == [
        (Reading("price", 100.0, 100.1, False),),
        (Reading("price", 100.1, 100.1, True),),
        (Reading("price", 100.2, 100.1, True),),
    ]


def test_one_window_can_feed_two_pipes() -> None:
    """Adding a condition makes new frames, and leaves those of the other pipe as they are."""
    framed = op.window(2.0, 1)

    def strict(source: Observable[Any]) -> Observable[Any]:
        return framed(source).pipe(op.condition("a", price, at_least=1), op.condition("b", price, at_least=2))

    values = [trade(0)]
    assert [len(f.conditions) for f in outputs(strict, values)] == [2]
    assert [len(f.conditions) for f in outputs(framed, values)] == [0]


def test_a_condition_without_a_window_says_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"volume_spike works on frames but got a Trade: put op\.window"):
        outputs(op.volume_spike(1.5), [trade(0)])
    with pytest.raises(TypeError, match=r"own works on frames but got a Trade: put op\.window"):
        outputs(op.running_condition("own", lambda: lambda _: 0.0, at_least=0), [trade(0)])


# ------------------------------------------------------------------------------------------- as operators


@pytest.mark.parametrize(("pipe", "says"), [(plain, "-0-1-1-|"), (run, "-0-0-1-|")])
def test_conditions_pass_every_frame_on_whatever_they_read(pipe: Pipe, says: str) -> None:
    assert_marbles(
        then(pipe, lambda f: f.readings[0].passed),
        hears="-a-b-c-|",
        says=says,
        heard={"a": trade(0, 99), "b": trade(1, 100), "c": trade(1.5, 101)},
        said=PASSED,
    )


@pytest.mark.parametrize("pipe", [plain, run])
def test_two_subscriptions_are_independent(pipe: Pipe) -> None:
    values = [trade(n * 0.5, 99.8 + n / 20) for n in range(20)]
    assert_two_subscriptions_are_independent(pipe, values, key=lambda f: f.readings)


@given(ticks(), st.integers(0, 60))
def test_a_prefix_of_the_ticks_gives_a_prefix_of_the_readings(values: list[Trade], cut: int) -> None:
    assert_no_look_ahead(plain, values, cut, key=lambda f: f.readings)
    assert_no_look_ahead(run, values, cut, key=lambda f: f.readings)


@pytest.mark.parametrize("make", [op.condition, op.running_condition])
def test_a_threshold_either_way_below_zero_is_refused(make: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="'spread': either_way must be 0 or more, not -1"):
        make("spread", float, either_way=-1)
