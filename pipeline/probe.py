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


class Measured:
    """What the values of an `op.metric` came to."""

    __slots__ = ("_least", "_most", "_total", "count", "last")

    def __init__(self) -> None:
        self.count = 0
        self.last = self._least = self._most = self._total = 0.0

    def add(self, value: float) -> None:
        """Count one more value, which is finite."""
        if not self.count:
            self._least = self._most = value
        elif value > self._most:
            self._most = value
        elif value < self._least:
            self._least = value
        self.count += 1
        self.last = value
        self._total += value

    def summary(self) -> dict[str, float]:
        """Return last, min, max, mean and count."""
        mean = self._total / self.count if self.count else 0.0
        return {"last": self.last, "min": self._least, "max": self._most, "mean": mean, "count": self.count}


def named_twice(name: str) -> ValueError:
    """Return what is raised where two metrics of a strategy have one name."""
    return ValueError(f"two metrics are called {name!r}: give each op.metric a name of its own")


class Probe:
    """What the operators of one subscription show. They write it; gauges, logs and the summary read it.

    `on_frame` is called with each frame, which costs a call a tick; `on_burst` with each burst that ended.
    """

    __slots__ = ("_followed", "bursts", "deadlines", "frame", "metrics", "on_burst", "on_frame", "ready", "warm_up")

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
        self.metrics: dict[str, Measured] = {}  # by name, of every subscription so far
        self._followed: set[str] = set()  # the names of the one that runs
        self.on_frame = on_frame
        self.on_burst = on_burst

    def begin(self) -> None:
        """Note that what it is handed to is subscribed afresh; what was counted stays."""
        self.warm_up = 0
        self._followed.clear()

    def metric(self, name: str) -> Measured:
        """Return where the values of a metric are counted. Raises ValueError for the second of a name."""
        if name in self._followed:
            raise named_twice(name)
        self._followed.add(name)
        return self.metrics.setdefault(name, Measured())

    @classmethod
    def of(cls, scheduler: abc.SchedulerBase | None) -> Probe:
        """Return the probe that a subscription's scheduler carries; without one, a new one that is read by none."""
        probe = getattr(scheduler, "probe", None)
        return probe if isinstance(probe, cls) else cls()
