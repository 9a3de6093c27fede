"""A market that closes early on a Friday and opens again on Monday, the bot and the exchange as processes."""

from __future__ import annotations

from pathlib import Path

from actors.messages import PositionClosed
from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, PATIENT, Replayed, at
from tests.support.exchange import ExchangeServer
from tests.support.live import wait_until

SPEED = 50
HOURS = ("--set", "exchange.trading_hours=true", "--set", "exchange.skip_nights=true")


def is_open(exchange: ExchangeServer) -> bool:
    return bool(exchange.get("/v2/clock")["is_open"])


def test_the_bot_is_flat_at_an_early_close_and_enters_on_the_next_open(tmp_path: Path) -> None:
    """Its strategy never leaves a position: what closes them is the close of the market."""
    options = (*EAGER, *PATIENT, *ORDERS_IN_A_HURRY, "--set", "hours.calendar=XNYS", "--record", "r.jsonl")
    unhurried = ("--set", "risk.fallback_hold_s=1000000")
    with (
        ExchangeServer("--speed", SPEED, "--start-at", "2026-11-27T12:40:00-05:00", *HOURS) as exchange,
        at(exchange, tmp_path, SPEED, *options, *unhurried) as bot,
    ):
        wait_until(lambda: bool(exchange.positions))
        wait_until(lambda: not is_open(exchange))
        assert (exchange.positions, exchange.open_orders) == ({}, [])
        assert exchange.get("/v2/clock")["next_open"] == "2026-11-30T09:30:00-05:00"
        wait_until(lambda: is_open(exchange))
        assert exchange.positions == {}
        wait_until(lambda: bool(exchange.positions))
        assert is_open(exchange)
        state = bot.until(lambda state: bool(state["positions"]))
        assert state["state"]["state"] == "ACTIVE"
        bot.command("flatten")
        exchange.until_flat()
        bot.stop()
    assert (tmp_path / "r.jsonl").exists()
    reasons = [closed.exit_reason for closed in Replayed(tmp_path / "r.jsonl").of(PositionClosed)]
    assert reasons
    assert set(reasons) == {"CLOSE"}  # of Friday: on Monday another recording begins
