"""condition: a named test that a tick must pass to become a signal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import ge, le, lt
from typing import Any

from reactivex import Observable

from pipeline.events import EPSILON, Bound, Condition, Frame
from pipeline.operators.lift import Operator, Scheduler, Step, lift
from pipeline.operators.window import Frames, needs_frames


def condition(
    name: str,
    value: Callable[[Frame], float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    more_than: float | None = None,
    reason: str | None = None,
) -> Operator[Frame, Frame]:
    """Require of a tick that `value(frame)` is at least, at most or more than a threshold.

    `value` is a pure function of the frame. Exactly one threshold is given; comparisons forgive 1e-9. The reading
    stands on the frame under `name`; a burst in which it never passed counts as blocked by `reason`
    (default: NO_ and the name in capitals).

    >>> narrow = condition("spread", lambda f: f.tick.ask - f.tick.bid, at_most=0.02)
    """
    threshold, test, bound = _test(name, at_least, at_most, more_than)

    def passed(frame: Frame) -> bool:
        found = value(frame)
        try:
            return test(found)
        except TypeError:
            raise _no_number(name, found) from None

    return given(
        Condition(
            name=name,
            reason=reason or f"NO_{name.upper()}",
            threshold=threshold,
            value=value,
            passed=passed,
            bound=bound,
        )
    )


def running_condition(
    name: str,
    make: Callable[[], Callable[[Frame], float]],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    more_than: float | None = None,
    reason: str | None = None,
) -> Operator[Frame, Frame]:
    """Require a value that has a memory: `make()` is called once a subscription and gives the function of each frame.

    Unlike `condition`, whose value is computed when somebody looks, this one is computed at every tick.

    >>> def average_price():
    ...     total, n = 0.0, 0
    ...     def value(frame):
    ...         nonlocal total, n
    ...         total, n = total + frame.price, n + 1
    ...         return frame.price / (total / n) - 1
    ...     return value
    >>> above_average = running_condition("above_average", average_price, at_least=0.0)
    """
    threshold, test, bound = _test(name, at_least, at_most, more_than)
    why = reason or f"NO_{name.upper()}"

    def step(emit: Callable[[Frame], None], scheduler: Scheduler) -> Step:
        measure = make()

        def on_next(frame: Frame) -> None:
            needs_frames(name, frame)
            value = measure(frame)
            try:
                passed = test(value)
            except TypeError:
                raise _no_number(name, value) from None
            emit(frame.given(Condition(name, why, threshold, lambda _: value, lambda _: passed, bound=bound)))

        return Step(on_next)

    return lift(step)


def given(requirement: Condition) -> Operator[Frame, Frame]:
    """Return the operator that adds a condition to every frame."""

    def operator(source: Observable[Any]) -> Observable[Frame]:
        if isinstance(source, Frames):
            return source.given(requirement)

        def step(emit: Callable[[Frame], None], scheduler: Scheduler) -> Step:
            def on_next(frame: Frame) -> None:
                needs_frames(requirement.name, frame)
                emit(frame.given(requirement))

            return Step(on_next)

        return lift(step)(source)

    return operator


def _no_number(name: str, found: object) -> TypeError:
    return TypeError(f"the condition {name!r} gave {found!r}, not a number: is there a `return`?")


def _test(
    name: str, at_least: float | None, at_most: float | None, more_than: float | None
) -> tuple[float, Callable[[float], bool], Bound]:
    # The bound comes first: partial(le, 2)(value) is 2 <= value, without a call of Python's own.
    bounds = [b for b in (at_least, at_most, more_than) if b is not None]
    if len(bounds) != 1:
        raise ValueError(f"condition {name!r}: give exactly one of at_least, at_most and more_than")
    if at_least is not None:
        return at_least, partial(le, at_least - EPSILON), "at_least"
    if at_most is not None:
        return at_most, partial(ge, at_most + EPSILON), "at_most"
    return bounds[0], partial(lt, bounds[0] + EPSILON), "more_than"
