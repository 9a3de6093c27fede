"""The kill switch, with a strategy that never returns: halted, taken back, closed, and so it stays after a restart."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from actors.execution.known_orders import OrderName
from service.data_folder import JOURNAL
from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, Log, at
from tests.support.exchange import ExchangeServer
from tests.support.faults import guarded
from tests.support.live import Bot, microbot, wait_until

SPEED = 20

STUCK = '''
"""Buy each symbol, with the file `once` only the first; not with `quiet`, and with `stick` never return."""

import pathlib

from reactivex import operators as ops

from pipeline.events import Side, Signal
from pipeline.strategy import Strategy, StrategySettings, default_exits


signals = []


def may_signal(tick):
    while pathlib.Path("stick").exists():
        pass
    return not pathlib.Path("quiet").exists() and not (signals and pathlib.Path("once").exists())


def signal_of(tick):
    signals.append(tick)
    return Signal(tick.symbol, tick.ts, Side.LONG, tick.price, 0.0, 0.0, 0.0)


exits = default_exits(
    StrategySettings(profit_target=0.5, stop_loss=0.4, time_stop_seconds=100_000, flat_seconds=100_000)
)
strategy = Strategy("stuck", lambda ticks: ticks.pipe(ops.filter(may_signal), ops.map(signal_of)), exits)
'''

LET_IT_BE = ("--set", "watch.gross_ms=1000000", "--set", "watch.budget_ms=1000000")
"""A strategy that is stuck goes on when it returns, and is not removed: here, the gate is looked at."""

HELD_FAST = (
    *("--set", "orders.protective_stop=0.45"),
    *("--set", "risk.fallback_stop=0.8", "--set", "risk.fallback_hold_s=200000"),
)
"""Nothing closes a position but a halt: the strategy has exits of its own that never do."""

OPTIONS = (
    *("--strategy", "stuck.py:strategy", *LET_IT_BE, "--set", "risk.position_size=3"),
    *(*HELD_FAST, *ORDERS_IN_A_HURRY),
)


@contextmanager
def stuck_with_positions(exchange: ExchangeServer, folder: Path) -> Iterator[Bot]:
    """Run a bot until it holds both symbols and its strategy never returns any more."""
    (folder / "stuck.py").write_text(STUCK)
    with at(exchange, folder, SPEED, *OPTIONS) as bot:
        wait_until(lambda: guarded(exchange))
        (folder / "stick").touch()
        wait_until(lambda: bool(Log(bot).of("gate.stall")))
        yield bot


def entries(exchange: ExchangeServer) -> list[str]:
    return [o["client_order_id"] for o in exchange.orders if ".entry." in o["client_order_id"]]


def by_command(bot: Bot) -> str:
    return bot.command("halt", "--reason", "enough").stdout


def by_file(bot: Bot) -> str:
    (bot.folder / "data" / "HALT").write_text("enough\n")
    return ""


def by_signal(bot: Bot) -> str:
    bot.process.send_signal(signal.SIGUSR1)
    return ""


@pytest.mark.parametrize("pull", [by_command, by_file, by_signal])
def test_while_a_strategy_never_returns_a_halt_closes_everything_and_holds_after_a_kill(
    pull: Callable[[Bot], str], tmp_path: Path
) -> None:
    with ExchangeServer("--speed", SPEED) as exchange:
        with stuck_with_positions(exchange, tmp_path) as bot:
            said = pull(bot)
            if said:
                assert "no entry leaves any more" in said
                assert "the gate has taken back 2 orders and closed 3 AAPL, 3 MSFT" in said
            exchange.until_flat()
            assert exchange.open_orders == []
            bot.process.send_signal(signal.SIGKILL)
            bot.process.wait()
        known, orders = entries(exchange), len(exchange.orders)
        (tmp_path / "stick").unlink()
        with at(exchange, tmp_path, SPEED, *OPTIONS) as bot:
            state = bot.until(lambda state: state["state"]["state"] == "HALTED" and state["metrics"]["trades"] == 2)
            assert "differ" not in state["state"]["reason"]
            wait_until(lambda: bool(Log(bot).of("signal.refused", reason="HALTED")))
            assert not state["positions"]
            assert (exchange.positions, len(exchange.orders)) == ({}, orders)  # what was closed is not closed again
            bot.command("resume")
            wait_until(lambda: len(entries(exchange)) > len(known))
            assert not (tmp_path / "data" / "HALT").exists()
            bot.stop()


def test_when_the_strategy_returns_the_core_learns_what_the_gate_did_and_nothing_is_done_twice(tmp_path: Path) -> None:
    with ExchangeServer("--speed", SPEED) as exchange:
        with stuck_with_positions(exchange, tmp_path) as bot:
            bot.command("flatten")
            exchange.until_flat()
            bot.until(lambda state: state["state"]["state"] == "PAUSED")  # told past the loop, which is stuck
            (tmp_path / "stick").unlink()
            state = bot.until(lambda state: state["state"]["state"] == "PAUSED" and state["metrics"]["trades"] == 2)
            assert {trade["exit_reason"] for trade in state["trades"]} == {"FLATTEN"}
            wait_until(lambda: bool(Log(bot).of("signal.refused", reason="PAUSED")))
            assert len(orders_by_leg(exchange)["gate"]) == 2
            assert "exit" not in orders_by_leg(exchange)
            bot.command("resume")
            wait_until(lambda: guarded(exchange))  # orders of the core leave again
            bot.command("halt")
            exchange.until_flat()
            wait_until(lambda: not exchange.open_orders)
            summary = bot.stop()
        assert summary["trades"] == 4
        assert len(orders_by_leg(exchange)["exit"]) == 2  # a core that lives closes by itself
        assert_each_order_has_one_cause(exchange, tmp_path)


def test_an_entry_that_fills_in_parts_while_the_strategy_is_stuck_is_taken_back_and_closed(tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    (tmp_path / "once").touch()
    (tmp_path / "quiet").touch()  # a signal that is refused, since the account is not read yet, would be the only one
    speed = SPEED // 4  # filling has to outlast the command that halts, on a busy machine too
    many = (  # a share a quote; wherever the price goes, it fills
        *("--set", "risk.position_size=600", "--set", "limits.max_notional=300000"),
        *("--set", "orders.entry_limit_bps=500", "--set", "limits.price_collar=0.1"),
    )
    with (
        ExchangeServer("--speed", speed, "--fault", "slow_fills:1", "--fault", "lost_answers:0.5") as exchange,
        at(exchange, tmp_path, speed, *OPTIONS, *many) as bot,
    ):
        wait_until(lambda: bool(Log(bot).of("broker.changed", state="LIVE")))
        bot.until(lambda state: state["metrics"]["ticks"] > 10)
        (tmp_path / "quiet").unlink()
        wait_until(lambda: bool(exchange.positions))
        (tmp_path / "stick").touch()
        wait_until(lambda: bool(Log(bot).of("gate.stall")))
        said = bot.command("halt").stdout
        assert "no entry leaves any more" in said
        exchange.until_flat()
        wait_until(lambda: not exchange.open_orders)
        assert len(entries(exchange)) == 1
        (tmp_path / "stick").unlink()
        state = bot.until(lambda state: state["state"]["state"] == "HALTED" and state["metrics"]["trades"] == 1)
        assert not state["positions"]
        filled = {order["client_order_id"].rsplit(".", 2)[1]: order["filled_qty"] for order in exchange.orders}
        assert filled["entry"] == filled["gate"]
        assert 0 < float(filled["entry"]) < 600
        assert exchange.positions == {}
        bot.stop()


def test_a_halt_before_a_kill_that_nobody_acted_on_closes_at_the_next_start(tmp_path: Path) -> None:
    with ExchangeServer("--speed", SPEED) as exchange:
        with stuck_with_positions(exchange, tmp_path) as bot:
            bot.process.send_signal(signal.SIGKILL)
            bot.process.wait()
            assert "the next start is armed" in bot.command("halt").stdout
        (tmp_path / "stick").unlink()
        known = entries(exchange)
        with at(exchange, tmp_path, SPEED, *OPTIONS) as bot:
            exchange.until_flat()
            state = bot.until(lambda state: state["metrics"]["trades"] == 2)
            assert (state["state"]["state"], state["state"]["reason"]) == ("HALTED", "halt from the terminal")
            wait_until(lambda: bool(Log(bot).of("signal.refused", reason="HALTED")))
            assert entries(exchange) == known
            bot.stop()


def orders_by_leg(exchange: ExchangeServer) -> dict[str, list[str]]:
    legs: dict[str, list[str]] = {}
    for order in exchange.orders:
        legs.setdefault(order["client_order_id"].rsplit(".", 2)[1], []).append(order["client_order_id"])
    return legs


def assert_each_order_has_one_cause(exchange: ExchangeServer, folder: Path) -> None:
    """Each order at the venue joins to one approved signal, or to one named action of the gate."""
    with closing(sqlite3.connect(folder / "data" / JOURNAL)) as journal:
        found = [(kind, json.loads(body)) for kind, body in journal.execute("SELECT kind, body FROM facts")]
    approved = [fact["decision"] for kind, fact in found if kind == "signal" and fact["approved"]]
    by_gate = [fact["order_id"] for kind, fact in found if kind == "gate_acted" and fact["action"] == "close"]
    for order in exchange.orders:
        name = OrderName.of(order["client_order_id"])
        assert name is not None
        assert approved.count(name.decision) == 1
        assert by_gate.count(order["client_order_id"]) == (name.role == "gate")


def test_under_load_no_entry_leaves_after_the_acknowledgement(tmp_path: Path) -> None:
    limits = ("--set", "limits.orders_per_second=1000", "--set", "limits.repeat_seconds=0.001")
    exchange = ExchangeServer("--speed", 200, "--fault", "latency:20")
    with exchange, at(exchange, tmp_path, 200, *EAGER, *ORDERS_IN_A_HURRY, *limits) as bot:
        bot.until(lambda state: state["metrics"]["trades"] > 5)
        assert bot.command("halt").returncode == 0
        known = entries(exchange)
        exchange.until_flat()
        wait_until(lambda: not exchange.open_orders)
        refused = len(Log(bot).of("signal.refused", reason="HALTED"))
        wait_until(lambda: len(Log(bot).of("signal.refused", reason="HALTED")) > refused)
        assert entries(exchange) == known
        bot.stop()


# ------------------------------------------------------------------------------------------------ simulated fills


def test_simulated_positions_wait_for_the_loop_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    options = ("--strategy", "stuck.py:strategy", "--set", "exchange.speed=20")
    with Bot(tmp_path, *options) as bot:
        bot.until(lambda state: len(state["positions"]) == 2)
        (tmp_path / "stick").touch()
        wait_until(lambda: bool(Log(bot).of("gate.stall")))
        said = bot.command("halt").stdout
        assert "no entry leaves any more" in said
        assert "they are closed when it goes on, or at the next start" in said
        bot.process.send_signal(signal.SIGKILL)
        bot.process.wait()
    (tmp_path / "stick").unlink()
    with Bot(tmp_path, *options) as bot:
        state = bot.until(lambda state: state["metrics"]["trades"] == 2)
        assert state["state"]["state"] == "HALTED"
        assert not state["positions"]
        assert {trade["exit_reason"] for trade in state["trades"]} == {"HALT"}
        bot.stop()


# ------------------------------------------------------------------------------------------------- without a bot


def test_a_halt_without_a_bot_is_left_for_its_next_start(tmp_path: Path) -> None:
    nowhere = microbot("halt", cwd=tmp_path)
    assert nowhere.returncode == 2
    assert "there is no such folder" in nowhere.stderr
    (tmp_path / "data").mkdir()
    left = microbot("halt", "--reason", "not today", cwd=tmp_path)
    assert left.returncode == 0
    assert "no bot runs on data" in left.stdout
    assert "the next start is armed" in left.stdout
    with Bot(tmp_path, *EAGER) as bot:
        state = bot.until(lambda state: state["refusals"].get("HALTED"))
        assert (state["state"]["state"], state["state"]["reason"]) == ("HALTED", "not today")
        assert state["metrics"]["trades"] == 0
        assert bot.command("resume").returncode == 0
        bot.until(lambda state: state["metrics"]["trades"])
        assert not (tmp_path / "data" / "HALT").exists()
        bot.stop()


def test_what_was_left_for_the_next_start_can_be_taken_back(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert microbot("flatten", cwd=tmp_path).returncode == 0
    assert (tmp_path / "data" / "FLATTEN").exists()
    assert "is lifted" in microbot("resume", cwd=tmp_path).stdout
    assert not (tmp_path / "data" / "FLATTEN").exists()
    assert microbot("resume", cwd=tmp_path).returncode == 2
