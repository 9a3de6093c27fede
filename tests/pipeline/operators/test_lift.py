"""lift, merge and Source: what every operator stands on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from hypothesis import given, strategies as st
from reactivex import Observable, abc, operators as ops

from pipeline import operators as op
from pipeline.operators.lift import Source, Step
from tests.support.streams import (
    Tap,
    assert_marbles,
    assert_no_look_ahead,
    assert_two_subscriptions_are_independent,
    outputs,
)


def _changes(emit: Callable[[Any], None], scheduler: abc.SchedulerBase | None) -> Step:
    last: Any = None

    def on_next(value: Any) -> None:
        nonlocal last
        if value != last:
            last = value
            emit(value)

    return Step(on_next)


def _total(emit: Callable[[Any], None], scheduler: abc.SchedulerBase | None) -> Step:
    total = 0

    def on_next(value: int) -> None:
        nonlocal total
        total += value

    return Step(on_next, lambda: emit(total))


changes = op.lift(_changes)
total = op.lift(_total)


class Recorder(abc.ObserverBase[Any]):
    """An observer as an object, which `subscribe` takes as well as callables."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def on_next(self, value: Any) -> None:
        self.said.append(value)

    def on_error(self, error: Exception) -> None:
        self.said.append(error)

    def on_completed(self) -> None:
        self.said.append("completed")


# -------------------------------------------------------------------------------------------------- lift


def test_a_step_says_what_it_emits_when_it_emits_it() -> None:
    values = {"a": 1, "b": 2}
    assert_marbles(changes, "-a-a-b-b-a-|", "-a---b---a-|", values, values)


def test_a_step_may_have_a_last_word() -> None:
    assert_marbles(total, "-a-b-|", "-----(s,|)", {"a": 1, "b": 2}, {"s": 3})


def test_an_error_of_the_source_goes_through_without_a_last_word() -> None:
    assert_marbles(total, "-a-#", "---#", {"a": 1}, {}, error=RuntimeError("no more"))


def test_state_is_born_at_subscription() -> None:
    assert_two_subscriptions_are_independent(changes, [1, 1, 2, 2, 2, 1, 1, 3], key=lambda value: value)


@given(st.lists(st.integers(0, 2)), st.integers(0, 20))
def test_a_prefix_of_the_values_gives_a_prefix_of_the_output(values: list[int], cut: int) -> None:
    assert_no_look_ahead(changes, values, cut, key=lambda value: value)


def test_lifted_steps_and_plain_operators_stand_in_one_pipe() -> None:
    def half(value: int) -> int:
        return value // 2

    def pipe(source: Observable[Any]) -> Observable[Any]:
        return source.pipe(ops.map(half), changes, ops.filter(lambda v: v != 1), changes)

    assert outputs(pipe, [0, 1, 2, 3, 1, 4, 5]) == [0, 2]


def test_a_step_gets_the_scheduler_of_the_subscription() -> None:
    given_to_step: list[Any] = []

    def step(emit: Callable[[Any], None], scheduler: abc.SchedulerBase | None) -> Step:
        given_to_step.append(scheduler)
        return Step(emit)

    scheduler = reactivex.scheduler.ImmediateScheduler()
    outputs(op.lift(step), [], scheduler)
    assert given_to_step == [scheduler]


def test_an_observer_object_hears_all_three_kinds_of_news() -> None:
    recorder = Recorder()
    reactivex.of(1, 1, 2).pipe(changes).subscribe(recorder)
    reactivex.throw(ValueError("broken")).pipe(changes).subscribe(recorder)
    assert recorder.said[:3] == [1, 2, "completed"]
    assert isinstance(recorder.said[3], ValueError)


def test_an_error_that_nobody_takes_is_raised() -> None:
    failing: Observable[int] = reactivex.throw(ValueError("nobody listens"))
    with pytest.raises(ValueError, match="nobody listens"):
        failing.pipe(changes).subscribe(print)


def test_a_disposed_subscription_hears_nothing_more() -> None:
    tap = Tap(changes).push(1)
    tap.subscription.dispose()
    assert tap.push(2).values == [1]


# ------------------------------------------------------------------------------------------------- merge


def test_merged_streams_speak_in_the_order_in_which_they_stand() -> None:
    source: Source[int] = Source()
    heard: list[tuple[str, int]] = []
    op.merge(
        source.pipe(ops.map(lambda v: ("first", v))),
        source.pipe(ops.map(lambda v: ("second", v))),
    ).subscribe(heard.append)
    source.on_next(1)
    source.on_next(2)
    assert heard == [("first", 1), ("second", 1), ("first", 2), ("second", 2)]


def test_a_merged_stream_ends_with_the_last_of_its_sources() -> None:
    first: Source[int] = Source()
    second: Source[int] = Source()
    tap = Tap(lambda _: op.merge(first, second))
    first.on_completed()
    assert tap.completions == 0
    second.on_next(1)
    second.on_completed()
    assert (tap.completions, tap.values) == (1, [1])


def test_an_error_of_one_source_is_an_error_of_the_merged_stream() -> None:
    errors: list[Exception] = []
    error = RuntimeError("broken")
    heard: list[int] = []
    first: Source[int] = Source()
    op.merge(first, reactivex.throw(error)).subscribe(heard.append, errors.append)
    first.on_next(1)  # the first error is the end of all
    assert (heard, errors) == ([], [error])


def test_after_an_error_at_subscription_no_later_source_is_subscribed() -> None:
    heard: list[object] = []
    error = ValueError("a test")
    op.merge(reactivex.throw(error), reactivex.of(1, 2)).subscribe(heard.append, heard.append)
    assert heard == [error]


def test_disposing_of_a_merged_stream_leaves_every_source() -> None:
    first: Source[int] = Source()
    second: Source[int] = Source()
    heard: list[int] = []
    op.merge(first, second).subscribe(heard.append).dispose()
    first.on_next(1)
    second.on_next(2)
    assert heard == []


# ------------------------------------------------------------------------------------------------ Source


def test_a_source_without_observers_takes_values_and_forgets_them() -> None:
    source: Source[int] = Source()
    source.on_next(1)
    heard: list[int] = []
    source.subscribe(heard.append)
    source.on_next(2)
    assert heard == [2]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_source_tells_each_observer_in_the_order_of_their_coming(count: int) -> None:
    source: Source[int] = Source()
    heard: list[tuple[int, int]] = []

    def listen(place: int) -> None:
        source.subscribe(lambda value: heard.append((place, value)))

    for place in range(count):
        listen(place)
    source.on_next(7)
    assert heard == [(place, 7) for place in range(count)]


def test_an_observer_that_leaves_takes_nobody_with_it() -> None:
    source: Source[int] = Source()
    heard: list[tuple[str, int]] = []
    source.subscribe(lambda value: heard.append(("stays", value)))
    source.subscribe(lambda value: heard.append(("leaves", value))).dispose()
    source.on_next(1)
    assert heard == [("stays", 1)]


def test_a_source_that_ended_lets_go_of_its_observers() -> None:
    tap = Tap(lambda source: source)
    tap.complete().push(1).complete()
    assert (tap.completions, tap.values) == (1, [])
