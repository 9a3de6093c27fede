"""volatility_guard: no entries while the market sleeps."""

from __future__ import annotations

from operator import attrgetter

from pipeline.operators.condition import condition, over_window
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Operator


def volatility_guard(threshold: float) -> Operator[Frame, Frame]:
    """Require that the window's highest price is at least `threshold` (a fraction) above its lowest."""
    return over_window(
        "volatility_guard",
        condition("volatility_guard", attrgetter("range"), at_least=threshold, reason="NO_VOLATILITY"),
    )
