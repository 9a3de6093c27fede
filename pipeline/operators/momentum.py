"""momentum: how far the price has come within the window, and in which direction."""

from __future__ import annotations

from operator import attrgetter

from pipeline.checked import number
from pipeline.events import EPSILON, Condition, Frame
from pipeline.operators.condition import given
from pipeline.operators.lift import Operator

MOMENTUM = attrgetter("momentum")
"""The value of this operator's condition, by which others know it: `bursts` looks at the number itself."""


def momentum(threshold: float) -> Operator[Frame, Frame]:
    """Point a tick LONG or SHORT once the price moved by `threshold` (a fraction) since the window's oldest tick.

    momentum = price / oldest price - 1: LONG at +threshold or more, SHORT at -threshold or less. Without this
    operator in the pipe a tick points wherever the price moved, however little.
    """
    threshold = number("momentum has the threshold", threshold)
    if threshold < 0:
        raise ValueError(f"momentum: the threshold must be 0 or more, not {threshold}")
    up = threshold - EPSILON
    down = -up

    def direction(frame: Frame) -> int:
        return 1 if frame.momentum >= up else -1 if frame.momentum <= down else 0

    return given(
        Condition(
            name="momentum",
            reason="NO_MOMENTUM",
            threshold=threshold,
            value=MOMENTUM,
            passed=lambda frame: direction(frame) != 0,
            direction=direction,
            bound="either_way",
            checked=True,
        )
    )
