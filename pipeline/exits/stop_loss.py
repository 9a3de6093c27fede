"""stop_loss: leave before a loss grows."""

from __future__ import annotations

from pipeline.events import EPSILON, Trade
from pipeline.exits.held import ExitSignal, Held
from pipeline.exits.on_move import on_move
from pipeline.operators.lift import Operator


def stop_loss(held: Held, fraction: float) -> Operator[Trade, ExitSignal]:
    """Exit (SL) when the price moved by `fraction` or more against the position."""
    floor = -fraction + EPSILON
    return on_move(held, "SL", lambda move: move <= floor)
