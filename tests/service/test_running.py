"""One bot at a time on a data folder, and the commands that find it there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from service.data_folder import running
from service.doctor.bot import judge, look as bot_of
from service.errors import NotNow, UserError
from service.locking import is_locked
from service.version import VERSION
from tests.support.live import PATIENCE_S


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy the machine uses, these tests are about this machine."""
    monkeypatch.setenv("no_proxy", "*")


# ----------------------------------------------------------------------------------------------------- the claim


def test_a_folder_is_made_and_claimed_and_free_again_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "data"
    for _ in range(2):
        with running.claim(folder) as claimed:
            claimed.publish("http://127.0.0.1:1")
            found = running.find(folder)
            assert found is not None
            assert (found.pid, found.dashboard, found.version) == (os.getpid(), "http://127.0.0.1:1", VERSION)
        assert running.find(folder) is None


def test_a_second_claim_is_refused_and_says_who_is_there(tmp_path: Path) -> None:
    with running.claim(tmp_path) as claimed:
        claimed.publish("http://127.0.0.1:1")
        with pytest.raises(NotNow, match="another bot runs on") as refused, running.claim(tmp_path):
            pass
        assert str(os.getpid()) in str(refused.value)
        assert "http://127.0.0.1:1" in str(refused.value)
        assert running.find(tmp_path) is not None  # it took nothing from the first


def test_who_looks_whether_a_bot_runs_is_taken_for_none_and_keeps_none_from_starting(tmp_path: Path) -> None:
    with running.claim(tmp_path):
        pass
    with (tmp_path / "running.lock").open("rb") as looking:
        assert not is_locked(looking.fileno())  # and holds its lock, as `status` does for a moment
        assert not running.is_claimed(tmp_path)
        threading.Timer(0.02, looking.close).start()
        with running.claim(tmp_path):
            assert running.is_claimed(tmp_path)


@pytest.mark.parametrize("look", [running.is_claimed, running.find])
def test_of_a_folder_that_may_not_be_looked_at_nobody_says_that_no_bot_runs(
    look: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UserError, match="cannot be looked at: Permission denied; ask as the user"):
        look(tmp_path)
    assert "cannot be looked at" in judge(bot_of(tmp_path), tmp_path).found


def test_who_comes_after_a_bot_that_was_killed_knows_it_and_who_comes_after_that_does_not(tmp_path: Path) -> None:
    with running.claim(tmp_path) as claimed:
        claimed.publish("http://127.0.0.1:1")
        left = (tmp_path / "running.json").read_bytes()
        killed = running.find(tmp_path)
    (tmp_path / "running.json").write_bytes(left)
    with running.claim(tmp_path):
        assert running.find(tmp_path) is None
        assert running.killed(tmp_path) == killed
    with running.claim(tmp_path):
        assert running.killed(tmp_path) is None


def test_a_second_claim_is_refused_also_before_the_first_one_has_published(tmp_path: Path) -> None:
    with (
        running.claim(tmp_path),
        pytest.raises(UserError, match="another bot runs on"),
        running.claim(tmp_path),
    ):
        pass


