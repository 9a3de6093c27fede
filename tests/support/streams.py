"""Running an operator over values, and the two laws that every operator obeys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from reactivex import Observable, abc, operators as ops
from reactivex.testing.marbles import marbles_testing

from pipeline.operators.lift import Source

Pipe = Callable[[Observable[Any]], Observable[Any]]


class Tap:
    """A source that a test pushes into, and everything that comes out of the pipe behind it."""

    def __init__(self, pipe: Pipe, scheduler: abc.SchedulerBase | None = None) -> None:
        self.source: Source[Any] = Source()
        self.values: list[Any] = []
        self.errors: list[Exception] = []
        self.completions = 0
        self.subscription = pipe(self.source).subscribe(
            self.values.append, self.errors.append, self._complete, scheduler=scheduler
        )

    def _complete(self) -> None:
        self.completions += 1

    def push(self, *values: Any) -> Tap:
        for value in values:
            self.source.on_next(value)
        return self

    def complete(self) -> Tap:
        self.source.on_completed()
        return self


def outputs(pipe: Pipe, values: Sequence[Any], scheduler: abc.SchedulerBase | None = None) -> list[Any]:
    """Return what a pipe says to some values, before they end."""
    return Tap(pipe, scheduler).push(*values).values


def assert_two_subscriptions_are_independent(pipe: Pipe, values: Sequence[Any], key: Callable[[Any], Any]) -> None:
    """Subscribe twice to one pipe, the second time in the middle: each hears what it would hear alone."""
    source: Source[Any] = Source()
    piped = pipe(source)
    early: list[Any] = []
    late: list[Any] = []
    piped.subscribe(early.append)
    half = len(values) // 2
    for value in values[:half]:
        source.on_next(value)
    piped.subscribe(late.append)
    for value in values[half:]:
        source.on_next(value)
    assert [key(v) for v in early] == [key(v) for v in outputs(pipe, values)]
    assert [key(v) for v in late] == [key(v) for v in outputs(pipe, values[half:])]


def assert_no_look_ahead(pipe: Pipe, values: Sequence[Any], cut: int, key: Callable[[Any], Any]) -> None:
    """A prefix of the input gives a prefix of the output."""
    all_of_it = [key(v) for v in outputs(pipe, values)]
    part = [key(v) for v in outputs(pipe, values[:cut])]
    assert part == all_of_it[: len(part)]


def assert_marbles(
    pipe: Pipe,
    hears: str,
    says: str,
    heard: Mapping[str, object],
    said: Mapping[str, object],
    error: Exception | None = None,
) -> None:
    """Play a marble diagram to a pipe in virtual time: what it says must come at the same times as in `says`."""
    with marbles_testing() as (start, _cold, hot, expected):
        messages = start(pipe(hot(hears, dict(heard.items()), error)))
        assert messages == expected(says, dict(said.items()), error)


def then(pipe: Pipe, show: Callable[[Any], Any]) -> Pipe:
    """Return a pipe that says `show(value)` of each value."""
    return lambda source: pipe(source).pipe(ops.map(show))


def chain(*parts: Pipe) -> Pipe:
    """Return one pipe made of several, however many they are."""
    return lambda source: reduce(lambda stream, part: part(stream), parts, source)
