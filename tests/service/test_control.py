"""The ways to the kill switch: its socket and who may speak there, its files, and what is left for the next start."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from actors.gateway.gate import Gate, GateSettings, TroubleKind
from actors.gateway.journal import MemoryJournal
from actors.gateway.kill_switch import KillSwitch
from service.data_folder import running
from service.errors import UserError
from service.fact_log import log_fact
from service.live import control, halt_file
from service.live.commands import Mailbox
from tests.support.live import PATIENCE_S, Bot, wait_until


class Served(NamedTuple):
    control: control.Control
    switch: KillSwitch
    halt_file: halt_file.HaltFile


@contextmanager
def a_control(folder: Path) -> Iterator[Served]:
    """Serve a kill switch whose loop never runs: that is what it is for."""
    loop = asyncio.new_event_loop()
    mailbox = Mailbox(loop)

    def gate(switch: KillSwitch) -> Gate:
        return Gate(MemoryJournal(), on_batch=switch.see, on_refused=switch.refuse)

    keep = partial(halt_file.keep, folder)
    switch = KillSwitch(
        mailbox,
        gate,
        None,
        "paper",
        keep,
        lambda: 0,
        control.log,
        log_fact,
        time.monotonic,
        GateSettings(answer_s=0.01),
    )
    switch.gate.start()
    files = halt_file.HaltFile(folder, switch)
    with running.claim(folder) as claimed:
        try:
            with closing(control.Control(folder, switch, files, mailbox)) as served:
                served.serve(claimed)
                yield Served(served, switch, files)
        finally:
            switch.gate.stop()
            loop.close()


def ask(folder: Path, line: bytes) -> dict[str, object]:
    bot = running.find(folder)
    assert bot is not None
    host, _, port = bot.control.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
        connection.sendall(line)
        reply: dict[str, object] = json.loads(connection.makefile("rb").readline())
    return reply


def test_a_halt_is_taken_while_the_loop_does_not_run(tmp_path: Path) -> None:
    with a_control(tmp_path) as served:
        assert "no entry leaves any more" in control.send(tmp_path, "halt", "enough")
        assert served.switch.gate.entries_blocked == "enough"
        assert (tmp_path / "HALT").read_text() == "enough\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"token":"x","command":"halt"}\n', "the token is not this bot's"),
        (b"GET / HTTP/1.1\r\n\r\n", "no request of ours"),
        (b"\xff\n", "no request of ours"),
        (b"[" * 5000 + b"\n", "no request of ours"),
    ],
)
def test_who_does_not_know_the_token_gets_nothing(line: bytes, said: str, tmp_path: Path) -> None:
    with a_control(tmp_path) as served:
        assert ask(tmp_path, line) == {"done": False, "answer": said}
        assert served.switch.pulled == ""


def test_only_halt_and_flatten_are_taken_there(tmp_path: Path) -> None:
    with a_control(tmp_path):
        bot = running.find(tmp_path)
        assert bot is not None
        line = json.dumps({"token": bot.token, "command": "resume"}).encode() + b"\n"
        assert ask(tmp_path, line)["done"] is False


def test_the_token_is_for_this_user_alone(tmp_path: Path) -> None:
    with a_control(tmp_path):
        assert stat.S_IMODE((tmp_path / "running.json").stat().st_mode) == 0o600
        assert not (tmp_path / "running.new").exists()


def test_a_file_bars_entries_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "HALT").write_text("  not\ttoday\x1b[31m\n")
    with a_control(tmp_path) as served:
        assert served.switch.gate.entries_blocked == "not today [31m"


def test_a_file_that_is_touched_halts_and_stays(tmp_path: Path) -> None:
    with a_control(tmp_path) as served:
        served.control.begin()
        (tmp_path / "HALT").touch()
        wait_until(lambda: served.switch.gate.entries_blocked == "put there by hand")
        assert (tmp_path / "HALT").exists()
        assert served.halt_file.lift() == ""
        assert not (tmp_path / "HALT").exists()
        assert served.switch.gate.entries_blocked is None


def test_what_cannot_be_removed_is_not_resumed(tmp_path: Path) -> None:
    with a_control(tmp_path) as served:
        (tmp_path / "HALT").mkdir()  # whoever made that: it cannot be unlinked
        served.switch.block_entries("halt", "enough")
        assert "cannot be removed" in served.halt_file.lift()
        assert served.switch.gate.entries_blocked == "enough"


def test_a_gate_that_halted_by_itself_is_not_resumed(tmp_path: Path) -> None:
    with a_control(tmp_path) as served:
        served.switch.gate._halt(TroubleKind.JOURNAL, "the disk is full")
        assert "until the bot is started again: journal: the disk is full" in served.halt_file.lift()


def test_a_bot_that_does_not_answer_finds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_ANSWER_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent, running.claim(tmp_path) as claimed:
        claimed.publish_control(f"127.0.0.1:{silent.getsockname()[1]}", "x")
        with pytest.raises(UserError, match=r"does not answer; .*HALT is written"):
            control.send(tmp_path, "halt", "enough")
    assert halt_file.reason_of(tmp_path, "halt") == "enough"


@pytest.mark.parametrize("command", ["halt", "flatten"])
def test_without_a_bot_a_command_says_that_it_arms_the_next_start(command: str, tmp_path: Path) -> None:
    said = control.send(tmp_path, command, "enough")
    assert "nothing happens now; the next start is armed" in said
    assert f"closes all positions and is {'HALTED' if command == 'halt' else 'PAUSED'}" in said
    assert halt_file.reason_of(tmp_path, command) == "enough"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    assert halt_file.keep(tmp_path / "nowhere", "halt", "x") == f"{tmp_path}/nowhere/HALT: No such file or directory"


def test_a_halt_from_the_dashboard_bars_entries_and_survives_as_well(tmp_path: Path) -> None:
    with a_control(tmp_path) as served:
        assert served.halt_file.hold("pause", "lunch") == ""
        assert not served.switch.pulled
        assert served.halt_file.hold("halt", "enough") == ""
        assert served.switch.gate.entries_blocked == "enough"
        assert (tmp_path / "HALT").read_text() == "enough\n"
        served.halt_file.hold("flatten", "less")
        assert served.switch.gate.entries_blocked == "enough"  # a weaker command lifts nothing


def test_a_dashboard_s_halt_is_in_force_before_it_is_answered(tmp_path: Path) -> None:
    with Bot(tmp_path, "--speed", 20) as bot:
        assert bot.dashboard
        assert "HALTED" in running.send(tmp_path / "data", "halt", "enough")
        assert (tmp_path / "data" / "HALT").read_text() == "enough\n"
        assert "ACTIVE" in running.send(tmp_path / "data", "resume", "")
        assert not (tmp_path / "data" / "HALT").exists()
