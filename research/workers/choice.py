"""Which workers a command gets: what `--on` and `--jobs` say, and what the engine is good for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from research.workers import cluster
from research.workers.local import Processes, Serial, Threads
from research.workers.port import Workers
from service.errors import UserError

KNOWN = ("serial", "threads", "processes", "ray")
"""What `--on` may be, besides the address of a Ray cluster."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_of(
    on: str | None = None,
    jobs: int | None = None,
    engine: str = "exact",
    data_dir: Path = Path("data"),
    say: Callable[[str], object] = lambda sentence: None,
) -> Workers:
    """Return the workers for a command, to be used in a `with`. Results are the same for every choice.

    `on` is `serial`, `threads`, `processes`, `ray` for a Ray cluster of this machine, `HOST:PORT` for one that this
    machine belongs to, or `ray://HOST:PORT` for one that it does not. Without it the engine decides: threads for the
    compiled one, which lets go of the interpreter's lock, processes for the exact one. `jobs` is how many work at a
    time, without it one for each core (of the cluster). A bot that runs on `data_dir` forbids `ray`; `say` is told
    what its user should know.

    Raises:
        UserError: Something else is asked for, what it needs is not installed, or no cluster answers.
    """
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs wants 1 or more, not {jobs}")
    if on is not None and ":" in on:
        return cluster.at(on, jobs)
    number = jobs or cores()
    if on is None:
        on = "serial" if number == 1 else "threads" if engine == "compiled" else "processes"
    if on == "serial":
        return Serial()
    if on == "threads":
        return Threads(number)
    if on == "processes":
        return Processes(number)
    if on == "ray":
        return cluster.local(number, data_dir, say)
    raise UserError(f"--on wants {', '.join(KNOWN)} or HOST:PORT, not {on!r}")
