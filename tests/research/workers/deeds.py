"""What the tests give workers to do: at module level, so that another process finds it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from research.engine.exact import ExactEngine
from research.workers.blocks import Cost, plan
from research.workers.port import Shipped, Workers
from service import settings as settings_
from service.settings import Settings
from tests.support.market import tape
from tests.support.random_tapes import seeded_tape


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


class Decide(NamedTuple):
    """A tape and settings, and a file that is missing until the worker that decides has been killed."""

    tape: Shipped
    settings: tuple[Settings, ...]
    trace: Path


def decide(task: Decide) -> list[dict[str, bytes]]:
    """Decide in two halves, and kill the worker between them if no trace is there; return the files of a replay."""
    half = len(task.settings) // 2
    found = ExactEngine().decide(task.tape.path(), task.settings[:half])
    if not task.trace.exists():
        task.trace.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    found += ExactEngine().decide(task.tape.path(), task.settings[half:])
    return [outcome.files() for outcome in found]


def sweep(workers: Workers, folder: Path, *, kill: bool) -> Iterator[dict[str, bytes]]:
    """Yield what 30 settings decide on two tapes; workers are killed in the middle of every other task."""
    (folder / "made").touch()
    settings = [
        settings_.load(
            given={"strategy.entry_threshold": 0.0002 + 0.00002 * step, "strategy.volatility_guard_threshold": 0},
            environment={},
        )
        for step in range(30)
    ]
    paths = [folder / "a.jsonl", folder / "b.jsonl"]
    for seed, path in enumerate(paths):
        path.write_bytes(tape(seeded_tape(seed, 500)))
    tasks = []
    for number, block in enumerate(plan([Cost(0.0, 0.2)] * 2, len(settings), workers.jobs)):
        trace = folder / (f"killed-{number}" if kill and number % 2 == 0 else "made")
        mine = tuple(settings[place] for place in block.settings)
        tasks.append(Decide(workers.ship(paths[block.tape]), mine, trace))
    for _, files in workers.run(decide, tasks):
        yield from files
