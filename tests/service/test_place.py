"""place: which data folder a command uses that is told none, and where its logs go."""

from __future__ import annotations

import sys
from pathlib import Path

import platformdirs
import platformdirs.macos
import platformdirs.unix
import platformdirs.windows
import pytest

from service.data_folder import JOURNAL, place
from tests.support.live import microbot
from tests.support.shared import ROOT


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this user's programs, and a current folder in which nothing is."""
    monkeypatch.delenv(place.VARIABLE)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOCALAPPDATA", str(home))
    for name in ("DATA", "STATE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return home


def test_data_and_logs_are_in_the_system_s_folders_from_wherever_one_starts(system: Path) -> None:
    found = place.usual()
    assert found.data.is_relative_to(system)
    assert place.logs_of(found.data).is_relative_to(system)
    assert list(Path.cwd().iterdir()) == []


def test_data_beside_us_wins_where_it_holds_a_journal(system: Path) -> None:
    Path("data").mkdir()
    assert place.usual().data.is_relative_to(system)  # of any other program's
    (Path("data") / JOURNAL).touch()
    assert place.usual().data == Path("data")
    assert str(Path.cwd()) in place.usual().why
    assert place.logs_of(Path("data")) == Path("logs")


def test_in_its_own_checkout_a_bot_keeps_its_data_there(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(place, "JOURNAL", "no such file")  # a bot of the developer's may have run here
    assert place.usual().data == Path("data")
    monkeypatch.chdir(ROOT / "tests")
    assert place.usual().data.is_relative_to(system)


def test_the_environment_says_which_folder_before_all_else(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("data").mkdir()
    (Path("data") / JOURNAL).touch()
    monkeypatch.setenv(place.VARIABLE, "elsewhere")
    assert place.usual().data == Path("elsewhere")
    assert place.logs_of(Path("elsewhere")) == Path("logs")
    monkeypatch.setenv(place.VARIABLE, "")  # a variable that was not set
    assert place.usual().data == Path("data")


@pytest.mark.parametrize("module", [platformdirs.unix.Unix, platformdirs.macos.MacOS, platformdirs.windows.Windows])
def test_each_system_has_a_folder_for_data_and_another_for_logs(
    module: type, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "PlatformDirs", module)
    by_variables = platformdirs.windows.get_win_folder_from_env_vars  # what asks Windows itself works only there
    monkeypatch.setattr(platformdirs.windows, "get_win_folder", by_variables)
    data = place.usual().data
    logs = place.logs_of(data)
    assert data.is_absolute()
    assert logs.is_absolute()
    assert data != logs
    assert "microbot" in data.parts
    assert "microbot" in [part.lower() for part in logs.parts]


@pytest.mark.skipif(sys.platform == "win32", reason="HOME and XDG are POSIX")
def test_a_run_leaves_nothing_in_the_folder_that_it_was_started_in(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    folders = {"XDG_DATA_HOME": str(home / "d"), "XDG_STATE_HOME": str(home / "s")}
    environment = {"HOME": str(home), place.VARIABLE: "", **folders}
    done = microbot("run", "--duration", "0.5", cwd=here, **environment)
    assert done.returncode == 0, done.stderr
    assert list(here.iterdir()) == []
    assert (home / "d" / "microbot" / JOURNAL).is_file()
    assert (home / "s" / "microbot" / "log" / "microbot.jsonl").is_file()
    assert f"data: {home / 'd' / 'microbot'}" in done.stderr
    listed = microbot("sessions", "--json", cwd=here, **environment)
    assert listed.stdout.count("\n") == 1
    logged = microbot("logs", "--json", cwd=here, **environment)
    assert "session.ended" in logged.stdout
