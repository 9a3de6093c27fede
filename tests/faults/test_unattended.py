"""The bot as a service, by the unit that `microbot service show` writes: a stuck core, a reboot, and what is no use."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from service.doctor.status import Status, look
from service.exit_codes import ExitCode
from tests.faults.test_kill_switch import HELD_FAST, LET_IT_BE, STUCK
from tests.support.bots import HASTY, ORDERS_IN_A_HURRY, Log, at
from tests.support.exchange import KEYS, ExchangeServer, is_stop
from tests.support.faults import guarded
from tests.support.live import PATIENCE_S, alive, environment, microbot, wait_until
from tests.support.supervisor import Supervisor

SPEED = 20
WATCHDOG_S = 8

OPTIONS = (
    *("--symbols", "AAPL,MSFT", "--port", "0", "--strategy", "stuck.py:strategy", "--set", "risk.position_size=3"),
    *(*HASTY, *LET_IT_BE, *HELD_FAST, *ORDERS_IN_A_HURRY),
)


def unit_at(exchange: ExchangeServer, folder: Path, *options: str) -> str:
    """Return the unit for a bot at an exchange, with its keys in a file of their own."""
    (folder / "stuck.py").write_text(STUCK)
    (folder / "bot keys.env").write_text("".join(f"{name}={value}\n" for name, value in KEYS.items()))
    where = ("--venue", "alpaca", "--url", exchange.url, "--speed", str(SPEED), *OPTIONS, *options)
    service = ("--user", "--watchdog", WATCHDOG_S, "--env-file", "bot keys.env")
    shown = microbot("service", "show", *service, "--", *where, cwd=folder)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def keyless() -> dict[str, str]:
    return {name: value for name, value in environment().items() if name not in KEYS}


def stops(exchange: ExchangeServer) -> set[str]:
    """Return the ids of the stops that rest."""
    return {order["client_order_id"] for order in exchange.open_orders if is_stop(order)}


def status(folder: Path) -> Status:
    """Return what `microbot status` says; in this process, since a bot that is stuck is not there for long."""
    return look(folder / "data", time.time_ns())


def test_a_core_that_is_stuck_is_killed_within_its_limit_and_started_again_and_its_position_stays_guarded(
    tmp_path: Path,
) -> None:
    with ExchangeServer("--speed", SPEED) as exchange, Supervisor(unit_at(exchange, tmp_path), keyless()) as service:
        first = service.until_ready(1)
        wait_until(lambda: guarded(exchange))
        assert status(tmp_path).code == ExitCode.DONE
        held, resting = exchange.positions, stops(exchange)
        (tmp_path / "stick").touch()
        wait_until(lambda: status(tmp_path).code == ExitCode.SILENT)
        assert exchange.positions == held
        assert stops(exchange) == resting  # nobody is at home, and the venue guards
        wait_until(lambda: first.aborted_after_s is not None)
        (tmp_path / "stick").unlink()
        (tmp_path / "quiet").touch()  # what is held is what was held
        second = service.until_ready(2)
        assert first.code == -signal.SIGABRT
        wait_until(lambda: guarded(exchange))
        wait_until(lambda: status(tmp_path).code == ExitCode.DONE)
        assert {position["symbol"] for position in status(tmp_path).positions} == {"AAPL", "MSFT"}
        assert exchange.positions == held
        fed = [at for at, text in second.said if text == "WATCHDOG=1"]
        wait_until(lambda: len([text for _, text in second.said if text == "WATCHDOG=1"]) > len(fed) + 2)
        assert service.stop() == 0
        assert second.has_said("STOPPING=1")
        assert len(service.starts) == 2
        assert exchange.positions == held  # without a terminal, what is open is kept
        assert guarded(exchange)


def test_a_bot_that_was_killed_with_all_that_is_its_own_comes_back_with_its_positions_and_guards_them(
    tmp_path: Path,
) -> None:
    """A reboot: nothing of the bot is asked, and nothing of it is left but its folder."""
    with ExchangeServer("--speed", SPEED) as exchange:
        unit = unit_at(exchange, tmp_path)
        with Supervisor(unit, keyless()) as service:
            service.until_ready(1)
            wait_until(lambda: guarded(exchange))
            held = exchange.positions
        wait_until(lambda: not alive(service.current.process.pid))  # the supervisor is gone, and killed it
        assert status(tmp_path).code == ExitCode.NO_BOT
        for stop in list(exchange.open_orders):  # a venue's own doing, while nobody looked
            exchange.call("DELETE", f"/v2/orders/{stop['id']}")
        (tmp_path / "quiet").touch()
        with Supervisor(unit, keyless()) as service:
            service.until_ready(1)
            wait_until(lambda: guarded(exchange))
            assert exchange.positions == held
            assert service.stop() == 0


def test_without_systemd_a_bot_whose_core_is_stuck_ends_itself_and_its_stops_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "stuck.py").write_text(STUCK)
    with (
        ExchangeServer("--speed", SPEED) as exchange,
        at(exchange, tmp_path, SPEED, *OPTIONS, "--watchdog", WATCHDOG_S) as bot,
    ):
        wait_until(lambda: guarded(exchange))
        (tmp_path / "stick").touch()
        assert bot.process.wait(PATIENCE_S) == 1
        assert "stuck.py" in Log(bot).of("session.stuck")[0]["message"]
        assert guarded(exchange)


def test_what_starting_again_does_not_change_is_not_started_again(tmp_path: Path) -> None:
    with (
        ExchangeServer("--speed", SPEED) as exchange,
        Supervisor(unit_at(exchange, tmp_path, "--account", "PA-OTHER"), keyless()) as service,
    ):
        wait_until(lambda: bool(service.given_up))
        assert service.given_up == "it ended with exit code 2"
        assert len(service.starts) == 1
        assert exchange.orders == []
