"""flat_market: leave a stagnant market."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.events import EPSILON, Candle
from pipeline.exits.held import ExitSignal, Held
from pipeline.operators.lift import Operator, Scheduler, Step, lift
from pipeline.probe import FlatRun, Probe


def flat_market(held: Held, seconds: int, threshold: float) -> Operator[Candle, ExitSignal]:
    """Exit (FLAT) at the close of the `seconds`-th one-second candle in a row that moved by `threshold` or less.

    Only candles that start at or after the entry count; a candle's move is |close / previous close - 1|.
    """
    limit = threshold + EPSILON

    def make(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
        run = FlatRun(seconds)
        runs = Probe.of(scheduler).flat_runs
        runs.append(run)

        def on_next(candle: Candle) -> None:
            if candle.start < held.entry_ts:
                return
            before = candle.previous_close
            run.seen = run.seen + 1 if before is not None and abs(candle.close / before - 1) <= limit else 0
            if run.seen >= seconds:
                emit(ExitSignal(held.symbol, "FLAT"))

        return Step(on_next, dispose=lambda: runs.remove(run))

    return lift(make)
