"""What all workers have in common: a function, tasks, and the results in the order of the tasks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from service.errors import UserError

T = TypeVar("T")
R = TypeVar("R")

ATTEMPTS = 3
"""Workers that a task may lose, before it is taken for the reason of their end."""
AHEAD = 16
"""Results, for each worker, that may wait for an earlier one: what bounds the memory that they take."""


class WorkerLost(UserError):
    """A task ended each worker that tried it: it is killed for its memory, or it crashes."""

    def __init__(self, position: int) -> None:
        super().__init__(
            f"task {position + 1} lost its worker {ATTEMPTS} times: such a worker was killed, most often because "
            "memory ran out. Use fewer --jobs, or shorter tapes"
        )


class Shipped(Protocol):
    """A file that every worker can read: part of a task in place of its path."""

    def path(self) -> Path:
        """Return where the file is on the machine that asks."""


class Here:
    """A file that is where it was: all workers see the same disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self) -> Path:
        """Return where the file is."""
        return self._path


class Workers(Protocol):
    """A number of workers. As a context manager it ends them, whatever they are doing.

    The function and its tasks are pickled for workers that are other processes, so is what it returns. A task must
    not depend on another, nor on which worker does it.
    """

    name: str
    jobs: int

    def ship(self, path: Path) -> Shipped:
        """Make a file readable by every worker; a cluster copies it once to each machine that needs it."""

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield position and result of each task, in the order of the tasks, each as soon as all before it are known.

        Each task is in the results once, also where a worker was killed while it had it. What the function raises
        is raised here, when it is the turn of that task: so errors too are the same for any number of workers.

        Raises:
            WorkerLost: A task ended every worker that tried it.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


_LOOK_S = 0.5
"""Seconds that nobody waits longer than at once: a Ctrl-C that comes just before a wait does not end it."""


def in_order(
    submit: Callable[[int], Future[R]], count: int, in_flight: int, ahead: int, cancel: Callable[[Future[R]], Any]
) -> Iterator[tuple[int, R]]:
    """Yield the results of `count` tasks in their order.

    `submit(position)` begins a task; at most `in_flight` are begun and unfinished, and at most `ahead` begun and not
    yet yielded. When the caller stops early, or one of them raised, `cancel` is called for those that are left.
    """
    waiting: deque[Future[R]] = deque()  # from the one that is yielded next
    running: set[Future[R]] = set()
    begun = 0
    try:
        for position in range(count):
            while True:
                running = {future for future in running if not future.done()}
                while begun < count and len(running) < in_flight and len(waiting) < ahead:
                    future = submit(begun)
                    begun += 1
                    waiting.append(future)
                    running.add(future)
                if waiting[0].done():
                    break
                wait(running, _LOOK_S, FIRST_COMPLETED)
            yield position, waiting.popleft().result()
    finally:
        for future in waiting:
            cancel(future)
