"""signals: what a pipe ends in that is to signal more than once a burst."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable

from pipeline.events import Signal
from pipeline.operators.frame import Frame, needs_frames, signal_of
from pipeline.operators.lift import Lifted, Operator, Scheduler, Step, check_no_signals
from pipeline.probe import Probe


def signals() -> Operator[Frame, Signal]:
    """Signal every tick that points up or down and meets every condition: `bursts` without its once a burst.

    Without a condition that gives a direction, a tick points wherever the price moved within the window. A `Probe` is
    shown the newest frame and how many were ready.
    """

    def operator(source: Observable[Any]) -> Observable[Signal]:
        check_no_signals("op.signals()", source)
        return Lifted(source, _signals).keeping(signals=True)

    return operator


def _signals(emit: Callable[[Signal], None], scheduler: Scheduler) -> Step:
    probe = Probe.of(scheduler)
    on_frame = probe.on_frame

    def on_next(frame: Frame) -> None:
        needs_frames("signals", frame)
        probe.frame = frame
        probe.ready += frame.ready
        if on_frame is not None:
            on_frame(frame)
        if frame.passed:
            emit(signal_of(frame))

    return Step(on_next)
