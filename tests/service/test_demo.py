"""`microbot demo`: a bot with all that belongs to it, which leaves nothing behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from service.cli import main
from tests.support.live import MICROBOT, PATIENCE_S, environment, microbot
from tests.support.webhook import Webhook


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder to be in, and an environment whose temporary files and home are in others."""
    for name in ("here", "temporary", "home"):
        (tmp_path / name).mkdir()
    more = {"TMPDIR": str(tmp_path / "temporary"), "HOME": str(tmp_path / "home")}
    return tmp_path / "here", environment() | more | {"MICROBOT_DATA_DIR": ""}


def left(here: Path) -> list[Path]:
    return [path for name in ("here", "temporary", "home") for path in (here.parent / name).iterdir()]


def test_a_demo_ends_with_ctrl_c_and_a_summary_and_leaves_nothing(folders: tuple[Path, dict[str, str]]) -> None:
    here, environ = folders
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [str(MICROBOT), "demo", "--port", "0"]
    with (
        Webhook() as owner,
        subprocess.Popen(
            command, cwd=here, env=environ | {"MICROBOT_NOTIFY_URLS": owner.url}, text=True, **options
        ) as demo,
    ):
        assert demo.stderr is not None
        assert demo.stdout is not None
        try:
            said: list[str] = []
            for line in iter(demo.stderr.readline, ""):
                said.append(line)
                if line.startswith("dashboard: "):
                    break
            folder = Path(said[0].rpartition("--data-dir ")[2].rstrip(")\n"))
            assert folder.parent == here.parent / "temporary"
            paused = microbot("pause", "--data-dir", folder, cwd=here)  # the other commands reach it
            assert paused.stdout.startswith("pause: "), paused.stderr
            assert microbot("halt", "--data-dir", folder, cwd=here).returncode == 0
            demo.send_signal(signal.SIGINT)
            summary, _ = demo.communicate(timeout=PATIENCE_S)
        finally:
            demo.kill()
        assert owner.messages == []  # what has a demo to do with the owner's phone
    assert demo.returncode == 0
    assert json.loads(summary)["open_positions"] == 0
    assert left(here) == []


def test_a_demo_beside_a_bot_takes_another_port(folders: tuple[Path, dict[str, str]]) -> None:
    here, environ = folders
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", 8080))
        except OSError:
            pass  # another bot has it, which is as good
        else:
            other.listen()
        done = subprocess.run(
            [MICROBOT, "demo", "--duration", "0.5"],
            cwd=here, env=environ, timeout=PATIENCE_S, check=False, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    address = next(line for line in done.stderr.splitlines() if line.startswith("dashboard: "))
    assert not address.endswith(":8080")
    assert left(here) == []


def test_a_duration_that_is_none_is_refused_and_leaves_nothing(folders: tuple[Path, dict[str, str]]) -> None:
    here, environ = folders
    done = microbot("demo", "--duration", "-1", cwd=here, **environ)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert left(here) == []


def test_without_a_temporary_folder_a_demo_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(SystemExit) as ended:
        main(["demo"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("microbot: a temporary folder cannot be written: ")
