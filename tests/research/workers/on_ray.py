"""A program with a Ray cluster of two workers: `python -m tests.research.workers.on_ray DATA_DIR [ADDRESS]`.

It says as JSON what it found. By itself it starts the cluster; with an address it is somebody else who joins it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from research.engine.exact import ExactEngine
from research.workers.choice import workers_of
from research.workers.port import Shipped, WorkerLost, Workers
from tests.research.workers import deeds
from tests.research.workers.sweeping import sweep

NUMBERS = range(6)


def starts() -> dict[str, Any]:
    """Do everything on a cluster that is started for it."""
    said: list[str] = []
    before = set(Path(tempfile.gettempdir()).glob("microbot-ray-*"))
    with workers_of("ray", 2, data_dir=Path(sys.argv[1]), say=said.append) as workers:
        found = alike(workers)
        import ray

        address = ray.get_runtime_context().gcs_address
        folders = len(set(Path(tempfile.gettempdir()).glob("microbot-ray-*")) - before)
        found |= {"said": said, "folders": folders, "other_token": _join(address, RAY_AUTH_TOKEN="x" * 32).decode()}
        found["joined"] = msgspec.json.decode(_join(address))
    found["folders_left"] = len(set(Path(tempfile.gettempdir()).glob("microbot-ray-*")) - before)
    return found


def joins(address: str) -> dict[str, Any]:
    """Do what is different on a cluster that was there, which might be of other machines."""
    swept = sweeps(address)
    with workers_of(address) as workers, tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "tape.jsonl"
        tape.write_bytes(bytes(range(256)) * 300_000)  # more than one chunk
        shipped = [workers.ship(tape) for _ in range(6)]
        copies = [result for _, result in workers.run(size_and_place, shipped)]
        found = swept | {"jobs": workers.jobs, "size": tape.stat().st_size}
        return found | {"sizes": [size for size, _ in copies], "places": sorted({place for _, place in copies})}


def alike(workers: Workers) -> dict[str, Any]:
    """Do what any workers do."""
    with tempfile.TemporaryDirectory() as folder:
        squares = list(workers.run(deeds.square, NUMBERS))
        killed = list(workers.run(deeds.die_once, [deeds.Work(number, folder) for number in NUMBERS]))
        tried = [len((Path(folder) / str(number)).read_text().split()) for number in NUMBERS]
    lost: list[Any] = []
    try:
        lost.extend(workers.run(deeds.die_always, range(8)))
    except WorkerLost as error:
        lost.append(str(error))
    raised: list[Any] = []
    try:
        raised.extend(workers.run(deeds.fail_at_odd, [0, 2, 5, 7, *NUMBERS]))
    except ValueError as error:
        raised.append(str(error))
    here = workers.ship(Path(__file__)).path() == Path(__file__)
    return {"squares": squares, "killed": killed, "tried": tried, "lost": lost, "raised": raised, "here": here}


def sweeps(address: str) -> dict[str, Any]:
    """Sweep alone, and on the cluster with workers that are killed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = sweep(folder, ExactEngine(), "serial", 1)
        (folder / "traces").mkdir()
        with_kills = sweep(folder, deeds.Dying(folder / "traces"), address, 2)
        return {"same": with_kills == alone, "kills": len(list((folder / "traces").iterdir()))}


def size_and_place(shipped: Shipped) -> tuple[int, str]:
    """Return how large a copy is and where it lies."""
    path = shipped.path()
    return path.stat().st_size, str(path)


def _join(address: str, **environment: str) -> bytes:
    """Run this program again, to join the cluster; return what it said, or the last line of why it did not."""
    command = [sys.executable, "-m", "tests.research.workers.on_ray", sys.argv[1], address]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


if __name__ == "__main__":
    report = joins(sys.argv[2]) if len(sys.argv) > 2 else starts()
    sys.stdout.buffer.write(msgspec.json.encode(report))
