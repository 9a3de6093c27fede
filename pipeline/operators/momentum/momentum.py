"""momentum: how far the price has come within the window, and in which direction."""

from __future__ import annotations

from operator import attrgetter

from pipeline.checked import number
from pipeline.operators.condition import EitherWay, given, over_window
from pipeline.operators.frame import Condition, Frame
from pipeline.operators.lift import Operator

MOMENTUM = attrgetter("momentum")
"""The value of this operator's condition."""


def momentum(threshold: float) -> Operator[Frame, Frame]:
    """Point a tick LONG or SHORT once the price moved by `threshold` (a fraction) since the window's oldest tick.

    momentum = price / oldest price - 1: LONG at +threshold or more, SHORT at -threshold or less.

    Raises ValueError for a threshold below 0, WrongValue for one that is no finite number.
    """
    threshold = number("momentum has the threshold", threshold)
    if threshold < 0:
        raise ValueError(f"momentum: the threshold must be 0 or more, not {threshold}")
    direction = EitherWay.of(MOMENTUM, threshold)
    requirement = Condition(
        name="momentum",
        reason="NO_MOMENTUM",
        threshold=threshold,
        value=MOMENTUM,
        passed=lambda frame: direction(frame) != 0,
        direction=direction,
        bound="either_way",
        checked=True,
    )
    return over_window("momentum", given(requirement))
