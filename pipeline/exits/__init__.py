"""Exits: each an operator from what happens to `ExitSignal`; `op.merge` makes one stream of several.

All of them watch one `Held` position, and end with the subscription that the executor disposes of when the position is
closed.
"""

import pipeline.operators  # noqa: F401  # first: op.when takes exits, and they are made of operators
from pipeline.exits.exit import Exit, ListedExits, SignalExits, stop_of
from pipeline.exits.flat_market import flat_market
from pipeline.exits.held import ExitSignal, Held
from pipeline.exits.market import Market
from pipeline.exits.on_move import profit_target, stop_loss
from pipeline.exits.time_stop import time_stop

__all__ = [
    "Exit",
    "ExitSignal",
    "Held",
    "ListedExits",
    "Market",
    "SignalExits",
    "flat_market",
    "profit_target",
    "stop_loss",
    "stop_of",
    "time_stop",
]
