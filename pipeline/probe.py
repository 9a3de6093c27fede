"""Probe: what operators show beside what they pass on, handed to them as they are subscribed."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

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


class FlatRun:
    """How many flat candles in a row an exit has seen, and how many it waits for."""

    __slots__ = ("seconds", "seen")

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.seen = 0


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

    def go_on(self, before: Measured | None) -> None:
        """Go on from what another came to, or from nothing."""
        before = before or Measured()
        self.count, self.last, self._total = before.count, before.last, before._total
        self._least, self._most = before._least, before._most

    def summary(self) -> dict[str, float]:
        """Return last, min, max, mean and count."""
        mean = self._total / self.count if self.count else 0.0
        return {"last": self.last, "min": self._least, "max": self._most, "mean": mean, "count": self.count}


def named_twice(name: str) -> ValueError:
    """Return what is raised where two metrics of a strategy have one name."""
    return ValueError(f"two metrics are called {name!r}: give each op.metric a name of its own")


class Wired(NamedTuple):
    """An operator as one subscription has it: what it is called with, and what it calls with what it gives."""

    operator: Any
    on_next: Callable[[Any], None]
    emit: Callable[[Any], None]


class Level(NamedTuple):
    """A price at which an exit leaves with a part of a position, as it is when asked for; None while there is none."""

    reason: str
    part: float
    price: Callable[[], float | None]


MOST_WIRED = 100
"""Operators of a subscription that are noted: one that subscribes to more and more is not followed for ever."""


class Probe:
    """What the operators of one subscription show. They write it; gauges, logs and the summary read it.

    `on_frame` is called with each frame, which costs a call a tick; `on_burst` with each burst that ended.
    """

    __slots__ = (
        *("_followed", "bursts", "deadlines", "errors", "flat_runs", "frame", "levels", "metrics", "min_ticks"),
        *("on_burst", "on_frame", "ready", "warm_up", "wired"),
    )

    def __init__(
        self,
        on_frame: Callable[[Frame], None] | None = None,
        on_burst: Callable[[BurstEnded], None] = noop,
    ) -> None:
        self.frame: Frame | None = None  # the newest one
        self.ready = 0  # frames whose window was warm
        self.bursts = 0  # that began
        self.warm_up = 0  # ns that the windows look back: so long they are not ready
        self.min_ticks = 0  # that the windows want: with fewer they are not ready
        self.deadlines: list[int] = []  # ns: when exits that wait for a time will close a position
        self.flat_runs: list[FlatRun] = []  # of the exits that wait for a stagnant market
        self.levels: list[Level] = []  # where exits that watch the price will close a position
        self.metrics: dict[str, Measured] = {}  # by name, of every subscription so far
        self._followed: set[str] = set()  # the names of the one that runs
        self.wired: list[Wired] = []  # the operators of the subscription that runs, the last of the pipe first
        self.errors: Counter[str] = Counter()  # what raised, by the operator's name
        self.on_frame = on_frame
        self.on_burst = on_burst

    def begin(self) -> None:
        """Note that what it is handed to is subscribed afresh; what was counted stays."""
        self.warm_up = self.min_ticks = 0
        self.flat_runs = []
        self._followed.clear()
        self.wired = []

    def show(self, level: Level) -> Callable[[], None]:
        """Show a level until what this returns is called."""
        self.levels.append(level)
        return lambda: self.levels.remove(level)

    def metric(self, name: str) -> Measured:
        """Return where the values of a metric are counted. Raises ValueError for the second of a name."""
        if name in self._followed:
            raise named_twice(name)
        self._followed.add(name)
        return self.metrics.setdefault(name, Measured())

    def succeed(self, before: Probe) -> None:
        """Go on with the counts of the probe whose place this one takes; those of a rehearsal do not count."""
        self.ready, self.bursts, self.errors = before.ready, before.bursts, before.errors
        for name, measured in self.metrics.items():
            measured.go_on(before.metrics.get(name))
        self.metrics = before.metrics | self.metrics

    @property
    def operators(self) -> dict[str, Wired]:
        """The operators of the subscription that runs, in the order of the pipe, each under a name of its own."""
        found: dict[str, Wired] = {}
        for wired in reversed(self.wired):
            name, number = wired.operator.name, 1
            while (called := name if number == 1 else f"{name} #{number}") in found:
                number += 1
            found[called] = wired
        return found

    def blame(self, error: BaseException) -> None:
        """Count an error with the innermost operator that it was raised in, if it went through one."""
        operators = list(self.operators.items())
        blamed = None
        for frame, _ in traceback.walk_tb(error.__traceback__):
            for n, (name, wired) in enumerate(operators):
                if getattr(wired.on_next, "__code__", None) is frame.f_code:  # that of a method, too
                    blamed, operators = name, operators[n + 1 :]
                    break
        if blamed is not None:
            self.errors[blamed] += 1

    @staticmethod
    def note(
        scheduler: abc.SchedulerBase | None, operator: Any, on_next: Callable[[Any], None], emit: Callable[[Any], None]
    ) -> None:
        """Note that an operator was subscribed."""
        probe = getattr(scheduler, "probe", None)
        if isinstance(probe, Probe) and len(probe.wired) < MOST_WIRED:
            probe.wired.append(Wired(operator, on_next, emit))

    @classmethod
    def of(cls, scheduler: abc.SchedulerBase | None) -> Probe:
        """Return the probe that a subscription's scheduler carries; without one, a new one that is read by none."""
        probe = getattr(scheduler, "probe", None)
        return probe if isinstance(probe, cls) else cls()
