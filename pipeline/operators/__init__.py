"""The operators a signal is composed of: `from pipeline import operators as op`."""

from pipeline.operators.condition import condition, running_condition
from pipeline.operators.lift import Operator, lift, merge
from pipeline.operators.momentum.momentum import momentum
from pipeline.operators.signals.bursts import bursts
from pipeline.operators.signals.signals import signals
from pipeline.operators.timing.candles import candles
from pipeline.operators.volatility.volatility_guard import volatility_guard
from pipeline.operators.volume.volume_spike import volume_spike
from pipeline.operators.window.window import window

__all__ = [
    "Operator",
    "bursts",
    "candles",
    "condition",
    "lift",
    "merge",
    "momentum",
    "running_condition",
    "signals",
    "volatility_guard",
    "volume_spike",
    "window",
]
