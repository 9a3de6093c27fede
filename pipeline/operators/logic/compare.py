"""above, below, between, rising and falling; crosses_above and crosses_below."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pipeline.events import EPSILON
from pipeline.operators.frame import Frame
from pipeline.operators.logic.rule import Holds, Operand, Rule, named, operand
from pipeline.operators.rolling import count


def above(left: Operand, right: Operand) -> Rule:
    """Hold where `left` is more than `right`: two readings by name, or a reading and a number."""
    return _comparison("above", left, right, lambda difference: difference > EPSILON)


def below(left: Operand, right: Operand) -> Rule:
    """Hold where `left` is less than `right`."""
    return _comparison("below", left, right, lambda difference: difference < -EPSILON)


def between(value: Operand, low: float, high: float) -> Rule:
    """Hold where the value is `low` or more, and `high` or less. Raises ValueError for a `low` above `high`."""
    name, of = operand("between", value)
    _, least = operand("between", low)
    _, most = operand("between", high)
    if low > high:
        raise ValueError(f"op.between: low is {low:g}, above high, which is {high:g}: nothing lies there")

    def holds(frame: Frame) -> bool:
        return least(frame) - EPSILON <= of(frame) <= most(frame) + EPSILON

    return Rule.of(f"{name} between {low:g} and {high:g}", holds, value)


def crosses_above(left: Operand, right: Operand) -> Rule:
    """Hold at the one frame at which `left` is more than `right` and was not at the frame before.

    ```
    left - right  --(-1)--(+1)--(+2)--(-1)--(+1)--
                  crosses_above
    holds         -----------x-----------------x--
    ```

    The first ready frame has none before it: nothing crosses there.
    """
    return _crossing("crosses above", left, right, 1.0)


def crosses_below(left: Operand, right: Operand) -> Rule:
    """Hold at the one frame at which `left` is less than `right` and was not at the frame before."""
    return _crossing("crosses below", left, right, -1.0)


def rising(value: Operand, frames: int = 1) -> Rule:
    """Hold where the value is more than it was `frames` ready frames before."""
    return _trend("rising", value, frames, 1.0)


def falling(value: Operand, frames: int = 1) -> Rule:
    """Hold where the value is less than it was `frames` ready frames before."""
    return _trend("falling", value, frames, -1.0)


def _comparison(word: str, left: Operand, right: Operand, holds: Callable[[float], bool]) -> Rule:
    (first, of_left), (second, of_right) = operand(word, left), operand(word, right)
    return Rule.of(f"{first} {word} {second}", lambda frame: holds(of_left(frame) - of_right(frame)), left, right)


def _crossing(word: str, left: Operand, right: Operand, sign: float) -> Rule:
    (first, of_left), (second, of_right) = operand(word, left), operand(word, right)

    def begin() -> Holds:
        was: bool | None = None

        def holds(frame: Frame) -> bool:
            nonlocal was
            before, was = was, sign * (of_left(frame) - of_right(frame)) > EPSILON
            return was and before is False

        return holds

    return Rule(f"{first} {word} {second}", begin, asks=named(left, right))


def _trend(word: str, value: Operand, frames: int, sign: float) -> Rule:
    name, of = operand(word, value)
    frames = count(word, frames)

    def begin() -> Holds:
        kept: deque[float] = deque(maxlen=frames + 1)

        def holds(frame: Frame) -> bool:
            kept.append(of(frame))
            return len(kept) > frames and sign * (kept[-1] - kept[0]) > EPSILON

        return holds

    return Rule(f"{name} {word}", begin, asks=named(value))
