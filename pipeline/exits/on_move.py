"""profit_target and stop_loss: leave at a move of the price since the entry."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.events import EPSILON, Trade
from pipeline.exits.held import ExitSignal, Held
from pipeline.operators.lift import Operator, Scheduler, Step, lift
from pipeline.probe import Level, Probe


def profit_target(held: Held, fraction: float) -> Operator[Trade, ExitSignal]:
    """Exit (TP) when the price moved by `fraction` or more in the position's favour."""
    goal = fraction - EPSILON
    return _on_move(held, "TP", fraction, lambda move: move >= goal)


def stop_loss(held: Held, fraction: float) -> Operator[Trade, ExitSignal]:
    """Exit (SL) when the price moved by `fraction` or more against the position."""
    floor = -fraction + EPSILON
    return _on_move(held, "SL", -fraction, lambda move: move <= floor)


def _on_move(held: Held, reason: str, at: float, beyond: Callable[[float], bool]) -> Operator[Trade, ExitSignal]:
    """Exit, for `reason`, when `beyond` holds of move = direction x (price / entry price - 1).

    `at` is the move from which on it does, for those who look.
    """
    sign = held.side.sign
    entry = held.entry_price

    def make(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
        def on_next(tick: Trade) -> None:
            if beyond(sign * (tick.price / entry - 1)):
                emit(ExitSignal(held.symbol, reason))

        level = entry * (1 + sign * at)
        return Step(on_next, dispose=Probe.of(scheduler).show(Level(reason, 1.0, lambda: level)))

    return lift(make)
