"""Workers of this machine: none besides the caller, threads, or processes that loky keeps."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from research.workers.port import AHEAD, ATTEMPTS, Here, WorkerLost, in_order
from service.extras import needed

T = TypeVar("T")
R = TypeVar("R")

_ORPHANED_S = 1.0  # between looks whether the process that started a worker is still there
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
"""A worker is one of as many as there are cores: libraries are not to start threads for each core in each."""
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""A worker finds its modules where its caller does, and not first in the folder that it is started in."""


class Serial:
    """No worker but the caller."""

    name = "serial"
    jobs = 1

    def ship(self, path: Path) -> Here:
        """Return the file as it is."""
        return Here(path)

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Do one task after the other, each when it is asked for."""
        for position, task in enumerate(tasks):
            yield position, function(task)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to end."""


class _Job:
    """One task on its way to a thread."""

    def __init__(self, position: int, function: Callable[[Any], Any], task: Any) -> None:
        self.position = position
        self.function = function
        self.task = task
        self.future: Future[Any] = Future()


class Threads:
    """Threads of this process: for functions that let go of the interpreter's lock, as compiled kernels do.

    They are daemons, so that Ctrl-C ends the process at once and not when a kernel comes back.
    """

    name = "threads"

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = 0
        self._closed = False

    def ship(self, path: Path) -> Here:
        """Return the file as it is: all see the same disk."""
        return Here(path)

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """See Workers.run."""

        def submit(position: int) -> Future[R]:
            job = _Job(position, function, tasks[position])
            self._jobs.put(job)
            return job.future

        self._start(min(self.jobs, len(tasks)))
        return in_order(submit, len(tasks), 2 * self.jobs, AHEAD * self.jobs, Future.cancel)

    def _start(self, threads: int) -> None:
        if self._closed:
            raise RuntimeError("these workers were ended")
        while self._threads < threads:
            number = self._threads
            self._threads += 1
            threading.Thread(target=self._work, args=(number,), name=f"worker-{number}", daemon=True).start()

    def _work(self, number: int) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                result = self._call(number, job)
            except BaseException as error:  # the caller's, when it is its turn
                job.future.set_exception(error)
            else:
                job.future.set_result(result)
            del job

    def _call(self, number: int, job: _Job) -> Any:
        return job.function(job.task)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the threads end when they are done with what they do; nobody waits for them."""
        self._closed = True
        for _ in range(self._threads):
            self._jobs.put(None)


class Processes(Threads):
    """Processes of this machine: for Python code, and whatever may crash.

    Each is a pool of one that loky keeps, with a thread here that waits for it: so the end of a process is the loss
    of exactly the task that it had, which a new one then does.
    """

    name = "processes"

    def __init__(self, jobs: int) -> None:
        super().__init__(jobs)
        with needed("more than one job (--jobs) needs"):
            import loky
            from loky.process_executor import BrokenProcessPool, TerminatedWorkerError
        self._loky: Any = loky
        self._lost: type[Exception] = TerminatedWorkerError
        self._broken: type[Exception] = BrokenProcessPool
        self._lock = threading.Lock()
        self._pools: dict[int, Any] = {}

    def _call(self, number: int, job: _Job) -> Any:
        for _ in range(ATTEMPTS):
            try:
                return self._pool(number).submit(job.function, job.task).result()
            except self._lost:
                self._drop(number)
                if self._closed:
                    raise
            except self._broken:  # a task that cannot be unpickled, which another worker could do no better
                self._drop(number)
                raise
        raise WorkerLost(job.position)

    def _pool(self, number: int) -> Any:
        """Return the pool of one that belongs to a thread, started if need be."""
        with self._lock:
            if self._closed:
                raise self._broken("these workers were ended")
            if number not in self._pools:
                self._pools[number] = self._loky.ProcessPoolExecutor(
                    max_workers=1,
                    timeout=None,
                    initializer=_begin_worker,
                    initargs=(os.getpid(),),
                    env=_ONE_THREAD | _SAFE_PATH,
                )
            return self._pools[number]

    def _drop(self, number: int) -> None:
        with self._lock:
            pool = self._pools.pop(number, None)
        if pool is not None:
            pool.shutdown(wait=False, kill_workers=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the processes, and wait until they are gone."""
        with self._lock:
            super().__exit__(kind, error, trace)
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.shutdown(wait=False, kill_workers=True)
        for pool in pools:
            pool.shutdown(wait=True, kill_workers=True)


def _begin_worker(parent: int) -> None:
    """Leave Ctrl-C to the process that started this one, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_ORPHANED_S)
    os._exit(1)
