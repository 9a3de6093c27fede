"""A Ray cluster of two workers gives what no workers give, whoever is killed; and leaves nothing behind.

It is one test: starting a cluster takes seconds, and tests of one file run in several processes.
"""

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
    pytest.mark.timeout(1800),  # 80 s on a quiet machine, more than 600 at a load of seven on each core
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed here"),
]


def found_by_the_program(folder: Path) -> dict[str, Any]:
    """Run the program that starts a cluster, and has another one join it."""
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


def test_a_cluster_gives_what_no_workers_give_and_leaves_nothing(tmp_path: Path) -> None:
    found = found_by_the_program(tmp_path)

    # Results come in order and once, also of tasks whose worker was killed.
    assert found["squares"] == found["killed"] == [[n, n * n] for n in NUMBERS]
    assert all(tried == 2 if n % 4 == 0 else tried >= 1 for n, tried in enumerate(found["tried"]))

    # A sweep is the bytes of one job, also when workers are killed.
    joined = found["joined"]
    assert joined["same"]
    assert joined["kills"] == 2

    # Errors come in order, and a task that ends every worker is named.
    assert found["raised"] == [[0, 0], [1, 2], "5 is odd"]
    assert found["lost"][:-1] == [[0, 0], [1, 1], [2, 2]]
    assert found["lost"][-1].startswith("task 4 lost its worker 3 times")

    # Its user is warned, nothing is left, and nobody joins without its token.
    (sentence,) = found["said"]
    assert sentence.startswith("Ray listens on all interfaces of this machine")
    assert (found["folders"], found["folders_left"]) == (1, 0)
    assert "cannot be used (is its token in RAY_AUTH_TOKEN" in found["other_token"]

    # A file is copied once to a machine of a cluster that was there, and not at all where all see the same disk.
    assert found["here"]
    assert joined["jobs"] == 2  # all that the cluster has
    assert joined["sizes"] == [joined["size"]] * 6
    (place,) = joined["places"]
    kept = Path(place)
    assert kept.name == "tape.jsonl"
    assert kept.read_bytes() == bytes(range(256)) * 300_000
    assert not list(kept.parent.glob("tmp*"))
