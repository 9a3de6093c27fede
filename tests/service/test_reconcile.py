"""`microbot reconcile` at the mock exchange: what halted the bot is shown, accepted, and the bot trades on."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, PATIENT, at
from tests.support.exchange import KEYS, ExchangeServer
from tests.support.live import microbot, wait_until

SPEED = 20
NEVER = ("--set", "strategy.entry_threshold=0.5")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def reconcile(exchange: ExchangeServer, folder: Path, *options: object, code: int) -> dict[str, Any]:
    """Run the command and return what it prints."""
    done = microbot("reconcile", "--url", exchange.url, "--json", *options, cwd=folder)
    assert done.returncode == code, (done.stdout, done.stderr)
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def order(exchange: ExchangeServer, side: str, quantity: object, **more: str) -> dict[str, Any]:
    """Order AAPL as a person beside the bot does; return the order."""
    body = {"symbol": "AAPL", "qty": str(quantity), "side": side, "type": "market", "time_in_force": "day", **more}
    placed: dict[str, Any] = exchange.call("POST", "/v2/orders", body)
    return placed


def test_what_is_not_ours_is_shown_accepted_and_left_alone_while_the_bot_trades(tmp_path: Path) -> None:
    with ExchangeServer("--speed", SPEED) as exchange:
        wait_until(lambda: bool(exchange.get("/v2/clock")))
        order(exchange, "buy", 7)
        resting = order(exchange, "buy", 2, type="limit", limit_price="1", time_in_force="gtc")
        wait_until(lambda: exchange.positions == {"AAPL": "7"})
        with at(exchange, tmp_path, SPEED, *EAGER) as bot:
            reason = bot.until(lambda state: "AAPL: the account" in state["state"]["reason"])["state"]["reason"]
            assert "AAPL: the account holds 7, the book 0" in reason
            assert resting["id"] in reason
            looked = reconcile(exchange, tmp_path, code=1)  # also while it runs
            refused = microbot("reconcile", "--url", exchange.url, "--accept", "--yes", cwd=tmp_path)
            assert refused.returncode == 1
            assert "another bot runs" in refused.stderr
            bot.stop()
        assert [(line["symbol"], line["account"], line["verdict"]) for line in looked["symbols"]] == [
            ("AAPL", "7", "not in the book")
        ]
        assert [line["verdict"] for line in looked["orders"]] == ["not ours"]
        reconcile(exchange, tmp_path, code=1)  # and afterwards; to look changes nothing
        reconcile(exchange, tmp_path, "--accept", "--yes", code=0)
        logged = [json.loads(line) for line in (tmp_path / "logs" / "microbot.jsonl").read_text().splitlines()]
        assert [line["foreign"] for line in logged if line["event"] == "book.reconciled"] == ["AAPL 7"]
        again = reconcile(exchange, tmp_path, code=0)
        assert again["differences"] == []
        with at(exchange, tmp_path, SPEED, *EAGER) as bot:
            state = bot.until(lambda state: state["state"]["state"] == "HALTED")
            assert "the account was reconciled" in state["state"]["reason"]  # a halt is lifted by `resume` alone
            bot.command("resume")
            bot.until(lambda state: state["metrics"]["trades"] >= 2)
            assert bot.state["state"]["state"] == "ACTIVE"
            assert {trade["symbol"] for trade in bot.state["trades"]} == {"MSFT"}
            bot.until(lambda state: state["refusals"].get("FOREIGN_ORDER"))  # the venue would refuse what crosses it
            exchange.call("DELETE", f"/v2/orders/{resting['id']}")
            bot.until(lambda state: "AAPL" in {trade["symbol"] for trade in state["trades"]})
            bot.command("flatten")
            bot.until(lambda state: not state["positions"])
            bot.stop()
        wait_until(lambda: exchange.positions == {"AAPL": "7"})
        assert not exchange.open_orders
        assert reconcile(exchange, tmp_path, code=0)["differences"] == []


def test_a_position_that_somebody_sold_is_closed_in_the_book_at_the_price_it_went_for(tmp_path: Path) -> None:
    options = (*EAGER, *ORDERS_IN_A_HURRY, *PATIENT)
    with ExchangeServer("--speed", SPEED, "--symbols", "AAPL,MSFT") as exchange:
        with at(exchange, tmp_path, SPEED, *options) as bot:
            wait_until(lambda: len(exchange.open_orders) == 2 and len(exchange.positions) == 2)
            bot.process.send_signal(signal.SIGKILL)
            bot.process.wait()
        held = exchange.positions["AAPL"]
        for stop in exchange.open_orders:
            if stop["symbol"] == "AAPL":
                exchange.call("DELETE", f"/v2/orders/{stop['id']}")
        sold = order(exchange, "buy" if held.startswith("-") else "sell", held.lstrip("-"))
        wait_until(lambda: "AAPL" not in exchange.positions)
        price = float(exchange.get(f"/v2/orders/{sold['id']}")["filled_avg_price"])

        lines = {line["symbol"]: line for line in reconcile(exchange, tmp_path, code=1)["symbols"]}
        assert (lines["AAPL"]["verdict"], lines["MSFT"]["verdict"]) == ("not in the account", "agrees")
        assert "the price of the order, not ours, that closed them" in lines["AAPL"]["explanation"]
        with at(exchange, tmp_path, SPEED, *options, *NEVER) as bot:
            bot.until(lambda state: "AAPL: the account holds 0" in state["state"]["reason"])
            bot.stop()
        reconcile(exchange, tmp_path, "--accept", "--yes", code=0)
        trades = [json.loads(line) for line in microbot("trades", cwd=tmp_path).stdout.splitlines()]
        assert [(trade["symbol"], trade["exit_reason"]) for trade in trades] == [("AAPL", "RECONCILED")]
        assert float(trades[0]["exit_price"]) == pytest.approx(price)
        with at(exchange, tmp_path, SPEED, *options, *NEVER) as bot:
            bot.until(lambda state: [p["symbol"] for p in state["positions"]] == ["MSFT"])
            bot.command("resume")
            bot.until(lambda state: state["state"]["state"] == "ACTIVE")
            bot.command("flatten")
            exchange.until_flat()
            bot.until(lambda state: not state["positions"])
            bot.stop()
        assert exchange.positions == {}
        assert reconcile(exchange, tmp_path, code=0)["differences"] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--venue", "binance"), "has no account"),
        (("--accept",), "say --yes as well"),
        (("--accept", "--yes"), "there is no book to reconcile"),
        (("--live", "--url", "http://127.0.0.1:1"), "exclude each other"),
        (("--url", "nowhere"), "--url wants an address"),
        ((), "there is no book to reconcile"),
    ],
)
def test_what_cannot_be_reconciled_is_said_in_a_sentence(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    refused = microbot("reconcile", *options, cwd=tmp_path)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_account_s_book_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExchangeServer("--speed", SPEED, "--key", "MOCK-KEY:MOCK-SECRET", "--key", "K2:S2") as exchange:
        with at(exchange, tmp_path, SPEED, *NEVER) as bot:
            bot.until(lambda state: state["metrics"]["ticks"] > 0)
            bot.command("pause")  # the book is written
            bot.stop()
        reconcile(exchange, tmp_path, code=0)
        monkeypatch.setenv("APCA_API_KEY_ID", "K2")
        monkeypatch.setenv("APCA_API_SECRET_KEY", "S2")
        refused = microbot("reconcile", "--url", exchange.url, "--accept", "--yes", cwd=tmp_path)
        assert refused.returncode == 2
        assert "the book is of the account" in refused.stderr


def test_keys_that_are_refused_are_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bot-id").write_text("0123abcd\n")
    with ExchangeServer() as exchange:
        monkeypatch.setenv("APCA_API_SECRET_KEY", "WRONG")
        refused = microbot("reconcile", "--url", exchange.url, cwd=tmp_path)
        assert refused.returncode == 2
        assert "the venue refused the keys" in refused.stderr
        assert "WRONG" not in refused.stderr
