"""Probe: what operators show beside what they pass on, handed to them as they are subscribed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from reactivex import abc
from reactivex.internal import noop

from pipeline.events import Side

if TYPE_CHECKING:
    from pipeline.operators.frame import Frame


class BurstEnded(msgspec.Struct, frozen=True, gc=False):
    """A run of ticks that pointed the same way is over; `blocked` says why it gave no signal, None if it gave one."""

    symbol: str
    ts: int  # of its first tick
    side: Side
    ticks: int
    blocked: str | None


class Probe:
    """What the operators of one subscription show. They write it; gauges, logs and the summary read it.

    `on_frame` is called with each frame, which costs a call a tick; `on_burst` with each burst that ended.
    """

    __slots__ = ("bursts", "deadlines", "frame", "on_burst", "on_frame", "ready", "warm_up")

    def __init__(
        self,
        on_frame: Callable[[Frame], None] | None = None,
        on_burst: Callable[[BurstEnded], None] = noop,
    ) -> None:
        self.frame: Frame | None = None  # the newest one
        self.ready = 0  # frames whose window was warm
        self.bursts = 0  # that began
        self.warm_up = 0  # ns that the windows look back: so long they are not ready
        self.deadlines: list[int] = []  # ns: when exits that wait for a time will close a position
        self.on_frame = on_frame
        self.on_burst = on_burst

    @classmethod
    def of(cls, scheduler: abc.SchedulerBase | None) -> Probe:
        """Return the probe that a subscription's scheduler carries; without one, a new one that is read by none."""
        probe = getattr(scheduler, "probe", None)
        return probe if isinstance(probe, cls) else cls()
