"""condition: a named test that a tick must pass to become a signal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import ge, gt, le, lt
from typing import Any

import msgspec
from reactivex import Observable

from pipeline.checked import number, text
from pipeline.events import EPSILON, Bound
from pipeline.operators.frame import Condition, Frame, needs_frames
from pipeline.operators.lift import Lifted, MakeStep, Operator, Scheduler, Step, directed
from pipeline.operators.window.window import Frames


class EitherWay(msgspec.Struct, frozen=True):
    """Point LONG where a value is `up` or more, SHORT where it is `down` or less, and nowhere in between."""

    value: Callable[[Frame], float]
    up: float
    down: float

    @classmethod
    def of(cls, value: Callable[[Frame], float], threshold: float) -> EitherWay:
        """Point where the value is at least `threshold` from zero, float noise forgiven."""
        return cls(value, threshold - EPSILON, EPSILON - threshold)

    def __call__(self, frame: Frame) -> int:
        value = self.value(frame)
        if value >= self.up:
            return 1
        return -1 if value <= self.down else 0


def condition(
    name: str,
    value: Callable[[Frame], float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    more_than: float | None = None,
    less_than: float | None = None,
    either_way: float | None = None,
    reason: str | None = None,
) -> Operator[Frame, Frame]:
    """Require of a tick that `value(frame)` is on one side of a threshold, or that far from zero either way.

    `value` is a pure function of the frame. Exactly one threshold is given; comparisons forgive 1e-9. The one of
    `either_way` gives ticks their direction: LONG where the value is at least the threshold, SHORT where it is at most
    its negative. The reading stands on the frame under `name`; a burst in which it never passed counts as blocked by
    `reason` (default: NO_ and the name in capitals).

    Raises ValueError without exactly one threshold, WrongValue for one that is no finite number.

    >>> narrow = condition("spread", lambda f: f.tick.ask - f.tick.bid, at_most=0.02)
    >>> against = condition("against", lambda f: -f.momentum, either_way=0.0005)
    """
    threshold, test, bound = _test(name, at_least, at_most, more_than, less_than, either_way)

    gave = f"the condition {name!r} gave"

    def checked(frame: Frame) -> float:
        return number(gave, value(frame), value)

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
            value=checked,
            passed=passed,
            direction=None if either_way is None else EitherWay.of(checked, threshold),
            bound=bound,
            checked=True,
        )
    )


def running_condition(
    name: str,
    make: Callable[[], Callable[[Frame], float]],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    more_than: float | None = None,
    less_than: float | None = None,
    either_way: float | None = None,
    reason: str | None = None,
) -> Operator[Frame, Frame]:
    """Require a value that has a memory: `make()` is called once a subscription and gives the function of each frame.

    Unlike `condition`, whose value is computed when it is asked for, this one is computed at every tick. Thresholds,
    direction, reason and errors are those of `condition`.

    >>> def average_price():
    ...     total, n = 0.0, 0
    ...     def value(frame):
    ...         nonlocal total, n
    ...         total, n = total + frame.price, n + 1
    ...         return frame.price / (total / n) - 1
    ...     return value
    >>> above_average = running_condition("above_average", average_price, at_least=0.0)
    """
    threshold, test, bound = _test(name, at_least, at_most, more_than, less_than, either_way)
    name = text("a condition's name is", name)
    why = text(f"the reason of the condition {name!r} is", reason or f"NO_{name.upper()}")
    gave = f"the condition {name!r} gave"

    def step(emit: Callable[[Frame], None], scheduler: Scheduler) -> Step:
        measure = make()

        def on_next(frame: Frame) -> None:
            needs_frames(name, frame)
            value = number(gave, measure(frame), measure)
            passed = test(value)
            direction = None if either_way is None else EitherWay.of(lambda _: value, threshold)
            emit(
                frame.given(
                    Condition(name, why, threshold, lambda _: value, lambda _: passed, direction, bound, checked=True)
                )
            )

        return Step(on_next)

    return _framing(name, step, directs=either_way is not None)


def over_window(name: str, operator: Operator[Frame, Frame]) -> Operator[Frame, Frame]:
    """Return an operator that asks for what only a window shows, and refuses frames that have none.

    Raises ValueError, as the pipe is built.
    """

    def checked(source: Observable[Any]) -> Observable[Frame]:
        if getattr(source, "windowed", None) is False:
            raise ValueError(f"op.{name} looks back over a window: put op.window(seconds=...) before op.readings")
        return operator(source)

    return checked


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

        return _framing(requirement.name, step, directs=requirement.direction is not None)(source)

    return operator


def _framing(name: str, make: MakeStep, *, directs: bool) -> Operator[Frame, Frame]:
    """Return the operator of a step that adds a condition to each frame, and with it a direction or none."""
    return lambda source: Lifted(source, make, f"frames, those of {name}", directs or directed(source), name)


def _test(
    name: str,
    at_least: float | None,
    at_most: float | None,
    more_than: float | None,
    less_than: float | None,
    either_way: float | None,
) -> tuple[float, Callable[[float], bool], Bound]:
    bounds = [b for b in (at_least, at_most, more_than, less_than, either_way) if b is not None]
    if len(bounds) != 1:
        raise ValueError(
            f"condition {name!r}: give exactly one of at_least, at_most, more_than, less_than and either_way"
        )
    threshold = number(f"the condition {name!r} has the threshold", bounds[0])
    if either_way is not None:
        if threshold < 0:
            raise ValueError(f"condition {name!r}: either_way must be 0 or more, not {threshold}")
        up, down = threshold - EPSILON, EPSILON - threshold
        return threshold, lambda value: value >= up or value <= down, "either_way"
    # The bound comes first: partial(le, 2)(value) is 2 <= value, without a call of Python's own.
    if at_least is not None:
        return threshold, partial(le, threshold - EPSILON), "at_least"
    if at_most is not None:
        return threshold, partial(ge, threshold + EPSILON), "at_most"
    if less_than is not None:
        return threshold, partial(gt, threshold - EPSILON), "less_than"
    return threshold, partial(lt, threshold + EPSILON), "more_than"
