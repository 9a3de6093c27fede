"""The same results from any workers, in order and each once, whatever is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from research.engine.exact import ExactEngine
from research.workers.choice import workers_of
from research.workers.local import Processes, Serial, Threads
from research.workers.port import AHEAD, ATTEMPTS, WorkerLost, Workers
from service.data_folder import running
from service.errors import UserError
from tests.research.workers import deeds
from tests.research.workers.sweeping import sweep

ROOT = Path(__file__).resolve().parents[3]
KINDS = [("serial", 1), ("threads", 1), ("threads", 3), ("processes", 1), ("processes", 2)]


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    with workers_of(*request.param) as workers:
        yield workers


def test_results_come_in_the_order_of_the_tasks(workers: Workers) -> None:
    numbers = list(range(40))
    assert list(workers.run(deeds.square, numbers)) == [(n, n * n) for n in numbers]
    assert list(workers.run(deeds.square, [])) == []
    assert list(workers.run(deeds.square, [7])) == [(0, 49)]  # they can be used again


def test_the_first_error_in_order_is_the_one_that_is_raised(workers: Workers) -> None:
    told: list[tuple[int, int]] = []
    with pytest.raises(ValueError, match="5 is odd"):
        told.extend(workers.run(deeds.fail_at_odd, [0, 2, 4, 5, 7, 9, *range(11, 40)]))
    assert told == [(0, 0), (1, 2), (2, 4)]
    assert list(workers.run(deeds.square, [3])) == [(0, 9)]


def test_a_result_is_not_held_back_for_later_ones() -> None:
    later = threading.Event()

    def wait_unless_first(number: int) -> int:
        if number:
            later.wait()
        return number

    with Threads(2) as workers:
        results = workers.run(wait_unless_first, range(4))
        assert next(results) == (0, 0)  # while the others wait
        later.set()
        assert list(results) == [(1, 1), (2, 2), (3, 3)]


def test_later_tasks_go_on_while_the_first_takes_long() -> None:
    last = threading.Event()

    def wait_if_first(number: int) -> int:
        if number == 0:
            last.wait()
        elif number == 9:
            last.set()
        return number

    with Threads(2) as workers:  # would hang if the other nine waited for the first
        assert [result for _, result in workers.run(wait_if_first, range(10))] == list(range(10))


class Counted(Sequence[int]):
    """A million numbers that know which of them was asked for last."""

    last = -1

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, position: int) -> int:  # type: ignore[override]  # nobody slices it
        self.last = max(self.last, position)
        return position


@pytest.mark.parametrize("jobs", [1, 3])
def test_only_so_many_tasks_are_begun_ahead_of_who_reads(jobs: int) -> None:
    tasks = Counted()
    with Threads(jobs) as workers:
        results = workers.run(deeds.square, tasks)
        for position in range(100):
            assert next(results)[0] == position
            assert tasks.last <= position + AHEAD * jobs
        results.close()  # type: ignore[attr-defined]  # as leaving a loop does
        assert list(workers.run(deeds.square, [3])) == [(0, 9)]  # without the tasks that were left


def test_processes_are_others_and_no_more_than_there_are_tasks() -> None:
    with Processes(3) as workers:
        found = {pid for _, pid in workers.run(deeds.where, [1])}
    assert len(found) == 1
    assert os.getpid() not in found


def test_tasks_of_killed_workers_are_done_again(tmp_path: Path) -> None:
    tasks = [deeds.Work(number, str(tmp_path)) for number in range(10)]
    with Processes(2) as workers:
        results = list(workers.run(deeds.die_once, tasks))
    assert results == [(n, n * n) for n in range(10)]
    tried = {n: len((tmp_path / str(n)).read_text().split()) for n in range(10)}
    assert tried == {n: 2 if n % 4 == 0 else 1 for n in range(10)}  # nothing but what was lost


def test_a_sweep_is_the_same_bytes_for_any_number_of_jobs_also_when_workers_are_killed(tmp_path: Path) -> None:
    alone = sweep(tmp_path, ExactEngine(), "serial", 1)
    (tmp_path / "traces").mkdir()
    assert sweep(tmp_path, deeds.Dying(tmp_path / "traces"), "processes", 2) == alone
    assert len(list((tmp_path / "traces").iterdir())) == 2


def test_a_compiled_sweep_is_the_same_bytes_from_threads(tmp_path: Path) -> None:
    alone = sweep(tmp_path, None, "serial", 1)
    assert sweep(tmp_path, None, "threads", 4) == alone


def test_a_worker_that_is_killed_from_outside_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def kill() -> None:
        with (tmp_path / "pipe").open() as pipe:
            os.kill(int(pipe.readline()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with Processes(2) as workers:
        results = list(workers.run(deeds.say_and_hang, [deeds.Work(n, str(tmp_path)) for n in range(6)]))
    killer.join()
    assert results == [(n, n) for n in range(6)]


def test_a_task_that_ends_every_worker_is_named() -> None:
    told: list[tuple[int, int]] = []
    with Processes(2) as workers:
        with pytest.raises(WorkerLost, match=f"task 4 lost its worker {ATTEMPTS} times"):
            told.extend(workers.run(deeds.die_always, range(8)))
        assert list(workers.run(deeds.square, [3])) == [(0, 9)]
    assert told == [(0, 0), (1, 1), (2, 2)]


def test_what_cannot_be_pickled_is_no_lost_worker() -> None:
    with Processes(2) as workers, pytest.raises(Exception, match="pickle") as raised:
        list(workers.run(deeds.kind, [threading.Lock()]))
    assert not isinstance(raised.value, WorkerLost)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_ctrl_c_ends_everything_at_once(kind: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.research.workers.endless", kind],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as program:
        assert program.stdout is not None
        pids = {int(program.stdout.readline()) for _ in range(2)}
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, errors = program.communicate()
    assert program.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1  # workers have nothing to say
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert not any(_lives(pid) for pid in pids)


def test_workers_end_when_who_started_them_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.research.workers.endless", "processes"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        for _ in range(2):
            program.stdout.readline()
        program.kill()
        assert program.stdout.read() == ""  # at the end of the last that holds the pipe


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_engine_chooses_where_nobody_does() -> None:
    assert isinstance(workers_of(None, 1, "exact"), Serial)
    assert isinstance(workers_of(None, 2, "exact"), Processes)
    assert isinstance(workers_of(None, 2, "compiled"), Threads)


def test_no_cluster_listens_beside_a_bot(tmp_path: Path) -> None:
    with running.claim(tmp_path), pytest.raises(UserError, match=r"a bot runs on .*: no Ray cluster is started beside"):
        workers_of("ray", 2, data_dir=tmp_path)


def test_an_address_that_is_none_or_where_nobody_listens_is_said() -> None:
    for wrong in ("host:", "host:0", "host:70000", "http://host:1", "ray://host"):
        with pytest.raises(UserError, match="is no address of a Ray cluster: HOST:PORT, or ray://HOST:PORT"):
            workers_of(wrong)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
        where = f"ray://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no Ray cluster answers at {where}: Connection refused"):
            workers_of(where)


def test_ray_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_AUTH_MODE", "")  # set, and set back
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    with pytest.raises(UserError, match=r"pip install 'microbot-trading\[research,ray\]'"):
        workers_of("ray", 2, data_dir=tmp_path)


def test_wrong_choices_are_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--jobs wants 1 or more, not 0"):
        workers_of(None, 0)
    with pytest.raises(UserError, match=r"--on wants serial, threads, processes.*not 'cloud'"):
        workers_of("cloud")
    monkeypatch.setitem(sys.modules, "loky", None)
    with pytest.raises(UserError, match=r"pip install 'microbot-trading\[research\]'"):
        workers_of("processes", 2)
