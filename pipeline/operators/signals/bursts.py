"""bursts: at most one signal for each run of ticks that point the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable

from pipeline.events import Side, Signal
from pipeline.operators.condition import EitherWay
from pipeline.operators.frame import Condition, Frame, needs_frames, signal_of
from pipeline.operators.lift import Lifted, Operator, Scheduler, Step, check_no_signals, directed
from pipeline.operators.momentum.momentum import MOMENTUM
from pipeline.probe import BurstEnded, Probe

NEVER_TOGETHER = "NEVER_TOGETHER"

NO_DIRECTION = (
    "a burst is a run of ticks that point the same way, and no condition before op.bursts() says where a tick points: "
    "put op.momentum(0.0005), or an op.condition(...) with either_way=, before it in the pipe"
)


def bursts() -> Operator[Frame, Signal]:
    """Signal the first tick of each burst at which every condition is met.

    A burst is a run of consecutive ticks with the same direction, which the first condition in the pipe that has one
    gives. A tick of another direction, of none, or that is not ready ends it, and so does completion; after an error or
    a disposal no `BurstEnded` is reported. A `Probe` is shown the newest frame, how many were
    ready, how many bursts began, and each `BurstEnded`, which says what stood in the way of a signal: the first
    condition in the pipe that no tick of the burst met, else NEVER_TOGETHER.

    Raises ValueError, as the pipe is built, where no condition gives a direction; behind an operator that hides what
    its frames carry, at the first frame.
    """

    def operator(source: Observable[Any]) -> Observable[Signal]:
        if directed(source) is False:
            raise ValueError(NO_DIRECTION)
        check_no_signals("op.bursts()", source)
        return Lifted(source, burst_steps, name="bursts").keeping(signals=True)

    return operator


_Gates = tuple[tuple[int, Condition], ...]
"""Conditions that the ticks of a burst have to meet, each with its bit in `met`."""


def _rules_of(conditions: tuple[Condition, ...]) -> tuple[float, float, Callable[[Frame], int] | None, _Gates]:
    """Return what the conditions of a pipe ask of its ticks. Raises ValueError if none gives a direction.

    That is the momentum that points a tick LONG, the one that points it SHORT, what points it where that is not
    momentum, and the gates.
    """
    pointing = next((c for c in conditions if c.direction is not None), None)
    if pointing is None:
        raise ValueError(NO_DIRECTION)
    direction = pointing.direction
    implied = pointing if isinstance(direction, EitherWay) else None  # a tick that it points somewhere meets it
    gates = tuple((1 << i, c) for i, c in enumerate(c for c in conditions if c is not implied))
    if isinstance(direction, EitherWay) and direction.value is MOMENTUM:
        # By far the most common one: `bursts` compares the frame's own number, which saves two calls a tick.
        return direction.up, direction.down, None, gates
    return 0.0, 0.0, direction, gates


class _Burst:
    """The burst that runs, and what its ticks met."""

    __slots__ = ("_emit", "_met", "_probe", "_side", "_signalled", "_symbol", "_ticks", "_ts", "gates")

    def __init__(self, emit: Callable[[Signal], None], probe: Probe) -> None:
        self.gates: _Gates = ()
        self._emit = emit
        self._probe = probe
        self._side = Side.LONG
        self._symbol = ""
        self._ts = 0
        self._signalled = False
        self._met = 0  # bits of the gates that some tick of it met
        self._ticks = 0

    def begin(self, frame: Frame, direction: int) -> None:
        self._side = Side.LONG if direction > 0 else Side.SHORT
        self._symbol = frame.tick.symbol
        self._ts = frame.tick.ts
        self._signalled = False
        self._met = self._ticks = 0
        self._probe.bursts += 1

    def count(self, frame: Frame) -> None:
        """Count a tick of the burst, and signal it if it is the first to meet every condition."""
        self._ticks += 1
        if self._signalled:
            return
        together, met = True, self._met
        for bit, gate in self.gates:
            if together or not met & bit:  # else its answer would change nothing
                if gate.passed(frame):
                    met |= bit
                else:
                    together = False
        self._met = met
        if together:
            self._signalled = True
            self._emit(signal_of(frame, self._side))

    def end(self) -> None:
        blocked = None
        if not self._signalled:
            blocked = next((gate.reason for bit, gate in self.gates if not self._met & bit), NEVER_TOGETHER)
        self._probe.on_burst(BurstEnded(self._symbol, self._ts, self._side, self._ticks, blocked))


def burst_steps(emit: Callable[[Signal], None], scheduler: Scheduler) -> Step:
    """Return the step of `bursts`, which signals once a run of frames that point the same way."""
    probe = Probe.of(scheduler)
    on_frame = probe.on_frame
    burst = _Burst(emit, probe)
    known: tuple[Condition, ...] | None = None  # the conditions that the next three were read off
    up = down = 0.0
    direct: Callable[[Frame], int] | None = None
    pointed = 0  # direction of the burst that runs, 0 for none

    def on_next(frame: Frame) -> None:
        nonlocal known, up, down, direct, pointed
        try:
            conditions = frame.conditions
        except AttributeError:
            needs_frames("bursts", frame)
            raise
        if conditions is not known:
            up, down, direct, burst.gates = _rules_of(conditions)
            known = conditions
        probe.frame = frame
        direction = 0
        if frame.ready:
            probe.ready += 1
            if direct is None:
                moved = frame.momentum
                if moved >= up:
                    direction = 1
                elif moved <= down:
                    direction = -1
            else:
                direction = direct(frame)
        if on_frame is not None:
            on_frame(frame)
        if direction != pointed:
            if pointed:
                burst.end()
            pointed = direction
            if direction:
                burst.begin(frame, direction)
        if direction:
            burst.count(frame)

    def on_completed() -> None:
        nonlocal pointed
        if pointed:
            burst.end()
            pointed = 0

    return Step(on_next, on_completed)
