"""What strategies are composed of: the operators, and the exits that a strategy lists."""

from pipeline import operators
from pipeline.exits.exit import Exit
from pipeline.exits.listed import (
    break_even,
    exit_when,
    flat_market,
    profit_target,
    stop_loss,
    take_profit,
    time_stop,
    trailing_stop,
    volatility_stop,
)
from pipeline.operators import *  # noqa: F403  # all of them, by their own names

__all__ = [
    *operators.__all__,
    "Exit",
    "break_even",
    "exit_when",
    "flat_market",
    "profit_target",
    "stop_loss",
    "take_profit",
    "time_stop",
    "trailing_stop",
    "volatility_stop",
]
