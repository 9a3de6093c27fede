"""`microbot status`: what its exit code says, and a bot that runs, is halted, loses its feed, and ends."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.data_folder import running
from service.data_folder.running import Running
from service.doctor import status
from service.exit_codes import ExitCode
from tests.support.bots import EAGER, HASTY
from tests.support.exchange import KEYS, ExchangeServer
from tests.support.live import Bot, microbot, wait_until
from tests.support.shared import ROOT

HERE = Running(os.getpid(), "http://127.0.0.1:1")
WELL = {"ok": True, "last_message_age_s": 0.1}


def state(
    trading: str = "ACTIVE", feed: str = "LIVE", broker: str | None = None, chains: tuple[str, ...] = ("RUNNING",)
) -> dict[str, Any]:
    return {
        "session": {"venue": "test"},
        "state": {"state": trading, "reason": "why"},
        "feed": {"state": feed, "reason": "why"},
        "broker": None if broker is None else {"state": broker, "reason": ""},
        "symbols": {str(number): {"chain": chain} for number, chain in enumerate(chains)},
    }


@pytest.mark.parametrize(
    ("published", "health", "shown", "code"),
    [
        (HERE, WELL, state(), ExitCode.DONE),
        (HERE, WELL, state("PAUSED"), ExitCode.DONE),
        (HERE, WELL, state(broker="LIVE"), ExitCode.DONE),
        (HERE, WELL, state("HALTED", feed="DOWN"), ExitCode.HALTED),
        (HERE, WELL, state(feed="STALE"), ExitCode.FEED_DOWN),
        (HERE, WELL, state(feed="CONNECTING"), ExitCode.FEED_DOWN),
        (HERE, WELL, state(broker="DOWN"), ExitCode.FEED_DOWN),
        (HERE, WELL, state(chains=("FAILED: why", "REMOVED")), ExitCode.STRATEGY_FAILED),
        (HERE, WELL, state(chains=("FAILED: why", "RUNNING")), ExitCode.DONE),
        (HERE, WELL, {"session": None}, ExitCode.SILENT),
        (HERE, WELL, {"error": "who are you?"}, ExitCode.SILENT),
        (HERE, {"ok": False, "last_message_age_s": 7.0}, state(), ExitCode.SILENT),
        (HERE, None, {}, ExitCode.SILENT),
        (msgspec.structs.replace(HERE, dashboard=""), None, {}, ExitCode.SILENT),
    ],
)
def test_the_exit_code_says_how_the_bot_is(
    published: Running, health: dict[str, Any] | None, shown: dict[str, Any], code: ExitCode
) -> None:
    assert status.judge(published, health, shown).code is code


def asked(folder: Path) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `microbot status`, and what it says."""
    answer = microbot("status", cwd=folder)
    return answer.returncode, json.loads(answer.stdout)


def test_every_field_is_documented_and_there_whatever_is_known(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "UNATTENDED.md").read_text("utf-8").partition("## Is it well?")[2]
    rows = re.findall(r"^\| (`.+?`) \| ", page, re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(status.Status.__struct_fields__)
    assert set(asked(tmp_path)[1]) == set(told)


def test_a_bot_whose_answers_cannot_be_read_is_said_to_be_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "ask", lambda _folder, _bot, path: WELL if path == "/healthz" else state())
    with running.claim(tmp_path) as claimed:
        claimed.publish("http://127.0.0.1:1")
        found = status.look(tmp_path, 0)  # `state` lacks the metrics, among others
    assert (found.code, found.running, found.state) == (ExitCode.SILENT, True, "")
    assert "cannot read what it answers" in found.why


def test_what_a_bot_said_a_while_ago_is_as_much_older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = state() | {
        "session": {"venue": "test", "paper": True, "settings": {}},
        "feed": {"state": "LIVE", "reason": "", "age_s": 60.0},
        "symbols": {"A": {"chain": "RUNNING", "age_s": 0.5}, "B": {"chain": "RUNNING", "age_s": None}},
        "positions": [],
        "metrics": {"daily_pnl": 0.0, "equity": 1.0, "trades": 0},
    }
    silent = {"ok": True, "last_message_age_s": 4.0}  # not long enough to be called stuck
    monkeypatch.setattr(status, "ask", lambda _folder, _bot, path: silent if path == "/healthz" else whole)
    with running.claim(tmp_path) as claimed:
        claimed.publish("http://127.0.0.1:1")
        found = status.look(tmp_path, 0)
    assert (found.last_tick_age_s, found.feed["age_s"]) == (4.5, 64.0)


def test_a_folder_without_a_bot_is_said_plainly(tmp_path: Path) -> None:
    answer = microbot("status", "--text", cwd=tmp_path)
    assert answer.returncode == ExitCode.NO_BOT
    assert answer.stdout.strip().endswith("no bot runs on data")


def test_a_bot_that_has_the_folder_and_tells_nothing_yet_starts(tmp_path: Path) -> None:
    with running.claim(tmp_path):
        found = status.look(tmp_path, 0)
    assert (found.code, found.running) == (ExitCode.SILENT, True)


def test_a_bot_at_a_broker_tells_all_and_its_halt_its_lost_feed_and_its_end_are_each_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    where = ("--venue", "alpaca", "--speed", 20, "--symbols", "AAPL", *HASTY, *EAGER)
    with ExchangeServer("--speed", 20) as exchange, Bot(tmp_path, "--url", exchange.url, *where) as bot:
        bot.until(lambda state: state["metrics"]["trades"] and state["feed"]["state"] == "LIVE")
        code, found = asked(tmp_path)
        assert (code, found["well"], found["running"], found["pid"]) == (0, True, True, bot.process.pid)
        assert (found["venue"], found["paper"], found["broker"]["state"]) == ("alpaca", True, "LIVE")
        assert (found["feed"]["state"], found["state"]) == ("LIVE", "ACTIVE")
        assert found["last_tick_age_s"] >= 0
        assert found["uptime_s"] > 0
        assert found["last_trade"]["symbol"] == "AAPL"
        assert found["daily_pnl"] != 0
        assert found["execution"]["all"]["slippage_bps"]["count"] > 0
        assert "AAPL" in found["execution"]["symbols"]
        bot.command("halt")
        assert asked(tmp_path)[0] == ExitCode.HALTED
        bot.command("resume")
        exchange.process.kill()
        wait_until(lambda: asked(tmp_path)[0] == ExitCode.FEED_DOWN)
        bot.stop()
    assert asked(tmp_path)[0] == ExitCode.NO_BOT
