"""bursts: at most one signal for each run of ticks that point the same way."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.clock import SymbolClock
from pipeline.events import EPSILON, BurstEnded, BurstStarted, Condition, Frame, Side, Signal, signal_of
from pipeline.operators.lift import Operator, Scheduler, Step, lift
from pipeline.operators.momentum import MOMENTUM
from pipeline.operators.window import needs_frames

NEVER_TOGETHER = "NEVER_TOGETHER"

_LEAST = 5e-324
"""The smallest positive number: without a momentum condition any move gives a direction."""


def bursts() -> Operator[Frame, Signal]:
    """Signal the first tick of each burst at which every condition is met.

    A burst is a run of consecutive ticks with the same direction; a change of direction, or the end of the
    stream, ends it. Subscribed with a `SymbolClock`, it shows there the newest frame, how many were ready, and each
    `BurstStarted` and `BurstEnded`, which says what stood in the way of a signal: the first
    condition in the pipe that no tick of the burst met, else NEVER_TOGETHER.
    """
    return lift(_bursts)


def _bursts(emit: Callable[[Signal], None], scheduler: Scheduler) -> Step:
    symbol_clock = SymbolClock.of(scheduler)
    see_frame = symbol_clock.see_frame
    see_burst = symbol_clock.see_burst
    known: tuple[Condition, ...] | None = None  # the conditions that the next five were made from
    up = down = 0.0  # momentum that gives a tick its direction
    direct: Callable[[Frame], int] | None = None  # what gives it, where that is not momentum
    gates: tuple[tuple[int, Condition], ...] = ()  # each with its bit in `met`
    burst = 0  # direction of the burst that runs, 0 for none
    signalled = False
    met = 0  # bits of the gates that some tick of the burst met
    count = 0
    symbol = ""

    def learn(frame: Frame) -> None:
        nonlocal known, up, down, direct, gates
        known = frame.conditions
        directed = next((c for c in known if c.direction is not None), None)
        gates = tuple((1 << i, c) for i, c in enumerate(c for c in known if c is not directed))
        if directed is None:
            up, down, direct = _LEAST, -_LEAST, None
        elif directed.value is MOMENTUM:
            up, down, direct = directed.threshold - EPSILON, EPSILON - directed.threshold, None
        else:
            direct = directed.direction

    def end() -> None:
        blocked = None
        if not signalled:
            blocked = next((c.reason for bit, c in gates if not met & bit), NEVER_TOGETHER)
        see_burst(BurstEnded(symbol, Side.LONG if burst > 0 else Side.SHORT, count, blocked))

    def on_next(frame: Frame) -> None:
        nonlocal burst, signalled, met, count, symbol
        try:
            if frame.conditions is not known:
                learn(frame)
        except AttributeError:
            needs_frames("bursts", frame)
            raise
        symbol_clock.frame = frame
        direction = 0
        if frame.ready:
            symbol_clock.ready += 1
            if direct is None:
                moved = frame.momentum
                if moved >= up:
                    direction = 1
                elif moved <= down:
                    direction = -1
            else:
                direction = direct(frame)
        if see_frame is not None:
            see_frame(frame)
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
