"""Exits at a move of the price since the entry."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.events import Trade
from pipeline.exits.held import ExitSignal, Held
from pipeline.operators.lift import Operator, Scheduler, Step, lift


def on_move(held: Held, reason: str, beyond: Callable[[float], bool]) -> Operator[Trade, ExitSignal]:
    """Exit, for `reason`, when `beyond` holds of move = direction x (price / entry price - 1)."""
    sign = held.side.sign
    entry = held.entry_price

    def make(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
        def on_next(tick: Trade) -> None:
            if beyond(sign * (tick.price / entry - 1)):
                emit(ExitSignal(held.symbol, reason))

        return Step(on_next)

    return lift(make)
