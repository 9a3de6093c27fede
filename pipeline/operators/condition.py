"""condition: a named test that a tick must pass to become a signal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import ge, gt, le, lt
from typing import Any

import msgspec
from reactivex import Observable

from pipeline.checked import number, text, word
from pipeline.events import EPSILON, Bound, Side
from pipeline.operators.frame import Condition, Frame, needs_frames
from pipeline.operators.framing import Framing, Join
from pipeline.operators.lift import Operator, Scheduler, Step


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
    go: Side | str | None = None,
    reason: str | None = None,
) -> Operator[Frame, Frame]:
    """Require of a tick that `value(frame)` is on one side of a threshold, or that far from zero either way.

    `value` is a pure function of the frame. Exactly one threshold is given; comparisons forgive 1e-9. The one of
    `either_way` gives ticks their direction: LONG where the value is at least the threshold, SHORT where it is at most
    its negative. With `go`, it is required of ticks that point that way alone. The reading stands on the frame under
    `name`; a burst in which it never passed counts as blocked by `reason` (default: NO_ and the name in capitals).

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
            passed=_going(name, go, passed),
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
    go: Side | str | None = None,
    reason: str | None = None,
) -> Operator[Frame, Frame]:
    """Require a value that has a memory: `make()` is called once a subscription and gives the function of each frame.

    Unlike `condition`, whose value is computed when it is asked for, this one is computed at every tick. Thresholds,
    direction, `go`, reason and errors are those of `condition`.

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
    _going(name, go, bool)  # so that a wrong side is found now

    def seen_at(place: int) -> Condition:
        """Return the condition that reads what this one saw off the frame."""

        def value(frame: Frame) -> float:
            return frame.seen[place]

        direction = None if either_way is None else EitherWay.of(value, threshold)
        passed = _going(name, go, lambda frame: test(frame.seen[place]))
        return Condition(name, why, threshold, value, passed, direction, bound, checked=True)

    def step(emit: Callable[[Frame], None], scheduler: Scheduler, join: Join) -> Step:
        measure = make()
        known: tuple[Condition, ...] | None = None
        conditions: tuple[Condition, ...] = ()

        def on_next(frame: Frame) -> None:
            nonlocal known, conditions
            needs_frames(name, frame)
            value = measure(frame)
            if value.__class__ is not float or value - value != 0.0:  # infinite, or no number at all
                value = number(f"the condition {name!r} gave", value, measure)
            if frame.conditions is not known:
                known = frame.conditions
                conditions = join((*known, seen_at(len(frame.seen))))
            emit(msgspec.structs.replace(frame, conditions=conditions, seen=(*frame.seen, value)))

        return Step(on_next)

    return lambda source: Framing(source, name, step, directs=either_way is not None)


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
        if isinstance(source, Framing):
            return source.given(requirement)

        def step(emit: Callable[[Frame], None], scheduler: Scheduler, join: Join) -> Step:
            def on_next(frame: Frame) -> None:
                needs_frames(requirement.name, frame)
                emit(msgspec.structs.replace(frame, conditions=join(frame.conditions)))

            return Step(on_next)

        return Framing(source, requirement.name, step, (requirement,))

    return operator


def _going(name: str, go: Side | str | None, passed: Callable[[Frame], bool]) -> Callable[[Frame], bool]:
    """Return what asks `passed` of all frames but those that point the other way than `go`. Raises WrongValue."""
    if go is None:
        return passed
    other = -word(f"the condition {name!r} has go, which is", go, Side).sign
    return lambda frame: frame.direction == other or passed(frame)


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
