"""Who may import whom. The contracts are in pyproject.toml; here they are kept, and shown to bite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("microbot", "pipeline", "actors", "mock_exchange", "web", "service", "research", "simulation", "bench")

# Each is an import that one contract must refuse: the room, and what a module in it would import.
FORBIDDEN = [
    ("pipeline", "actors"),
    ("pipeline", "web"),
    ("pipeline", "service"),
    ("pipeline", "mock_exchange"),
    ("pipeline", "aiohttp"),
    ("pipeline", "asyncio"),
    ("pipeline", "loguru"),
    ("pipeline", "random"),
    ("pipeline", "socket"),
    ("pipeline", "sqlite3"),
    ("pipeline", "threading"),
    ("pipeline", "time"),
    ("pipeline", "urllib.request"),
    ("pipeline", "websockets.asyncio.client"),
    ("actors", "web"),
    ("actors", "service"),
    ("actors", "mock_exchange"),
    ("web", "service"),
    ("web", "mock_exchange"),
    ("mock_exchange", "pipeline"),
    ("mock_exchange", "actors"),
    ("mock_exchange", "web"),
    ("mock_exchange", "service"),
    ("service", "research"),
    ("service", "simulation"),
    ("service", "bench"),
    ("research", "simulation"),
    ("research", "bench"),
    ("simulation", "bench"),
    ("bench", "simulation"),
    ("service.doctor", "service.cli"),
    ("service.live", "service.doctor"),
    ("service.recorded", "service.live"),
    ("service.recorded", "service.journal_views"),
    ("service.journal_views", "service.live"),
    ("service.journal_views", "service.recorded"),
    ("service.data_folder", "service.live"),
    *((room, "microbot") for room in ("pipeline", "actors", "mock_exchange", "web", "service", "research")),
]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the rooms that lie in `folder`, not those that are installed."""
    # Its own output folds long lines to the terminal's width, and a folded line cannot be searched for.
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy of the rooms in which every forbidden import is there once."""
    copy = tmp_path_factory.mktemp("broken")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "static"))
    for room, target in FORBIDDEN:
        intruder = copy / room.replace(".", "/") / f"intruder_{target.replace('.', '_')}.py"
        intruder.write_text(f"import {target}\n", encoding="utf-8")
    result = lint_imports(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout


def test_the_rooms_import_only_whom_they_may() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("room", "target"), FORBIDDEN)
def test_a_forbidden_import_is_named(broken: str, room: str, target: str) -> None:
    shown = target if target.startswith("service.") else target.partition(".")[0]  # of what is not ours, the package
    assert f"{room}.intruder_{target.replace('.', '_')} -> {shown} " in broken


def test_a_module_of_the_service_that_has_no_place_is_named(broken: str) -> None:
    assert "\n- service.intruder_simulation\n" in broken  # in the list of those that are in no layer
