"""A condition with a memory, and exits of your own: ride the trend, and leave when it gives back half.

microbot run --strategy examples/trend_rider.py:strategy
"""

from __future__ import annotations

from collections.abc import Callable

from reactivex import Observable

from microbot import (
    ExitSignal,
    Frame,
    Held,
    Market,
    Operator,
    Scheduler,
    Signal,
    Step,
    Strategy,
    Trade,
    op,
    stop_loss,
    time_stop,
)


def with_trend(ticks: int) -> Operator[Frame, Frame]:
    """The price is on the side of its slow average that the burst points to."""

    def make() -> Callable[[Frame], float]:
        average = 0.0

        def value(frame: Frame) -> float:
            nonlocal average
            average = average + (frame.price - average) / ticks if average else frame.price
            return frame.direction * (frame.price / average - 1)

        return value

    return op.running_condition("with_trend", make, at_least=0.0)


def trailing_exit(held: Held, share: float) -> Operator[Trade, ExitSignal]:
    """Exit (TRAIL) when the position has given back `share` of its best move."""

    def make(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
        best = 0.0

        def on_next(tick: Trade) -> None:
            nonlocal best
            move = held.side.sign * (tick.price / held.entry_price - 1)
            best = max(best, move)
            if best > 0.0005 and move <= best * (1 - share):
                emit(ExitSignal(held.symbol, "TRAIL"))

        return Step(on_next)

    return op.lift(make)


def entries(ticks: Observable[Trade]) -> Observable[Signal]:
    return ticks.pipe(op.window(seconds=15), op.momentum(0.0005), op.volume_spike(1.5), with_trend(200), op.bursts())


def exits(held: Held, market: Market) -> Observable[ExitSignal]:
    return op.merge(
        market.ticks.pipe(stop_loss(held, 0.0005)),
        market.ticks.pipe(trailing_exit(held, 0.5)),
        time_stop(held, 30, market.clock),
    )


strategy = Strategy("trend_rider", entries, exits)
