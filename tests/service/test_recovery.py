"""Start-up is recovery: a bot that was killed goes on with its book, and the journal tells what it did."""

from __future__ import annotations

import csv
import io
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from service.data_folder import JOURNAL
from service.journal_views import history
from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, at
from tests.support.exchange import KEYS, ExchangeServer
from tests.support.live import Bot, microbot, wait_until

PATIENT = (
    *("--set", "strategy.profit_target=0.5", "--set", "strategy.stop_loss=0.4"),
    *("--set", "strategy.time_stop_seconds=100000", "--set", "strategy.flat_seconds=100000"),
)


def killed_with_a_position(folder: Path, *options: object) -> list[str]:
    """Run a bot until it holds two positions, kill it, and return their symbols."""
    with Bot(folder, *EAGER, *PATIENT, *options) as bot:
        held = bot.until(lambda state: len(state["positions"]) == 2)["positions"]
        bot.process.send_signal(signal.SIGKILL)
        bot.process.wait()
    return sorted(position["symbol"] for position in held)


def test_a_killed_bot_goes_on_with_its_positions(tmp_path: Path) -> None:
    symbols = killed_with_a_position(tmp_path)
    with Bot(tmp_path, *EAGER, *PATIENT, "--record", "r.jsonl") as bot:
        assert sorted(bot.line("resumed: ").split(", ")) == symbols
        bot.until(lambda state: len(state["positions"]) == 2)
        bot.command("flatten")
        bot.until(lambda state: not state["positions"])
        summary = bot.stop()
    assert summary["trades"] == 2
    again = microbot("replay", "r.jsonl", "--json", cwd=tmp_path)
    assert json.loads(again.stdout) == summary  # the book is the recording's first word


def test_an_order_that_a_killed_bot_had_sent_is_told_at_the_next_start(tmp_path: Path) -> None:
    """Simulated fills: the order ended with its process, whatever had been decided."""
    slow = ("--set", "execution.latency_ms=60000")
    with Bot(tmp_path, *EAGER, *PATIENT, *slow) as bot:
        wait_until(lambda: "submitted" in microbot("orders", cwd=tmp_path).stdout)
        bot.process.send_signal(signal.SIGKILL)
        bot.process.wait()
    sent = {row["order"] for row in listed(tmp_path, "orders") if row["status"] == "submitted"}
    with Bot(tmp_path, "--set", "strategy.entry_threshold=0.5") as bot:
        wait_until(lambda: sum("ended before it was filled" in line for line in bot.said) >= len(sent))
        bot.stop()
    ended = {row["order"]: row for row in listed(tmp_path, "orders") if row["run"] == 2}
    assert set(ended) == sent
    for row in ended.values():
        assert (row["status"], row["filled"]) == ("canceled", "0")
        assert "ended before it was filled" in row["reason"]
    with Bot(tmp_path, "--set", "strategy.entry_threshold=0.5") as bot:  # it is told once
        bot.until(lambda state: state["metrics"]["ticks"] > 0)
        bot.stop()
    assert {row["run"] for row in listed(tmp_path, "orders")} == {1, 2}


def listed(folder: Path, what: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in microbot(what, "--json", cwd=folder).stdout.splitlines()]


def test_a_deadline_that_passed_while_nobody_watched_is_kept(tmp_path: Path) -> None:
    killed_with_a_position(tmp_path)
    wide = ("--set", "strategy.profit_target=0.5", "--set", "strategy.stop_loss=0.4")
    flat = ("--set", "strategy.flat_seconds=100000")
    with Bot(tmp_path, *wide, *flat, "--set", "strategy.entry_threshold=0.5") as bot:  # with its time stop of 8 seconds
        bot.until(lambda state: state["metrics"]["trades"] == 2)
        bot.stop()
    found = microbot("trades", cwd=tmp_path)
    assert [json.loads(line)["exit_reason"] for line in found.stdout.splitlines()] == ["TIME", "TIME"]


def test_a_bot_that_was_stopped_in_order_trades_again_when_it_is_started(tmp_path: Path) -> None:
    """Flattening at the end is no pause that somebody asked for."""
    with Bot(tmp_path, *EAGER, *PATIENT) as bot:
        bot.until(lambda state: state["positions"])
        assert bot.stop()["open_positions"] == 0
    with Bot(tmp_path, *EAGER, *PATIENT) as bot:
        state = bot.until(lambda state: state["positions"])
        assert state["state"]["state"] == "ACTIVE"
        bot.stop()


def test_halted_is_halted_after_a_restart_until_somebody_resumes(tmp_path: Path) -> None:
    with Bot(tmp_path) as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 0)
        bot.command("halt")
        bot.until(lambda state: state["state"]["state"] == "HALTED")
        bot.process.send_signal(signal.SIGKILL)
        bot.process.wait()
    with Bot(tmp_path) as bot:
        bot.until(lambda state: state["state"]["state"] == "HALTED")
        bot.command("resume")
        bot.until(lambda state: state["state"]["state"] == "ACTIVE")
        bot.stop()


def test_a_fresh_book_forgets_and_the_history_stays(tmp_path: Path) -> None:
    killed_with_a_position(tmp_path)
    before = len(microbot("signals", cwd=tmp_path).stdout.splitlines())
    with Bot(tmp_path, "--fresh", "--set", "strategy.entry_threshold=0.5") as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 0)
        assert bot.state["positions"] == []
        bot.stop()
    assert len(microbot("signals", cwd=tmp_path).stdout.splitlines()) == before > 1


