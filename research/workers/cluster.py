"""Workers of a Ray cluster, one of this machine or one of many; Ray does all of the work of being one.

Ray moves functions and results, starts workers, notices that one died and gives its task to another. What is here is
what it leaves to its users: which cluster, whether its machines have the same version as this one, files that are
copied once, and sentences in place of its errors.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from research.workers.port import AHEAD, ATTEMPTS, Here, Shipped, WorkerLost, in_order
from research.workers.shipping import Copied, chunks_of, digest_of
from service.data_folder import running
from service.errors import UserError
from service.extras import install, needed
from service.version import VERSION

T = TypeVar("T")
R = TypeVar("R")

ADDRESS = re.compile(r"(?P<client>ray://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+):(?P<port>\d{1,5})")
"""HOST:PORT of a cluster that this machine belongs to, ray://HOST:PORT of one that it does not."""

LISTENS = (
    "Ray listens on all interfaces of this machine while it works; who has neither a way here nor its token (a "
    "new one, or that of RAY_AUTH_TOKEN where it is set) cannot use it"
)
_EXTRAS = ("research", "ray")
_STORE_BYTES = 512 * 2**20  # for results on their way, in a local cluster
_STARTS = 3  # of a local cluster: Ray gives it half a minute each, which on a busy machine is not always enough
_ANSWER_S = 5.0  # for somebody to listen at an address


