"""Other processes that are killed: what depends on them waits with them, and who waits for an answer gets one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bots import EAGER, HASTY, PATIENT, Log
from tests.support.live import MICROBOT, PATIENCE_S, Bot, environment, wait_until

FAST = ("--speed", 20, "--seed", 7)
AT_ONCE = ("--set", "supervision.first_delay_s=0.05", "--set", "supervision.most_delay_s=0.1")


def kill(bot: Bot, child: str) -> None:
    """Kill one of its processes, and wait until another has taken its place, or the bot has ended."""
    old = bot.children[child]
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: bot.process.poll() is not None or bot.children.get(child, old) != old)


def test_a_killed_exchange_takes_the_feed_with_it_and_brings_it_back(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, *AT_ONCE) as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 20)
        log = Log(bot)
        for _ in range(2):
            log.forget()
            kill(bot, "service.live.exchange")
            ticks = bot.until(lambda _: bool(log.of("feed.changed", state="LIVE")))["metrics"]["ticks"]
            bot.until(lambda state, ticks=ticks: state["metrics"]["ticks"] > ticks + 20)  # type: ignore[misc]
            (restarted,) = log.of("child.restarted", child="exchange")
            assert restarted["rest"] == ["feed"]
            assert log.of("feed.changed", state="DOWN")
            assert len(log.of("feed.connected")) == 1  # nobody called while nobody was there
        bot.stop()


def test_in_a_rehearsal_the_broker_s_stream_goes_and_comes_with_the_exchange(tmp_path: Path) -> None:
    options = ("--venue", "alpaca", "--rehearse", *FAST, *AT_ONCE, *HASTY, *EAGER, *PATIENT)
    with Bot(tmp_path, *options, "--on-exit", "keep") as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 5)
        log = Log(bot)
        wait_until(lambda: bool(log.of("broker.changed", state="LIVE")))
        log.forget()
        kill(bot, "service.live.exchange")
        wait_until(lambda: bool(log.of("broker.changed", state="LIVE")))
        wait_until(lambda: bool(log.of("feed.changed", state="LIVE")))
        (restarted,) = log.of("child.restarted", child="exchange")
        assert restarted["rest"] == ["feed", "broker"]
        assert log.of("broker.changed", state="DOWN")
        bot.stop()


def test_an_exchange_that_is_killed_once_too_often_ends_the_session_in_a_sentence(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, *AT_ONCE, "--set", "supervision.restarts=1") as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 5)
        kill(bot, "service.live.exchange")
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        kill(bot, "service.live.exchange")
        assert bot.process.wait(PATIENCE_S) == 1
        assert bot.line("microbot: ") == "the exchange process could not be kept running (exit code -9)"


def test_a_dashboard_that_is_killed_once_too_often_is_done_without(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, *AT_ONCE, "--set", "supervision.restarts=1") as bot:
        ticks = bot.until(lambda state: state["metrics"]["ticks"] > 5)["metrics"]["ticks"]
        kill(bot, "web")
        bot.until(lambda state: state["metrics"]["ticks"] > ticks)
        os.kill(bot.children["web"], signal.SIGKILL)
        assert "trading goes on without it" in bot.line("the web process could not be kept running (exit code -9)")
        pause = bot.command("pause")
        assert pause.returncode == 2
        assert pause.stderr.startswith("microbot: nothing is listening at ")
        before = ticks
        assert bot.stop()["ticks"] > before


def test_a_bot_that_was_stopped_for_longer_than_the_deadline_does_not_resume_and_does_halt_once(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, "--set", "web.answer_timeout_s=0.5") as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 5)
        assert bot.command("pause").returncode == 0
        log = Log(bot)
        log.forget()
        bot.process.send_signal(signal.SIGSTOP)
        status, said = bot.post("/api/command", {"command": "resume", "id": "r"})
        assert (status, "not carried out any more" in said["error"]) == (504, True)
        for _ in range(2):
            status, said = bot.post("/api/command", {"command": "halt", "id": "h"})
            assert (status, said["changed"]) == (202, None)
        bot.process.send_signal(signal.SIGCONT)
        bot.until(lambda state: state["state"]["state"] == "HALTED")
        status, said = bot.post("/api/command", {"command": "halt", "id": "h"})  # as the page does until it is answered
        assert status == 200
        assert said["answer"].endswith("trading is HALTED now")  # it may have gone past the loop as well
        assert len(log.of("command.too_late")) == 1
        assert [line["command"] for line in log.of("command.taken")] == ["halt"]
        states = [(line["previous"], line["state"]) for line in log.of("state.changed")]
        assert states == [("PAUSED", "HALTED")]


@pytest.mark.skipif(sys.platform != "linux", reason="it finds the command's connection in /proc")
def test_a_command_whose_bot_is_killed_before_it_answers_ends_with_a_sentence(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, "--set", "web.answer_timeout_s=60") as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 5)
        bot.process.send_signal(signal.SIGSTOP)
        command = [str(MICROBOT), "pause", "--data-dir", str(tmp_path / "data")]
        with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as pause:
            wait_until(lambda: _is_connected(bot.port))
            bot.process.send_signal(signal.SIGKILL)
            said = pause.communicate(timeout=PATIENCE_S)[1]
            assert pause.returncode == 2
            assert said.count("\n") == 1
            assert said.startswith("microbot: ")
            assert "Traceback" not in said


def _is_connected(port: int) -> bool:
    """Whether anybody has a connection to a port of this machine."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)
