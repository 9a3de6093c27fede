"""The agenda: what happens when, in virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from pipeline.events import SECOND

Action = Callable[[], None]


class Agenda:
    """Actions by time (ns); those of one time in the order in which they were set. Nothing waits for real."""

    def __init__(self, start: int) -> None:
        self.now = start
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
        """Let everything happen up to `end`."""
        while self._heap and self._heap[0][0] <= end:
            due, _, action = heapq.heappop(self._heap)
            self.now = due
            action()
        self.now = max(self.now, end)
