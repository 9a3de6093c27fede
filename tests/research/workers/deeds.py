"""What the tests give workers to do: at module level, so that another process finds it.

Each worker loads it, and there are dozens of them: what only a test needs is in `sweeping.py`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from research.engine.exact import ExactEngine
from research.engine.port import Outcome
from service.settings import Settings


class Work(NamedTuple):
    """A number, and a folder in which the tasks leave traces."""

    number: int
    folder: str


def square(number: int) -> int:
    """Return the square of a number."""
    return number * number


def kind(thing: object) -> str:
    """Return what kind of thing this is."""
    return type(thing).__name__


def where(_: int) -> int:
    """Return the process that does the task."""
    return os.getpid()


def fail_at_odd(number: int) -> int:
    """Fail for odd numbers."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def die_once(work: Work) -> int:
    """Kill the worker the first time that a task with a number that 4 divides is tried; leave a trace each time."""
    trace = Path(work.folder) / f"{work.number}"
    first = not trace.exists()
    with trace.open("a") as file:
        file.write(f"{os.getpid()}\n")
    if first and work.number % 4 == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return work.number * work.number


def die_always(number: int) -> int:
    """Kill the worker that is given 3."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def say_and_hang(work: Work) -> int:
    """Say in a pipe which process this is, and never return; the second time, return at once."""
    trace = Path(work.folder) / "hung"
    if trace.exists():
        return work.number
    trace.touch()
    with (Path(work.folder) / "pipe").open("w") as pipe:
        pipe.write(f"{os.getpid()}\n")
    while True:
        signal.pause()


class Dying(ExactEngine):
    """The exact engine, in a worker that is killed in the middle of two of its tasks."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def decide(self, tape: Path, settings: Sequence[Settings]) -> list[Outcome]:
        """Decide in two halves, and kill the worker between them, unless this task was killed before."""
        half = len(settings) // 2
        found = super().decide(tape, settings[:half])
        trace = self._folder / f"killed-{round(settings[0].strategy.entry_threshold * 1e6)}"
        if half and not trace.exists() and len(list(self._folder.iterdir())) < 2:
            trace.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return found + super().decide(tape, settings[half:])
