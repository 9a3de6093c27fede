"""What only some systems have is asked for by name in few places, and a bot runs without it."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import no_posix
from tests.support.live import PATIENCE_S, Bot, microbot
from tests.support.shared import ROOT

ROOMS = ("microbot", "pipeline", "actors", "mock_exchange", "web", "service", "research")
MODULES = {*no_posix.POSIX_ONLY, "msvcrt", "winreg", "_winapi"}
FUNCTIONS = {f"{module.__name__}.{name}" for module, names in no_posix.NO_FUNCTIONS.items() for name in names}
SIGNALS = {f"signal.{name}" for name in no_posix.NO_SIGNALS}


def sources() -> Iterator[Path]:
    for room in ROOMS:
        yield from (ROOT / room).rglob("*.py")


def imported_at_once(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports when it is imported itself, but in a `try` that expects that to fail."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def used(tree: ast.AST) -> Iterator[str]:
    """Yield names such as `os.getuid`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def test_no_module_imports_at_once_what_some_system_lacks() -> None:
    found = {
        str(path.relative_to(ROOT)): set(imported_at_once(ast.parse(path.read_text("utf-8")))) for path in sources()
    }
    assert {path: names & MODULES for path, names in found.items() if names & MODULES} == {}


def test_what_only_posix_has_is_used_where_another_way_is_beside_it() -> None:
    """Each of these files asks which system it is on; `test_a_bot_runs_without_...` shows that it does."""
    found = {str(path.relative_to(ROOT)): set(used(ast.parse(path.read_text("utf-8")))) for path in sources()}
    posix = {path: names & (FUNCTIONS | SIGNALS) for path, names in found.items() if names & (FUNCTIONS | SIGNALS)}
    assert posix == {
        "service/deployment/host.py": {"os.geteuid"},
        "service/doctor/machine.py": {"os.getuid"},
        "service/live/control.py": {"signal.SIGUSR1", "signal.pthread_kill", "signal.sigwaitinfo"},
        "service/live/stopping.py": {"signal.SIGHUP"},
        "service/outlet.py": {"signal.pthread_sigmask"},
        "service/private_files.py": {"os.getuid"},
    }
    for path in posix:
        assert {"sys.platform", "os.name"} & found[path], path


@pytest.fixture
def windows(tmp_path: Path) -> dict[str, str]:
    """The environment in which every Python lacks what Windows lacks."""
    (tmp_path / "sitecustomize.py").write_text("from tests.support.no_posix import begin\nbegin()\n")
    return {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}


def test_a_bot_runs_without_what_only_posix_has(tmp_path: Path, windows: dict[str, str]) -> None:
    folder = tmp_path / "bot"
    folder.mkdir()
    with Bot(folder, **windows) as bot:
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        paused = microbot("pause", cwd=folder, **windows)
        assert paused.stdout.startswith("pause: "), paused.stderr
        halted = microbot("halt", cwd=folder, **windows)
        assert halted.stdout.startswith("halt: "), halted.stderr
        bot.until(lambda state: state["state"]["state"] == "HALTED")
        assert microbot("run", cwd=folder, **windows).returncode == 1  # one bot a folder
        bot.process.terminate()
        assert bot.process.wait(PATIENCE_S) == 0
    listed = microbot("sessions", "--json", cwd=folder, **windows)
    recording = json.loads(listed.stdout)
    replayed = microbot("replay", folder / "data" / "sessions" / Path(recording["file"]).name, cwd=folder, **windows)
    assert replayed.returncode == 0, replayed.stderr
    assert microbot("doctor", "--json", cwd=folder, **windows).returncode == 0
