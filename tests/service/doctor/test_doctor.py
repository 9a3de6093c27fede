"""`microbot doctor` as a command: at the mock exchange, at a dead one, and beside a running bot."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.exchange import KEYS, ExchangeServer
from tests.support.live import MICROBOT, PATIENCE_S, Bot, environment, microbot, wait_until

QUICK = ("--set", "web.port=0", "--set", "exchange.port=0")


def doctor(folder: Path, *options: object, code: int | None) -> dict[str, dict[str, str]]:
    """Run the command and return its findings by check."""
    done = microbot("doctor", "--json", *QUICK, *options, cwd=folder)
    assert code is None or done.returncode == code, (done.stdout, done.stderr)
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["check"]: line for line in lines}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("keys")
def test_at_a_venue_its_time_the_keys_and_the_data_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExchangeServer() as exchange:
        at = ("--venue", "alpaca", "--url", exchange.url)
        found = doctor(tmp_path, *at, code=0)
        for check in ("keys", "keys at the venue", "venue's time", "feed"):
            assert found[check]["verdict"] == "ok", found[check]
        assert "exchange's port" not in found  # no market is started beside a venue
        monkeypatch.setenv("APCA_API_SECRET_KEY", "MOCK-WRONG")
        wrong = doctor(tmp_path, *at, code=1)
        assert "refuses them" in wrong["keys at the venue"]["found"]
        assert wrong["feed"]["verdict"] == "failed"
        assert "MOCK-WRONG" not in json.dumps(wrong)
    assert list(tmp_path.iterdir()) == []  # a doctor looks


@pytest.mark.usefixtures("keys")
def test_the_paper_test_prints_what_it_finds_and_a_signal_ends_it_with_nothing_open(tmp_path: Path) -> None:
    with ExchangeServer() as exchange:
        at = ("--venue", "alpaca", "--url", exchange.url, "--paper-test", "--yes")
        command = [str(MICROBOT), "doctor", *at]
        stopped = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True)
        wait_until(lambda: bool(exchange.open_orders))
        stopped.send_signal(signal.SIGTERM)
        said, _ = stopped.communicate(timeout=PATIENCE_S)
        assert stopped.returncode == 1
        assert "it was interrupted" in said
        assert (exchange.open_orders, exchange.positions) == ([], {})
        found = doctor(tmp_path, *at, code=0)
        assert found["too dear"]["verdict"] == found["tidying up"]["verdict"] == "ok"
        assert "no 429 after 400" in found["too many requests"]["found"]  # of an exchange with a limit of a million
        assert (exchange.open_orders, exchange.positions) == ([], {})


@pytest.mark.usefixtures("keys")
def test_a_venue_that_is_not_there_fails_and_the_clock_does_not(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = doctor(tmp_path, "--venue", "alpaca", "--url", dead, "--wait", 1, code=1)
    assert "cannot be reached" in found["keys at the venue"]["found"]
    assert "cannot be reached" in found["feed"]["found"]
    assert found["venue's time"]["verdict"] == "warning"


def test_a_feed_speaks_or_is_mute_or_is_dead(tmp_path: Path) -> None:
    with ExchangeServer() as exchange:
        url = exchange.url.replace("http", "ws")
        assert doctor(tmp_path, "--feed", url, code=0)["feed"]["found"].endswith("speaks")
        for fault, code, said in (
            ("mute:1", 0, "has said nothing for 1.5 s"),
            ("handshake:503", 1, "cannot be reached: handshake refused with 503"),
            ("refuse:406", 1, "lets us in, and no further"),
        ):
            exchange.strike(fault)
            found = doctor(tmp_path, "--feed", url, "--wait", 1.5, code=code)["feed"]
            assert said in found["found"], (fault, found)
    assert doctor(tmp_path, "--feed", url, "--wait", 1, code=1)["feed"]["verdict"] == "failed"


def test_beside_a_running_bot_its_ports_are_its_own_and_its_journal_is_sound(tmp_path: Path) -> None:
    with Bot(tmp_path) as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 0)
        dashboard = bot.port
        exchange = bot.state["session"]["feed"].rstrip("/").rpartition(":")[2]
        ports = ("--set", f"web.port={dashboard}", "--set", f"exchange.port={exchange}")
        done = microbot("doctor", "--json", *ports, cwd=tmp_path)
        found = {line["check"]: line for line in map(json.loads, done.stdout.splitlines())}
        assert done.returncode == 0, done.stdout
        pid = str(json.loads((tmp_path / "data" / "running.json").read_text())["pid"])
        for check in ("bot", "dashboard's port", "exchange's port"):
            assert pid in found[check]["found"]
        assert found["journal"]["verdict"] == "ok"
        bot.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: "stuck" in doctor(tmp_path, code=None)["bot"]["found"])
        assert doctor(tmp_path, code=1)["bot"]["verdict"] == "failed"
        bot.process.send_signal(signal.SIGCONT)
        bot.stop()
    assert "none runs" in doctor(tmp_path, code=0)["bot"]["found"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--venue", "alpaca", "--feed", "ws://x"), "exclude each other"),
        (("--url", "http://x"), "go with --venue"),
        (("--venue", "binance", "--live"), "--live goes with"),
        (("--wait", "0"), "--wait wants"),
        (("--yes",), "--yes goes with --paper-test"),
        (("--paper-test",), "--paper-test goes with --venue alpaca"),
        (("--paper-test", "--venue", "alpaca", "--live"), "and never with --live"),
        (("--paper-test", "--venue", "alpaca", "--url", "nonsense", "--yes"), "--url wants an address such as"),
        (("--paper-test", "--venue", "alpaca"), "--paper-test asks on a terminal; elsewhere say --yes as well"),
    ],
)
@pytest.mark.usefixtures("keys")
def test_bad_usage_is_one_sentence(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    refused = microbot("doctor", *options, cwd=tmp_path)
    assert refused.returncode == 2
    assert said in refused.stderr
