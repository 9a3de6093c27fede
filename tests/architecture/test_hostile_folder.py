"""Nothing that lies in the folder in which a command is given is imported in place of what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bots import STORIES
from tests.support.live import Bot, microbot
from tests.support.shared import ROOT

MODULES = ("asyncio", "json", "loky", "multiprocessing", "numpy", "signal", "uvloop")
PACKAGES = ("actors", "microbot", "mock_exchange", "pipeline", "research", "service", "web")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder in which each module says that it was imported."""
    folder = tmp_path / "here"
    folder.mkdir()
    said = f"open({str(tmp_path / 'imported')!r}, 'a').write(__file__ + '\\n')\n"
    for name in MODULES:
        (folder / f"{name}.py").write_text(said, "utf-8")
    for name in PACKAGES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(said, "utf-8")
    return folder


def imported(folder: Path) -> str:
    found = folder.parent / "imported"
    return found.read_text("utf-8") if found.exists() else ""


SHORT = ("--write-tape", "tape.jsonl", "--seconds", "120")


def test_a_run_with_its_exchange_and_its_dashboard(hostile: Path) -> None:
    with Bot(hostile, *STORIES, PYTHONPATH="") as bot:
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        status, said = bot.get("/api/decision?id=1/999999")  # asked of a process of its own
        assert (status, "no decision" in said["error"]) == (404, True), said
        bot.stop()
    assert imported(hostile) == ""


def test_a_demo(hostile: Path) -> None:
    done = microbot("demo", "--port", "0", "--duration", "1", cwd=hostile, PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    assert imported(hostile) == ""


@pytest.mark.slow
def test_the_workers_of_a_sweep(hostile: Path) -> None:
    assert microbot("exchange", *SHORT, cwd=hostile, PYTHONPATH="").returncode == 0
    assert microbot("replay", "tape.jsonl", cwd=hostile, PYTHONPATH="").returncode == 0
    options = ("--param", "strategy.stop_loss=0.0005,0.001", "--engine", "exact", "--jobs", "2", "--windows", "1")
    done = microbot("sweep", "tape.jsonl", *options, cwd=hostile, PYTHONPATH="")
    assert "kept: " in done.stderr, done.stderr
    assert imported(hostile) == ""


def test_every_python_that_is_started_leaves_the_current_folder_alone() -> None:
    """A module is named after `-P`, wherever the rooms start a Python."""
    starts = []
    for room in PACKAGES:
        for path in (ROOT / room).rglob("*.py"):
            starts += [line.strip() for line in path.read_text("utf-8").splitlines() if "sys.executable, " in line]
    started = [line for line in starts if '"-' in line]
    assert len(started) >= 2
    assert [line for line in started if '(sys.executable, "-P", "-m",' not in line] == []
