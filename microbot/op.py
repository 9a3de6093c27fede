"""What strategies are composed of: the operators, and the exits that a strategy lists."""

import difflib
from typing import TYPE_CHECKING, NoReturn

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


if not TYPE_CHECKING:  # where types are checked, a name that is not there has to stay unknown

    def __getattr__(name: str) -> NoReturn:
        """Raise AttributeError with the name that was meant."""
        close = difflib.get_close_matches(name, __all__, n=1)
        meant = f": did you mean op.{close[0]}?" if close else "; docs/REFERENCE.md lists what there is"
        raise AttributeError(f"there is no op.{name}{meant}")
