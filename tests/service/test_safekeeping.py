"""Upgrades, backups and old data, as docs/SESSIONS.md tells of them: each with a bot that has a position open."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.gateway import sqlite_journal
from service.data_folder import JOURNAL, SESSIONS
from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, at
from tests.support.exchange import KEYS, ExchangeServer
from tests.support.journals import of_version_1, version_of
from tests.support.live import Bot, microbot, wait_until

PATIENT = (
    *("--set", "strategy.profit_target=0.5", "--set", "strategy.stop_loss=0.4"),
    *("--set", "strategy.time_stop_seconds=100000000", "--set", "strategy.flat_seconds=100000"),
)


def test_an_upgrade_with_a_position_open_goes_on_with_it(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / "data" / JOURNAL)
    with Bot(tmp_path, *PATIENT, "--set", "strategy.entry_threshold=0.5") as bot:
        assert bot.line("resumed: ") == "AAPL"
        bot.until(lambda state: [p["side"] for p in state["positions"]] == ["SHORT"])
        bot.command("flatten")
        bot.until(lambda state: not state["positions"])
        bot.stop()
    assert version_of(path) == len(sqlite_journal._SCRIPTS)
    trades = [json.loads(line) for line in microbot("trades", cwd=tmp_path).stdout.splitlines()]
    assert [trade["run"] for trade in trades] == [1, 1, 3]  # the old ones, and the one that was taken over
    assert (trades[-1]["entry_ts"], trades[-1]["decision"]) == (1795521303651630002, "paper-148")


def test_a_backup_of_a_running_bot_holds_its_position_and_can_be_gone_on_from(tmp_path: Path) -> None:
    with Bot(tmp_path, *EAGER, *PATIENT) as bot:
        held = bot.until(lambda state: len(state["positions"]) == 2)["positions"]
        copied = microbot("backup", "copy.db", "--json", cwd=tmp_path)
        assert copied.returncode == 0, copied.stderr
        assert json.loads(copied.stdout)["bytes"] == (tmp_path / "copy.db").stat().st_size
        again = microbot("backup", "copy.db", cwd=tmp_path)
        assert (again.returncode, "is there already" in again.stderr) == (2, True)
        bot.process.send_signal(signal.SIGKILL)
        bot.process.wait()
    (tmp_path / "other" / "data").mkdir(parents=True)
    (tmp_path / "copy.db").rename(tmp_path / "other" / "data" / JOURNAL)
    with Bot(tmp_path / "other", *EAGER, *PATIENT) as bot:
        state = bot.until(lambda state: len(state["positions"]) == 2)
        assert {p["entry_price"] for p in state["positions"]} == {p["entry_price"] for p in held}
        bot.stop()


def test_at_a_broker_a_backup_with_its_bot_id_takes_its_position_and_stop_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    options = (*EAGER, *ORDERS_IN_A_HURRY, *PATIENT, "--set", "orders.protective_stop=0.45")
    other = tmp_path / "other" / "data"
    other.mkdir(parents=True)
    with ExchangeServer("--speed", 20) as exchange:
        with at(exchange, tmp_path, 20, *options) as bot:
            wait_until(lambda: len(exchange.open_orders) == 2 and len(exchange.positions) == 2)
            bot.until(lambda state: len(state["positions"]) == 2)
            bot.command("pause")  # nothing happens after the backup that it would not know
            assert microbot("backup", other / JOURNAL, cwd=tmp_path).returncode == 0
            bot.process.send_signal(signal.SIGKILL)
            bot.process.wait()
        shutil.copy(tmp_path / "data" / "bot-id", other / "bot-id")
        held, stops = exchange.positions, {order["id"] for order in exchange.open_orders}
        shown = microbot("reconcile", "--url", exchange.url, cwd=other.parent)
        assert (shown.returncode, json.loads(shown.stdout)["differences"]) == (0, [])
        with at(exchange, other.parent, 20, *options) as bot:
            assert bot.line("resumed: ")
            bot.until(lambda state: len(state["positions"]) == 2 and state["state"]["state"] == "PAUSED")
            bot.stop()
        assert (exchange.positions, {order["id"] for order in exchange.open_orders}) == (held, stops)


def test_old_runs_and_recordings_are_removed_and_the_bot_goes_on(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / "data" / JOURNAL)  # its first run ended when its second began
    sessions = tmp_path / "data" / SESSIONS
    (sessions / "old-folder").mkdir(parents=True)
    (sessions / "old.gz").write_bytes(b"x" * 1000)
    (sessions / "old-folder" / "part").write_bytes(b"x" * 1000)
    for old in (sessions / "old-folder" / "part", sessions / "old-folder", sessions / "old.gz"):
        os.utime(old, (1e9, 1e9))
    (sessions / "new.gz").write_bytes(b"x")
    os.utime(sessions / "new.gz", (2e9, 2e9))
    asked = microbot("prune", "--before", "2026-11-25", cwd=tmp_path)
    assert asked.returncode == 2
    assert "say --yes" in asked.stderr
    assert sorted(p.name for p in sessions.iterdir()) == ["new.gz", "old-folder", "old.gz"]
    done = microbot("prune", "--before", "2026-11-25T00:00:00+00:00", "--yes", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["runs"], told["facts"], told["recordings"], told["recording_bytes"]) == (1, 20, 2, 2000)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM runs").fetchall() == [(2,)]
    assert [recording.name for recording in sessions.iterdir()] == ["new.gz"]
    assert microbot("trades", cwd=tmp_path).stdout == ""
    nothing = microbot("prune", "--before", "2026-01-01", cwd=tmp_path)
    assert nothing.returncode == 0
    assert json.loads(nothing.stdout)["runs"] == 0  # a pipe is read by a program
    with Bot(tmp_path, *PATIENT, "--set", "strategy.entry_threshold=0.5") as bot:
        assert bot.line("resumed: ") == "AAPL"
        refused = microbot("prune", "--before", "2026-01-01", "--yes", cwd=tmp_path)
        assert (refused.returncode, "another bot runs" in refused.stderr) == (1, True)
        bot.stop()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("prune", "--before", "long ago"), "--before wants a time such as"),
        (("prune", "--before", "2026-01-01", "--data-dir", "none"), "there is no journal"),
        (("backup", "copy.db", "--data-dir", "none"), "there is no journal"),
        (("backup", "nowhere/copy.db"), "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(command: tuple[str, ...], said: str, tmp_path: Path) -> None:
    of_version_1(tmp_path / "data" / JOURNAL)
    refused = microbot(*command, cwd=tmp_path)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "copy.db").exists()
    assert not (tmp_path / "none").exists()
