"""volume_spike: a tick much larger than its neighbours."""

from __future__ import annotations

from pipeline.operators.condition import given, of_frame
from pipeline.operators.frame import Condition, Frame
from pipeline.operators.lift import Operator


def volume_spike(multiplier: float) -> Operator[Frame, Frame]:
    """Require a size of more than `multiplier` times the mean size of the other ticks in the window."""
    threshold, value, passed, bound = of_frame("volume_spike", "volume_ratio", more_than=multiplier)
    return given(Condition("volume_spike", "NO_VOLUME_SPIKE", threshold, value, passed, None, bound, checked=True))