class Ray:
    """The workers of a Ray cluster. Leaving the context ends a local one, and what is unfinished on another."""

    name = "ray"

    def __init__(self, ray: Any, jobs: int, local: Path | None) -> None:
        """`local` is the folder of a cluster that was started for this."""
        self._ray = ray
        self._local = local
        self.jobs = jobs
        self._said = _silence(ray)
        self._shipped: dict[Path, Shipped] = {}

    def ship(self, path: Path) -> Shipped:
        """Put a file into the cluster, unless it is one of this machine alone; once, however often it is asked."""
        if self._local is not None:
            return Here(path)
        if path not in self._shipped:
            digest = digest_of(path)
            chunks = [self._ray.put(chunk) for chunk in chunks_of(path)]
            self._shipped[path] = Copied(path.name, digest, chunks, _fetch)
        return self._shipped[path]

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """See Workers.run. Raises UserError also if the cluster is gone."""
        errors = self._ray.exceptions
        remote = self._ray.remote(max_retries=ATTEMPTS - 1, num_cpus=1)(function)
        refs: dict[Future[R], Any] = {}

        def submit(position: int) -> Future[R]:
            ref = remote.remote(tasks[position])
            future: Future[R] = ref.future()
            refs[future] = ref
            future.add_done_callback(lambda done: refs.pop(done, None))
            return future

        def cancel(future: Future[R]) -> None:
            if (ref := refs.pop(future, None)) is not None:
                with contextlib.suppress(errors.RayError, ConnectionError):
                    self._ray.cancel(ref, force=True)

        done = 0
        try:
            for position, result in in_order(submit, len(tasks), 2 * self.jobs, AHEAD * self.jobs, cancel):
                yield position, result
                done = position + 1
        except errors.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError):
            raise WorkerLost(done) from None
        except (errors.RaySystemError, errors.OwnerDiedError, ConnectionError) as error:
            raise UserError(f"the Ray cluster is gone: {_first_line(error)}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the cluster; end it and remove its folder if it was started for this."""
        self._shipped.clear()
        self._ray.shutdown()
        _silence(self._ray, self._said)
        if self._local is not None:
            shutil.rmtree(self._local, ignore_errors=True)


def _silence(ray: Any, enabled: bool = False) -> bool:
    """Keep Ray from printing pages on standard output about a worker that it replaces; return whether it did.

    It has no option for that: `log_to_driver` is about what tasks print.
    """
    worker = ray._private.worker
    before: bool = getattr(worker, "_worker_logs_enabled", True)
    worker._worker_logs_enabled = enabled
    return before


def _fetch(chunk: object) -> bytes:
    """Return one piece of a file, on whatever machine this is."""
    found: bytes = importlib.import_module("ray").get(chunk)
    return found


def local(jobs: int, data_dir: Path, say: Callable[[str], object]) -> Ray:
    """Start a cluster of this machine with `jobs` workers, without dashboard, with a new token or RAY_AUTH_TOKEN.

    Raises:
        UserError: Ray is not installed, or a bot runs on the data folder: Ray listens on all interfaces, and takes
            every core that it gets.
    """
    if running.is_claimed(data_dir):
        raise UserError(
            f"a bot runs on {data_dir}: no Ray cluster is started beside it, since that listens on all interfaces. "
            "Leave --on out, or name a cluster of other machines with --on HOST:PORT"
        )
    os.environ["RAY_AUTH_MODE"] = "token"  # before Ray is loaded
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = _ray()
    say(LISTENS)
    with _plain_errors("no local Ray cluster could be started"):
        for _ in range(_STARTS - 1):
            with contextlib.suppress(TimeoutError):
                return _start(ray, jobs)
        return _start(ray, jobs)


def _start(ray: Any, jobs: int) -> Ray:
    """Start a local cluster in a folder of its own. Raises TimeoutError if this machine is too busy for that."""
    folder = Path(tempfile.mkdtemp(prefix="microbot-ray-"))  # a short path: it holds sockets
    try:
        ray.init(
            address="local",
            num_cpus=jobs,
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            log_to_driver=False,
            logging_level="ERROR",
            _temp_dir=str(folder),
        )
    except BaseException as error:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
        if "timed out" in str(error):  # it is a bare Exception
            raise TimeoutError(f"{_first_line(error)} Is this machine busy?") from None
        raise
    return Ray(ray, jobs, folder)


def at(address: str, jobs: int | None) -> Ray:
    """Join the cluster at `HOST:PORT`, of which this machine is one, or `ray://HOST:PORT`, from outside.

    `jobs` bounds how many tasks are there at a time; without it, as many as the cluster has cores.

    Raises:
        UserError: Nothing answers there, it is no cluster that this machine may use, or its machines have another
            version of this package than this one.
    """
    match = ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 2**16:
        raise UserError(f"{address!r} is no address of a Ray cluster: HOST:PORT, or ray://HOST:PORT from outside of it")
    _knock(match["host"].strip("[]"), int(match["port"]), address)
    ray = _ray()
    if match["client"]:
        try:
            importlib.import_module("grpc")
        except ImportError:
            raise UserError(f"{address} needs Ray's client: pip install 'ray[client]'") from None
    try:
        with _plain_errors(
            f"the Ray cluster at {address} cannot be used (is its token in RAY_AUTH_TOKEN, and RAY_AUTH_MODE=token?)"
        ):
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        with _plain_errors(f"the machines of {address} cannot be asked"):
            _compare_versions(ray)
        return Ray(ray, jobs or max(1, int(ray.cluster_resources().get("CPU", 1))), None)
    except BaseException:
        ray.shutdown()
        raise


def _ray() -> Any:
    with needed("--on needs", *_EXTRAS):
        ray = importlib.import_module("ray")
    if ray.is_initialized():
        raise UserError("this process uses Ray already: end that with ray.shutdown() first")
    if tuple(int(part) for part in ray.__version__.split(".")[:2]) < (2, 52):
        raise UserError(f"Ray {ray.__version__} knows no tokens: {install(*_EXTRAS)} --upgrade")
    return ray


def _knock(host: str, port: int, address: str) -> None:
    """See that somebody listens: Ray itself would try for minutes."""
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_S):
            pass
    except OSError as error:
        reason = error.strerror or str(error) or "no answer"
        raise UserError(f"no Ray cluster answers at {address}: {reason}") from None


@contextlib.contextmanager
def _plain_errors(what: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{what}: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    """Return what an error says first: Ray's go on for pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _version() -> str:
    """Return the version of this package, where this runs, and what its code is: one may be installed and changed."""
    from research.sweeps.cells import code_digest

    return f"{VERSION} (code {code_digest()[:8]})"


def _compare_versions(ray: Any) -> None:
    """Ask each machine of the cluster for its version of this package."""
    strategy = importlib.import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    ask = ray.remote(num_cpus=0, max_retries=0)(_version)
    mine = _version()
    asked = {
        str(node["NodeManagerHostname"]): ask.options(scheduling_strategy=strategy(node["NodeID"], soft=False)).remote()
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU")
    }
    for host, answer in asked.items():
        try:
            found = ray.get(answer)
        except (ray.exceptions.RayTaskError, ImportError):
            found = "none"
        if found != mine:
            raise UserError(
                f"{host} of the Ray cluster has microbot-trading {found}, this machine has {mine}: "
                "install the same on all of them"
            )
