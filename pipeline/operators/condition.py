"""condition: a named test that a tick must pass to become a signal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter, ge, le, lt
from typing import Any

from reactivex import Observable

from pipeline.checked import number, text
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

    gave = f"the condition {name!r} gave"

    def passed(frame: Frame) -> bool:
        found = value(frame)
        if found.__class__ is not float or found - found != 0.0:  # infinite, or no number at all
            found = number(gave, found, value)
        return test(found)

    return given(
        Condition(
            name=text("a condition's name is", name),
            reason=text(f"the reason of the condition {name!r} is", reason or f"NO_{name.upper()}"),
            threshold=threshold,
            value=lambda frame: number(gave, value(frame), value),
            passed=passed,
            bound=bound,
            checked=True,
        )
    )


def of_frame(
    name: str, attribute: str, *, at_least: float | None = None, more_than: float | None = None
) -> tuple[float, Callable[[Frame], float], Callable[[Frame], bool], Bound]:
    """Return threshold, value, test and bound of a condition on a number that each frame has: nothing is checked."""
    threshold, test, bound = _test(name, at_least, None, more_than)
    value = attrgetter(attribute)
    return threshold, value, lambda frame: test(value(frame)), bound


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
    name = text("a condition's name is", name)
    why = text(f"the reason of the condition {name!r} is", reason or f"NO_{name.upper()}")
    gave = f"the condition {name!r} gave"

    def step(emit: Callable[[Frame], None], scheduler: Scheduler) -> Step:
        measure = make()

        def on_next(frame: Frame) -> None:
            needs_frames(name, frame)
            value = number(gave, measure(frame), measure)
            passed = test(value)
            emit(
                frame.given(
                    Condition(name, why, threshold, lambda _: value, lambda _: passed, None, bound, checked=True)
                )
            )

        return Step(on_next)

    return lift(step, gives=f"frames, those of {name}")


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

        return lift(step, gives=f"frames, those of {requirement.name}")(source)

    return operator


def _test(
    name: str, at_least: float | None, at_most: float | None, more_than: float | None
) -> tuple[float, Callable[[float], bool], Bound]:
    # The bound comes first: partial(le, 2)(value) is 2 <= value, without a call of Python's own.
    bounds = [b for b in (at_least, at_most, more_than) if b is not None]
    if len(bounds) != 1:
        raise ValueError(f"condition {name!r}: give exactly one of at_least, at_most and more_than")
    threshold = number(f"the condition {name!r} has the threshold", bounds[0])
    if at_least is not None:
        return threshold, partial(le, threshold - EPSILON), "at_least"
    if at_most is not None:
        return threshold, partial(ge, threshold + EPSILON), "at_most"
    return threshold, partial(lt, threshold + EPSILON), "more_than"
