"""Virtual time: what happens when, and the clocks of the machine that the bot runs on."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from pipeline.events import SECOND

Action = Callable[[], None]


class VirtualScheduler:
    """Actions by time (ns); those of one time in the order in which they were set. Nothing waits for real."""

    def __init__(self, start: int) -> None:
        self.now = start
        self.skipped = 0  # ns in which nothing ran
        self._heap: list[tuple[int, int, Action]] = []
        self._sequence = 0

    def at(self, due: int, action: Action) -> None:
        """Call `action` when `due` comes; one that is past comes next."""
        self._sequence += 1
        heapq.heappush(self._heap, (max(due, self.now), self._sequence, action))

    def after(self, seconds: float, action: Action) -> None:
        """Call `action` so many seconds from now."""
        self.at(self.now + round(seconds * SECOND), action)

    def run_to(self, end: int) -> None:
        """Run everything that is due up to `end`."""
        while self._heap and self._heap[0][0] <= end:
            due, _, action = heapq.heappop(self._heap)
            self.now = due
            action()
        self.now = max(self.now, end)

    def skip_to(self, end: int) -> None:
        """Skip the time until `end`, as a machine that sleeps does: what was due meanwhile comes then, in its order."""
        if end <= self.now:
            return
        late = sorted(entry for entry in self._heap if entry[0] < end)
        self._heap = [entry for entry in self._heap if entry[0] >= end]
        heapq.heapify(self._heap)
        self.skipped += end - self.now
        self.now = end
        for _, _, action in late:
            self.at(end, action)

    @property
    def ran_s(self) -> float:
        """Seconds in which things ran, on some clock."""
        return (self.now - self.skipped) / SECOND


class Machine:
    """The machine that the bot runs on: a monotonic clock that is right, and a wall clock that may be set."""

    def __init__(self, scheduler: VirtualScheduler) -> None:
        self.wrong_ns = 0  # how far the wall clock is ahead of true time
        self._scheduler = scheduler
        self._booted = scheduler.now - 1_000 * SECOND

    def monotonic_ns(self) -> int:
        """Nanoseconds since the machine was started."""
        return self._scheduler.now - self._booted

    def wall_ns(self) -> int:
        """What the machine takes for the time, ns."""
        return self._scheduler.now + self.wrong_ns
