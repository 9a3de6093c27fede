"""The shrinker: of the faults of a seed that fails, the few that it takes, and the shortest time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
from loguru import logger

from simulation.broken import Broken
from simulation.chance import Occurrence
from simulation.world import World


class Failure(msgspec.Struct, frozen=True):
    """What a seed came to that does not pass."""

    seed: int
    rule: str  # of docs/SIMULATION.md, or the name of an exception
    sentence: str
    seconds: float  # of the market until it failed
    minutes: float  # that the run was meant to take, with faults
    occurred: tuple[Occurrence, ...]  # faults until then


def attempt(seed: int, minutes: float, only: Sequence[str] | None = None) -> tuple[World, Failure | None]:
    """Run a seed; return its world, and what failed if something did."""
    world = World(seed, only=only)
    try:
        world.run(minutes * 60)
    except Broken as broken:
        rule, sentence = broken.rule, str(broken)
    except Exception as error:  # a fault of the program's own fails a seed like any rule
        rule = type(error).__name__
        sentence = f"{rule}: {error}"
    else:
        return world, None
    return world, Failure(seed, rule, sentence, world.seconds, minutes, tuple(world.chance.occurred))


def log_nothing() -> None:
    """Keep what the bot's parts log from the terminal of this process: a run says what it came to."""
    logger.remove()


def verdict(seed: int, minutes: float) -> Failure | None:
    """Run a seed, in whatever process, and return what failed."""
    return attempt(seed, minutes)[1]


class Shrinker:
    """Leaves out as many faults as it can, and as much time, while the same rule fails: delta debugging.

    It stops when `time_is_up`, with the smallest failure found by then.
    """

    def __init__(self, failure: Failure, time_is_up: Callable[[], bool]) -> None:
        self.smallest = failure
        self.tries = 0
        self._time_is_up = time_is_up

    def shrink(self) -> Failure:
        """Return the smallest failure that was found."""
        until = math.ceil(self.smallest.seconds / 6) / 10
        if until < self.smallest.minutes:  # what does not fail is to end soon as well
            self._fails(self._keys(), until)
        kinds: dict[str, list[str]] = {}
        for key in self._keys():
            kinds.setdefault(key.partition(":")[0], []).append(key)
        for kind in sorted(kinds, key=lambda kind: -len(kinds[kind])):  # what happens most often first
            gone = set(kinds[kind])
            self._fails([key for key in self._keys() if key not in gone])
        self._leave_out()
        self._shorten()
        return self.smallest

    def _keys(self) -> list[str]:
        return [occurrence.key for occurrence in self.smallest.occurred]

    def _leave_out(self) -> None:
        """Leave out parts of what is left: halves, quarters, ... at last each fault alone, until none can go."""
        parts = 2
        while (keys := self._keys()) and not self._time_is_up():
            size = max(1, len(keys) // parts)
            chunks = [keys[start : start + size] for start in range(0, len(keys), size)]
            for chunk in chunks:
                gone = set(chunk)
                if self._fails([key for key in keys if key not in gone]):
                    parts = max(parts - 1, 2)
                    break
            else:
                if size == 1:
                    return
                parts = min(parts * 2, len(keys))

    def _shorten(self) -> None:
        """End the faults earlier. A run that fails while they last takes no longer than until it fails."""
        while not self._time_is_up():
            last = max((occurrence.at for occurrence in self.smallest.occurred), default=None)
            world_minutes = self.smallest.minutes
            shorter = min(world_minutes, self.smallest.seconds / 60) / 2
            if last is None or shorter < 1 / 60 or not self._fails(self._keys(), shorter):
                return

    def _fails(self, keys: list[str], minutes: float | None = None) -> bool:
        """Whether these faults break the same rule; then that is the smallest failure."""
        if self._time_is_up():
            return False
        self.tries += 1
        _, failure = attempt(self.smallest.seed, minutes or self.smallest.minutes, keys)
        if failure is None or failure.rule != self.smallest.rule:
            return False
        self.smallest = failure
        return True
