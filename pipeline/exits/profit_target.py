"""profit_target: leave with a profit."""

from __future__ import annotations

from pipeline.events import EPSILON, Trade
from pipeline.exits.held import ExitSignal, Held
from pipeline.exits.on_move import on_move
from pipeline.operators.lift import Operator


def profit_target(held: Held, fraction: float) -> Operator[Trade, ExitSignal]:
    """Exit (TP) when the price moved by `fraction` or more in the position's favour."""
    goal = fraction - EPSILON
    return on_move(held, "TP", lambda move: move >= goal)
