"""flat_market: leave a stagnant market."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.events import EPSILON, Candle
from pipeline.exits.held import ExitSignal, Held
from pipeline.operators.lift import Operator, Scheduler, Step, lift


def flat_market(held: Held, seconds: int, threshold: float) -> Operator[Candle, ExitSignal]:
    """Exit (FLAT) at the close of the `seconds`-th one-second candle in a row that moved by `threshold` or less.

    Only candles that start at or after the entry count; a candle's move is |close / previous close - 1|.
    """
    limit = threshold + EPSILON

    def make(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
        run = 0

        def on_next(candle: Candle) -> None:
            nonlocal run
            if candle.start < held.entry_ts:
                return
            before = candle.previous_close
            run = run + 1 if before is not None and abs(candle.close / before - 1) <= limit else 0
            if run >= seconds:
                emit(ExitSignal(held.symbol, "FLAT"))

        return Step(on_next)

    return lift(make)
