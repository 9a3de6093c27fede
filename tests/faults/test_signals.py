"""Signals from outside in real processes: each acts once, also over restarts of the web process, and it replays."""

from __future__ import annotations

import hmac
import http.client
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.bots import Log
from tests.support.live import PATIENCE_S, Bot, microbot, wait_until
from web.settings import AHEAD_S

SECRET = "what-the-desk-signs-with-0123456789"
DESK = '''
"""Does what the desk says, once, within 10 s of the venue's time."""

from microbot import op


def strategy(ticks):
    return ticks.pipe(
        op.readings(desk=op.external("desk", within=10)),
        op.when(op.above("desk", 0.5), go="LONG"),
        op.when(op.below("desk", -0.5), go="SHORT"),
        op.once_per("word from the desk"),
    )


exits = [op.time_stop(seconds=3)]
'''


def send(bot: Bot, key: str = SECRET, **changes: Any) -> tuple[int, dict[str, Any]]:
    """Send a signal as a program does."""
    body = {"name": "desk", "symbol": "AAPL", "side": "LONG", "id": "1", "ts": time.time()} | changes
    text = json.dumps(body)
    sent = f"{time.time():.3f}"
    signature = hmac.new(key.encode(), f"{sent}.{text}".encode(), "sha256").hexdigest()
    connection = http.client.HTTPConnection("127.0.0.1", bot.port, timeout=PATIENCE_S)
    try:
        headers = {"Signal-Timestamp": sent, "Signal-Signature": signature}
        connection.request("POST", "/signals", text, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_signal_acts_once_and_the_session_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "desk.py").write_text(DESK)
    (tmp_path / "secret").write_text(SECRET)
    options = ("--symbols", "AAPL", "--speed", 5, "--strategy", "desk.py:strategy")
    risk = ("--set", "risk.daily_loss_limit=-0.9", "--set", "risk.cooldown_trades_after_loss=0")
    door = ("--set", "signals.secret_file=secret", "--set", "signals.max_age_s=60")
    with Bot(tmp_path, *options, *risk, *door) as bot:
        log = Log(bot)
        bot.until(lambda state: state["symbols"]["AAPL"]["price"] is not None)
        there = time.time()
        wait_until(lambda: time.time() > there + AHEAD_S)  # what was made sooner is another life's
        assert send(bot, key="not-what-the-desk-signs-with")[0] == 401
        assert send(bot, name="dusk", id="0")[0] == 404
        made = time.time()
        first = send(bot, ts=made)
        assert first[0] == 200, first
        assert send(bot, ts=made) == first
        wait_until(lambda: len(log.of("trade.closed")) == 1)

        # The ids are the bot's: another web process knows them as well.
        before = bot.children["web"]
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: bot.children.get("web", before) != before)
        bot.until(lambda state: state["metrics"]["trades"] == 1)
        assert send(bot, ts=made) == first
        assert send(bot, id="2", side="SHORT")[0] == 200
        wait_until(lambda: len(log.of("trade.closed")) == 2)

        assert bot.command("halt").returncode == 0
        status, told = send(bot, id="3")
        assert (status, "HALTED" in told["error"]) == (409, True)
        summary = bot.stop()
    assert (summary["trades"], summary["funnel"]["signals"]) == (2, 2)

    (path,) = (tmp_path / "data" / "sessions").glob("*.gz")
    replayed = microbot("replay", path, "--json", cwd=tmp_path)
    assert json.loads(replayed.stdout) == summary
    compared = microbot("diff", path, "--json", cwd=tmp_path)
    assert json.loads(compared.stdout)["equal"], compared.stdout

    origin = json.loads(bot.command("signals", "--json").stdout.splitlines()[0])["origin"]
    assert "said from outside: desk LONG (1)" in bot.command("explain", origin, "--text").stdout
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name != "secret":
            assert SECRET.encode() not in file.read_bytes(), file
    assert SECRET not in "".join(bot.said)


def test_without_a_secret_there_is_no_such_path(tmp_path: Path) -> None:
    with Bot(tmp_path, "--symbols", "AAPL") as bot:
        bot.until(lambda state: state["metrics"]["ticks"])
        connection = http.client.HTTPConnection("127.0.0.1", bot.port, timeout=PATIENCE_S)
        connection.request("POST", "/signals", "{}")
        assert connection.getresponse().status == 404
        connection.close()
        bot.stop()
