"""signals: what a pipe ends in that is to signal more than once a burst."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.clock import SymbolClock
from pipeline.events import Frame, Signal, signal_of
from pipeline.operators.lift import Operator, Scheduler, Step, lift
from pipeline.operators.window import needs_frames


def signals() -> Operator[Frame, Signal]:
    """Signal every tick that points up or down and meets every condition: `bursts` without its once a burst.

    Subscribed with a `SymbolClock`, it shows there the newest frame and how many were ready.
    """
    return lift(_signals)


def _signals(emit: Callable[[Signal], None], scheduler: Scheduler) -> Step:
    symbol_clock = SymbolClock.of(scheduler)
    see_frame = symbol_clock.see_frame

    def on_next(frame: Frame) -> None:
        needs_frames("signals", frame)
        symbol_clock.frame = frame
        symbol_clock.ready += frame.ready
        if see_frame is not None:
            see_frame(frame)
        if frame.passed:
            emit(signal_of(frame))

    return Step(on_next)
