"""Which workers a command gets: what `--on` and `--jobs` say, and what the engine is good for."""

from __future__ import annotations

import os

from research.workers.local import Processes, Serial, Threads
from research.workers.port import Workers
from service.errors import UserError

KNOWN = "serial, threads, processes"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_of(on: str | None, jobs: int | None = None, engine: str = "exact") -> Workers:
    """Return the workers for a command; they end with its `with`.

    `on` is `serial`, `threads` or `processes`; without it the engine decides: threads for the compiled one, which
    lets go of the interpreter's lock, processes for the exact one. `jobs` is their number, without it one for each
    core. Results are the same for every choice.

    Raises:
        UserError: Something else is asked for, or what it needs is not installed.
    """
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs wants 1 or more, not {jobs}")
    number = jobs or cores()
    if on is None:
        on = "serial" if number == 1 else "threads" if engine == "compiled" else "processes"
    if on == "serial":
        return Serial()
    if on == "threads":
        return Threads(number)
    if on == "processes":
        return Processes(number)
    raise UserError(f"--on wants one of {KNOWN}, not {on!r}")