def test_a_tape_has_a_time_of_its_own_and_leaves_the_book_alone(tmp_path: Path) -> None:
    killed_with_a_position(tmp_path)
    tape = [{"type": "trade", "symbol": "A", "ts": 10**18 + n * 10**9, "price": 100, "size": 1} for n in range(3)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, tape)))
    with Bot(tmp_path, "--feed", "tape:t.jsonl", "--speed", 100) as bot:
        assert bot.ended()["ticks"] == 3
    with Bot(tmp_path, *EAGER, *PATIENT) as bot:
        assert bot.line("resumed: ")
        bot.stop()


def test_at_a_broker_what_happened_meanwhile_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    still = (*PATIENT, "--set", "orders.protective_stop=0.45")
    with ExchangeServer("--speed", 20) as exchange:
        with at(exchange, tmp_path, 20, *EAGER, *ORDERS_IN_A_HURRY, *still) as bot:
            wait_until(lambda: len(exchange.open_orders) == 2 and len(exchange.positions) == 2)
            bot.process.send_signal(signal.SIGKILL)
            bot.process.wait()
        symbol = sorted(exchange.positions)[0]
        for order in exchange.open_orders:
            if order["symbol"] == symbol:
                exchange.call("DELETE", f"/v2/orders/{order['id']}")
        never = ("--set", "strategy.entry_threshold=0.5")
        with at(exchange, tmp_path, 20, *ORDERS_IN_A_HURRY, *still, *never) as bot:
            assert bot.line("resumed: ")
            wait_until(lambda: len(exchange.open_orders) == 2)  # the stop that was gone is set again
            assert len(exchange.positions) == 2
            bot.command("flatten")
            exchange.until_flat()
            bot.until(lambda state: not state["positions"])
            assert bot.state["state"]["state"] == "PAUSED"
            bot.stop()


# ------------------------------------------------------------------------------------------------- the history


def test_trades_signals_and_orders_are_listed_also_while_the_bot_runs(tmp_path: Path) -> None:
    with Bot(tmp_path, *EAGER) as bot:
        bot.until(lambda state: state["metrics"]["trades"] >= 2)
        trades = [json.loads(line) for line in microbot("trades", "--json", cwd=tmp_path).stdout.splitlines()]
        assert len(trades) >= 2
        signals = list(csv.DictReader(io.StringIO(microbot("signals", "--csv", cwd=tmp_path).stdout)))
        assert {trade["decision"] for trade in trades} <= {signal["decision"] for signal in signals}
        orders = [json.loads(line) for line in microbot("orders", cwd=tmp_path).stdout.splitlines()]
        assert {order["status"] for order in orders} == {"submitted", "fill"}
        later = microbot("trades", "--since", "2100-01-01", cwd=tmp_path)
        assert later.stdout == ""
        bot.stop()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "yesterday"), "--since wants a time such as"),
        (("--since", "2999-01-01"), "--since wants a time such as"),
        (("--since", "1500-01-01"), "--since wants a time such as"),
        (("--data-dir", ""), "'--data-dir': it is empty: name a folder"),
        (("--json", "--csv"), "exclude each other"),
        ((), "there is no journal"),
        (("--csv",), "there is no journal"),
    ],
)
def test_what_cannot_be_listed_is_said_in_a_sentence(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    refused = microbot("trades", *options, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert said in refused.stderr


def test_a_journal_that_is_none_stops_the_start_and_stays(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / JOURNAL).write_text("my diary\n" * 200)
    refused = microbot("run", "--port", "0", "--exchange-port", "0", cwd=tmp_path)
    assert refused.returncode == 2
    assert "move it away, or restore it" in refused.stderr
    assert (tmp_path / "data" / JOURNAL).read_text().startswith("my diary")


@pytest.mark.parametrize("width", [80, 100, 130, 240])
def test_a_list_fits_its_terminal_and_never_cuts_the_decision(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    trade = dict.fromkeys(history.COLUMNS["trades"]) | {
        "run": 12,
        "decision": "20260105T143254-1102",
        "symbol": "AAPL",
        "side": "LONG",
        "quantity": "1.0",
        "entry_ts": 1_767_623_400_000_000_000,
        "exit_ts": 1_767_623_408_000_000_000,
        "exit_reason": "FLATTEN",
        **dict.fromkeys(("entry_price", "exit_price"), "0.0000131"),
        **dict.fromkeys(("pnl", "pnl_pct", "fees", "equity"), "10000.123456"),
    }
    history._print_table([trade], "trades")
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line.rstrip()) <= width for line in lines[:2])
    assert "20260105T143254-1102" in lines[1]
    assert "$10000.12" in lines[1]  # what it came to
    assert ("0.0000131" in lines[1]) is (width > 100)  # with the digits that it has, where there is room
    assert not any("…" in line for line in lines)
    assert any("left out" in line for line in lines) is (width < 240)


def test_a_list_as_csv_moves_no_cursor_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    row = dict.fromkeys(history.COLUMNS["orders"]) | {"run": 1, "symbol": "\x1b[2JA\r\n\u202e", "reason": "no " * 1_000}
    history.show(iter([row]), "orders", as_json=False, as_csv=True)
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.splitlines())
    (told,) = csv.DictReader(io.StringIO(printed))
    assert (told["symbol"], told["reason"]) == ("\\x1b[2JA\\r\\n\\u202e", row["reason"])
