"""volume_spike: a tick much larger than its neighbours."""

from __future__ import annotations

from operator import attrgetter

from pipeline.operators.condition import condition, over_window
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Operator


def volume_spike(multiplier: float) -> Operator[Frame, Frame]:
    """Require a size of more than `multiplier` times the mean size of the other ticks in the window."""
    return over_window("volume_spike", condition("volume_spike", attrgetter("volume_ratio"), more_than=multiplier))
