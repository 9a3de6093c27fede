"""How long to wait before the next try."""

from __future__ import annotations

from random import Random


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
