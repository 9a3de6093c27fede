"""A Ray cluster of two workers gives what no workers give, whoever is killed; and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[3]
NUMBERS = range(6)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed here"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the program once for all: starting a cluster takes seconds."""
    folder = tmp_path_factory.mktemp("ray")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.research.workers.on_ray", str(folder / "data")],
        cwd=ROOT,
        env=environment | {"XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=dict[str, Any])  # so Ray wrote nothing there


def test_results_come_in_order_and_once_also_of_tasks_whose_worker_was_killed(found: dict[str, Any]) -> None:
    assert found["squares"] == found["killed"] == [[n, n * n] for n in NUMBERS]
    assert all(tried == 2 if n % 4 == 0 else tried >= 1 for n, tried in enumerate(found["tried"]))


def test_a_sweep_is_the_bytes_of_one_job_also_when_workers_are_killed(found: dict[str, Any]) -> None:
    assert found["joined"]["same"]
    assert found["joined"]["kills"] == 2


def test_errors_come_in_order_and_a_task_that_ends_every_worker_is_named(found: dict[str, Any]) -> None:
    assert found["raised"] == [[0, 0], [1, 2], "5 is odd"]
    assert found["lost"][:-1] == [[0, 0], [1, 1], [2, 2]]
    assert found["lost"][-1].startswith("task 4 lost its worker 3 times")


def test_its_user_is_warned_and_nothing_is_left(found: dict[str, Any]) -> None:
    (sentence,) = found["said"]
    assert sentence.startswith("Ray listens on all interfaces of this machine")
    assert (found["folders"], found["folders_left"]) == (1, 0)


def test_nobody_joins_without_its_token(found: dict[str, Any]) -> None:
    assert "cannot be used (is its token in RAY_AUTH_TOKEN" in found["other_token"]


def test_a_file_is_copied_once_to_a_machine_of_a_cluster_that_was_there(found: dict[str, Any]) -> None:
    assert found["here"]  # and not at all where all see the same disk
    joined = found["joined"]
    assert joined["jobs"] == 2  # all that the cluster has
    assert joined["sizes"] == [joined["size"]] * 6
    (place,) = joined["places"]
    kept = Path(place)
    assert kept.name == "tape.jsonl"
    assert kept.read_bytes() == bytes(range(256)) * 300_000
    assert not list(kept.parent.glob("tmp*"))
