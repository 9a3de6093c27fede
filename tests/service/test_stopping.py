"""Stopping: whatever became of the terminal, however often it is asked, and after the process itself was stopped."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.data_folder import running
from service.live.timekeeping import RunningClock
from tests.support.bots import EAGER, HASTY, ORDERS_IN_A_HURRY, PATIENT
from tests.support.exchange import KEYS, ExchangeServer, is_stop
from tests.support.live import MICROBOT, PATIENCE_S, Bot, alive, environment, microbot, wait_until

FAST = ("--speed", 50, *EAGER)

STUCK = '''
"""With the file `stick`, never return; else, say nothing."""

import pathlib

from reactivex import operators as ops


def is_stuck(tick):
    while pathlib.Path("stick").exists():
        pathlib.Path("stuck").touch()
    return False


def strategy(ticks):
    return ticks.pipe(ops.filter(is_stuck))
'''

LET_IT_BE = ("--set", "watch.gross_ms=1000000", "--set", "watch.budget_ms=1000000")


def log_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "logs" / "microbot.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines]


def events_of(folder: Path) -> list[str]:
    return [str(line["event"]) for line in log_of(folder)]


@contextlib.contextmanager
def a_bot(folder: Path, stdin: int, stderr: int, *options: object) -> Iterator[subprocess.Popen[str]]:
    """Start a bot with these for its own, and wait until its dashboard is there."""
    command = [str(MICROBOT), "run", "--port", "0", "--exchange-port", "0", *map(str, options)]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, text=True
    )
    try:
        wait_until(lambda: bool((found := running.find(folder / "data")) and found.dashboard))
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()


def nobody_is_left() -> tuple[int, Callable[[], None]]:
    reader, writer = os.pipe()
    return writer, lambda: os.close(reader)


def nobody_reads() -> tuple[int, Callable[[], None]]:
    reader, writer = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    assert reader  # it stays open
    return writer, lambda: None


def the_disk_is_full() -> tuple[int, Callable[[], None]]:
    return os.open("/dev/full", os.O_WRONLY), lambda: None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("output", [nobody_is_left, nobody_reads, the_disk_is_full])
def test_a_signal_ends_the_session_in_order_whatever_became_of_the_terminal(
    output: Callable[[], tuple[int, Callable[[], None]]], number: signal.Signals, tmp_path: Path
) -> None:
    stderr, leave = output()
    with a_bot(tmp_path, subprocess.DEVNULL, stderr, *FAST, "--set", "log.level=DEBUG") as process:
        os.close(stderr)
        leave()
        closed = events_of(tmp_path).count("trade.closed")
        wait_until(lambda: events_of(tmp_path).count("trade.closed") > closed + 1)  # it trades on
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["open_positions"] == 0
    # The gate's own thread, and another process, tell when a busy machine let them wait.
    own = [event for event in events_of(tmp_path) if not event.startswith(("gate.", "child."))]
    assert own[-1] == "session.ended"


def test_a_summary_that_nobody_takes_leaves_an_orderly_end(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST) as bot:
        assert bot.dashboard
        assert bot.process.stdout is not None
        bot.process.stdout.close()
        bot.process.send_signal(signal.SIGTERM)
        assert bot.process.wait(PATIENCE_S) == 0
        bot.line("log: ")
        assert not [line for line in bot.said if "Error" in line]


@pytest.fixture
def stuck(tmp_path: Path) -> Path:
    (tmp_path / "stuck.py").write_text(STUCK)
    return tmp_path


def test_the_duration_ends_a_loop_that_is_stuck_as_a_signal_does(stuck: Path) -> None:
    (stuck / "stick").touch()
    with Bot(stuck, "--strategy", "stuck.py", *LET_IT_BE, "--duration", "1") as bot:
        assert bot.process.wait(PATIENCE_S) == 1
    assert "session.stuck" in events_of(stuck)


def test_a_second_signal_at_a_stuck_loop_leaves_a_recording_that_is_whole_up_to_its_last_line(stuck: Path) -> None:
    with Bot(stuck, "--strategy", "stuck.py", *LET_IT_BE, "--record", "r.jsonl.gz") as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 5)
        (stuck / "stick").touch()
        wait_until((stuck / "stuck").exists)
        for _ in range(3):
            bot.process.send_signal(signal.SIGTERM)
        assert bot.process.wait(PATIENCE_S) in (1, 128 + signal.SIGTERM)
    (stuck / "stick").unlink()
    replayed = microbot("replay", "r.jsonl.gz", "--trust", cwd=stuck)
    assert json.loads(replayed.stdout)["ticks"] > 5
    assert "breaks off" not in replayed.stderr


def test_a_second_signal_ends_a_session_in_order_too(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST) as bot:
        bot.until(lambda state: state["metrics"]["ticks"])
        children = bot.children
        for _ in range(3):
            bot.process.send_signal(signal.SIGINT)
        assert bot.ended()["open_positions"] == 0
        wait_until(lambda: not any(alive(pid) for pid in children.values()))
    # The gate's own thread tells when a busy machine let the loop wait.
    assert [event for event in events_of(tmp_path) if not event.startswith("gate.")][-1] == "session.ended"


def test_a_second_signal_at_the_question_keeps_what_is_open_with_its_stop_at_the_venue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    person, terminal = pty.openpty()
    still = ("--set", "risk.max_open_positions=1", *EAGER, *PATIENT, *ORDERS_IN_A_HURRY, *HASTY)
    with ExchangeServer("--speed", 40, "--seed", 7) as exchange:
        where = ("--venue", "alpaca", "--url", exchange.url, "--speed", 40, "--symbols", "AAPL")
        with a_bot(tmp_path, terminal, terminal, *where, *still) as process:
            wait_until(lambda: any(is_stop(order) for order in exchange.open_orders))
            process.send_signal(signal.SIGINT)
            said = b""
            while b"flatten or keep?" not in said:
                said += os.read(person, 4096)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
        assert [is_stop(order) for order in exchange.open_orders] == [True]
        assert exchange.positions
    os.close(person)
    os.close(terminal)


def passed(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def test_a_process_that_is_stopped_and_goes_on_is_not_halted_and_its_loop_not_called_stuck(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST) as bot:
        bot.until(lambda state: state["metrics"]["ticks"])
        for _ in range(3):
            bot.process.send_signal(signal.SIGSTOP)
            wait_until(passed(1.5))  # longer than a loop may be silent
            ticks = bot.state["metrics"]["ticks"]
            bot.process.send_signal(signal.SIGCONT)
            bot.until(lambda state, ticks=ticks: state["metrics"]["ticks"] > ticks)  # type: ignore[misc]
        assert bot.state["state"]["state"] == "ACTIVE"
        bot.stop()
    assert not (tmp_path / "data" / "HALT").exists()
    assert events_of(tmp_path).count("gate.stall") < 3  # a busy machine may let the loop wait, but not at each pause


def test_for_how_long_a_process_was_stopped_is_logged_once_it_goes_on(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST) as bot:
        bot.until(lambda state: state["metrics"]["ticks"])
        bot.process.send_signal(signal.SIGSTOP)
        wait_until(passed(4.5))  # longer than a moment's stall may take
        bot.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "session.away" in events_of(tmp_path))
        bot.stop()
    told = [line for line in log_of(tmp_path) if line["event"] == "session.away"]
    away = max(told, key=lambda line: line["away_s"])  # a machine that is very busy may keep it away once more
    assert away["away_s"] >= 3
    assert away["message"].startswith(f"away for {away['away_s']:,.0f} s")


def test_a_signal_to_the_kill_switch_halts_also_after_a_stop(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST) as bot:
        assert bot.dashboard
        bot.process.send_signal(signal.SIGSTOP)
        bot.process.send_signal(signal.SIGUSR1)
        bot.process.send_signal(signal.SIGCONT)
        bot.until(lambda state: state["state"]["state"] == "HALTED")
        assert str(os.getpid()) in (tmp_path / "data" / "HALT").read_text()


SLOW = """
import asyncio, os, signal, sys, time
from service.live import stopping

async def main():
    over = asyncio.Event()
    def hear(number):
        print("heard", flush=True)
        over.set()
    def leave(code):
        print("left", flush=True)
        os._exit(code)
    found = stopping.Stopping(asyncio.get_running_loop(), hear, over.set, leave, float(sys.argv[1]))
    with stopping.caught(found):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGSTOP)
        await over.wait()

asyncio.run(main())
"""


def test_a_stop_of_the_process_uses_up_none_of_the_time_that_the_loop_has_to_hear(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW, "4"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT) is not None
        wait_until(passed(4.2))
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=PATIENCE_S)[0] == "heard\n"


def test_the_clock_of_the_guards_counts_no_time_in_which_nobody_looked() -> None:
    now = 100.0
    clock = RunningClock(0.5, lambda: now)
    assert clock() == 0.0
    now += 0.25
    assert clock() == 0.25
    now += 3600.0
    assert clock() == 0.75
    now += 0.5
    assert clock() == 1.25
