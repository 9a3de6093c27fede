"""momentum: how far the price has come within the window, and in which direction."""

from __future__ import annotations

from pipeline.events import EPSILON, Condition, Frame
from pipeline.operators.condition import given
from pipeline.operators.lift import Operator


def momentum(threshold: float) -> Operator[Frame, Frame]:
    """Point a tick LONG or SHORT once the price moved by `threshold` (a fraction) since the window's oldest tick.

    momentum = price / oldest price - 1: LONG at +threshold or more, SHORT at -threshold or less. Without this
    operator in the pipe a tick points wherever the price moved, however little.
    """
    up = threshold - EPSILON
    down = -up

    def direction(frame: Frame) -> int:
        return 1 if frame.momentum >= up else -1 if frame.momentum <= down else 0

    return given(
        Condition(
            name="momentum",
            reason="NO_MOMENTUM",
            threshold=threshold,
            value=lambda frame: frame.momentum,
            passed=lambda frame: direction(frame) != 0,
            direction=direction,
            bound="either_way",
        )
    )