def test_a_claim_ends_with_its_process_however_it_ends(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from service.data_folder import running\n"
        "with running.claim(Path(sys.argv[1])) as claimed:\n"
        "    claimed.publish('http://127.0.0.1:1'); print('claimed', flush=True); sys.stdin.read()\n"
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"claimed\n"
        with pytest.raises(UserError, match=str(process.pid)), running.claim(tmp_path):
            pass
        process.kill()
        process.wait(PATIENCE_S)
    assert running.find(tmp_path) is not None  # nobody was left to take it away
    with running.claim(tmp_path):
        pass


def test_what_went_wrong_inside_does_not_keep_the_folder_claimed(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), running.claim(tmp_path) as claimed:
        claimed.publish("http://127.0.0.1:1")
        raise ZeroDivisionError
    assert running.find(tmp_path) is None
    with running.claim(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--data-dir"), running.claim(tmp_path / "file"):
        pass
    with pytest.raises(UserError, match="--data-dir"), running.claim(tmp_path / "file" / "data"):
        pass


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid":"x","dashboard":1}', b"\xff\xfe"], ids=repr)
def test_a_damaged_file_is_no_bot(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "running.json").write_bytes(content)
    assert running.find(tmp_path) is None


# --------------------------------------------------------------------------------------------------- the commands


PAUSED = b'{"changed":true,"answer":"trading is PAUSED now"}'


class Dashboard(HTTPServer):
    """Stands for a bot's dashboard: it remembers the commands, and answers as it is told."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Commands)
        self.status = status
        self.answer = answer
        self.taken: list[tuple[str, str | None, dict[str, Any]]] = []


class _Commands(BaseHTTPRequestHandler):
    server: Dashboard

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def a_dashboard(folder: Path, status: int = 200, answer: bytes = PAUSED) -> Iterator[Dashboard]:
    with Dashboard(status, answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with running.claim(folder) as claimed:
                claimed.publish(f"http://127.0.0.1:{server.server_port}")
                yield server
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)


@contextlib.contextmanager
def a_bot_at(folder: Path, port: int) -> Iterator[None]:
    """A bot that runs, whose dashboard is at a port."""
    with running.claim(folder) as claimed:
        claimed.publish(f"http://127.0.0.1:{port}")
        yield


def test_a_command_goes_to_the_dashboard_of_the_bot_with_its_reason(tmp_path: Path) -> None:
    with a_dashboard(tmp_path) as dashboard:
        assert running.send(tmp_path, "pause", "lunch") == "trading is PAUSED now"
        assert dashboard.taken == [("/api/command", "application/json", {"command": "pause", "reason": "lunch"})]


def test_a_command_without_a_reason_says_where_it_came_from(tmp_path: Path) -> None:
    with a_dashboard(tmp_path) as dashboard:
        running.send(tmp_path, "halt", "")
        assert "terminal" in dashboard.taken[0][2]["reason"]


def test_what_the_bot_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    with (
        a_dashboard(tmp_path, 503, b'{"error":"The bot takes no commands at present."}'),
        pytest.raises(UserError, match=r"^the bot refused pause: The bot takes no commands at present\.$"),
    ):
        running.send(tmp_path, "pause", "")


def test_a_command_of_which_nobody_knows_what_it_did_is_no_success(tmp_path: Path) -> None:
    with (
        a_dashboard(tmp_path, 202, b'{"changed":null,"answer":"sent, but the bot has not answered yet"}'),
        pytest.raises(UserError, match=r"^pause: sent, but the bot has not answered yet$"),
    ):
        running.send(tmp_path, "pause", "")


def test_a_bot_that_died_before_it_answered_has_refused_nothing(tmp_path: Path) -> None:
    told = b'{"error":"the bot stopped before it answered: it may have carried that out."}'
    with (
        a_dashboard(tmp_path, 502, told),
        pytest.raises(UserError, match=r"^pause: the bot stopped"),
    ):
        running.send(tmp_path, "pause", "")


def test_a_dashboard_that_dies_before_it_answers_is_said_to_have_ended(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dying:

        def die() -> None:
            caller, _ = dying.accept()
            with caller:
                caller.recv(1000)

        thread = threading.Thread(target=die)
        thread.start()
        with (
            a_bot_at(tmp_path, dying.getsockname()[1]),
            pytest.raises(UserError, match="ended before it answered: the bot may have carried that out"),
        ):
            running.send(tmp_path, "pause", "")
        thread.join(PATIENCE_S)


def test_a_wish_to_restart_a_strategy_names_its_symbol(tmp_path: Path) -> None:
    with a_dashboard(tmp_path) as dashboard:
        running.send(tmp_path, "restart", "mended", "AAPL")
        assert dashboard.taken[0][2] == {"command": "restart", "reason": "mended", "symbol": "AAPL"}


def test_a_refusal_in_no_words_of_ours_is_told_all_the_same(tmp_path: Path) -> None:
    with a_dashboard(tmp_path, 500, b"<html>"), pytest.raises(UserError, match=r"^the bot refused pause: Internal"):
        running.send(tmp_path, "pause", "")


def test_without_a_bot_a_command_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no bot runs on"):
        running.send(tmp_path, "pause", "")
    with pytest.raises(UserError, match="no bot runs on"):
        running.send(tmp_path / "nowhere", "pause", "")


def test_a_bot_that_was_killed_is_said_to_have_been(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text('{"pid":4711,"dashboard":"http://127.0.0.1:1"}')
    with pytest.raises(UserError, match=r"^no bot runs on .*: that of process 4711 was killed"):
        running.send(tmp_path, "pause", "")


def test_a_bot_without_its_dashboard_is_said_to_have_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with a_bot_at(tmp_path, port), pytest.raises(UserError, match=f"nothing is listening at http://127.0.0.1:{port}: "):
        running.send(tmp_path, "pause", "")


def test_a_bot_that_is_stuck_is_said_to_be_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_ANSWER_S", 0.01)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        a_bot_at(tmp_path, silent.getsockname()[1]),
        pytest.raises(UserError, match=r"does not answer within 0\.01 s"),
    ):
        running.send(tmp_path, "pause", "")


def test_commands_reach_this_machine_past_every_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with a_dashboard(tmp_path) as dashboard:
        running.send(tmp_path, "pause", "")
        assert dashboard.taken


def test_a_new_claim_forgets_a_bot_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text('{"pid":1,"dashboard":"http://127.0.0.1:1"}')
    with running.claim(tmp_path):
        assert running.find(tmp_path) is None


def test_somebody_else_on_the_port_of_a_dashboard_is_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(PATIENCE_S)

        def talk() -> None:
            caller, _ = other.accept()
            with caller:
                caller.recv(1000)
                caller.sendall(b"SSH-2.0-other\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with (
            a_bot_at(tmp_path, other.getsockname()[1]),
            pytest.raises(UserError, match="does not answer: something else is listening there"),
        ):
            running.send(tmp_path, "pause", "")
        thread.join(PATIENCE_S)
