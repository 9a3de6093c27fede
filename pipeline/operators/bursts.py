"""bursts: at most one signal for each run of ticks that point the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex.internal import noop

from pipeline.events import BurstEnded, BurstStarted, Condition, Frame, Side, Signal, signal_of
from pipeline.operators.lift import Operator, Scheduler, Step, lift
from pipeline.operators.window import needs_frames

NEVER_TOGETHER = "NEVER_TOGETHER"


def bursts() -> Operator[Frame, Signal]:
    """Signal the first tick of each burst at which every condition is met.

    A burst is a run of consecutive ticks with the same direction; a change of direction, or the end of the
    stream, ends it. A scheduler with `see_frame(frame)` and `see_burst(event)` (a lane's is one) is told of every
    frame and of each `BurstStarted` and `BurstEnded`, which says what stood in the way of a signal: the first
    condition in the pipe that no tick of the burst met, else NEVER_TOGETHER.
    """
    return lift(_bursts)


def _bursts(emit: Callable[[Signal], None], scheduler: Scheduler) -> Step:
    see_frame: Callable[[Frame], None] = getattr(scheduler, "see_frame", noop)
    see_burst: Callable[[BurstStarted | BurstEnded], None] = getattr(scheduler, "see_burst", noop)
    known: Any = None  # the conditions that `direct` and `gates` were made from
    direct: Callable[[Frame], int] = noop
    gates: tuple[tuple[int, Condition], ...] = ()  # each with its bit in `met`
    burst = 0  # direction of the burst that runs, 0 for none
    signalled = False
    met = 0  # bits of the gates that some tick of the burst met
    count = 0
    symbol = ""

    def learn(frame: Frame) -> None:
        nonlocal known, direct, gates
        needs_frames("bursts", frame)
        if known is None or [c.name for c in frame.conditions] != [c.name for c in known]:
            direct = next((c.direction for c in frame.conditions if c.direction), _sign_of_change)
        gates = tuple((1 << i, c) for i, c in enumerate(c for c in frame.conditions if c.direction is None))
        known = frame.conditions

    def end() -> None:
        blocked = None
        if not signalled:
            blocked = next((c.reason for bit, c in gates if not met & bit), NEVER_TOGETHER)
        see_burst(BurstEnded(symbol, Side.LONG if burst > 0 else Side.SHORT, count, blocked))

    def on_next(frame: Frame) -> None:
        nonlocal burst, signalled, met, count, symbol
        if frame.conditions is not known:
            learn(frame)
        see_frame(frame)
        direction = direct(frame) if frame.ready else 0
        if direction != burst:
            if burst:
                end()
            burst = direction
            if direction:
                signalled = False
                met = count = 0
                symbol = frame.tick.symbol
                see_burst(BurstStarted(symbol, frame.tick.ts, Side.LONG if direction > 0 else Side.SHORT))
        if direction:
            count += 1
            if not signalled:
                together = True
                for bit, gate in gates:
                    if gate.passed(frame):
                        met |= bit
                    else:
                        together = False
                if together:
                    signalled = True
                    emit(signal_of(frame))

    def on_completed() -> None:
        nonlocal burst
        if burst:
            end()
            burst = 0

    return Step(on_next, on_completed)


def _sign_of_change(frame: Frame) -> int:
    """Direction where no condition gives one: wherever the price moved within the window."""
    return (frame.price > frame.oldest_price) - (frame.price < frame.oldest_price)
