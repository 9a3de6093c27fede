"""volatility_guard: no entries while the market sleeps."""

from __future__ import annotations

from pipeline.operators.condition import given, of_frame
from pipeline.operators.frame import Condition, Frame
from pipeline.operators.lift import Operator


def volatility_guard(threshold: float) -> Operator[Frame, Frame]:
    """Require that the window's highest price is at least `threshold` (a fraction) above its lowest."""
    least, value, passed, bound = of_frame("volatility_guard", "range", at_least=threshold)
    return given(Condition("volatility_guard", "NO_VOLATILITY", least, value, passed, None, bound, checked=True))
