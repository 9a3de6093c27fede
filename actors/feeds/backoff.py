"""How long to wait before the next try, and how often there may be one at all."""

from __future__ import annotations

from collections import deque
from random import Random

MOST_CONNECTS = 20
"""Connections to one venue within a minute, whatever becomes of them."""

MINUTE_S = 60.0


class BackOff:
    """Growing, jittered delays: first x 2^n up to the most, times a random 0.5 to 1. `reset` starts over."""

    def __init__(self, first_s: float, most_s: float, random: Random) -> None:
        self._first = first_s
        self._most = most_s
        self._random = random
        self.failures = 0

    def next(self) -> float:
        """Return how long to wait, in seconds."""
        delay = min(self._most, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return delay * (0.5 + self._random.random() / 2)

    def reset(self) -> None:
        self.failures = 0


class Quota:
    """At most so many tries in any stretch of time, whatever the delays between them are. Times are in seconds."""

    def __init__(self, most: int = MOST_CONNECTS, within_s: float = MINUTE_S) -> None:
        self._tried: deque[float] = deque(maxlen=most)
        self._within = within_s

    def left(self, now: float) -> float:
        """Return how long it is until there may be another try; 0 if it may be now."""
        tried = self._tried
        return max(0.0, tried[0] + self._within - now) if len(tried) == tried.maxlen else 0.0

    def take(self, now: float) -> None:
        """Note a try."""
        self._tried.append(now)
