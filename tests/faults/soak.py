"""Faults that last for minutes, in real time and with the settings that a bot has by default: `make soak`."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.bots import EAGER, Log, Replayed
from tests.support.exchange import ExchangeServer
from tests.support.faults import Struck, books_agree, resident_bytes
from tests.support.live import Bot, wait_until

pytestmark = pytest.mark.timeout(600)

MINUTE = 60
CHANGING_S = 180
MIXTURE = (
    *("drop:200", "mute:300", "malformed:0.05", "oversized:0.01", "strangers:0.05", "bad_prices:0.05", "spikes:0.01"),
    *("duplicates:0.1", "reorder:0.1", "gaps:0.1", "late_times:0.02", "future_times:0.02", "crossed:0.1"),
    *("burst:2000", "refuse:406", "handshake:503", "drop_updates:20", "mute_updates:20", "rest:503", "latency:200"),
    *("lost_answers:0.3", "rejects:0.3", "lost_fills:0.3", "double_fills:0.3", "early_fills:100", "slow_fills:1"),
    "late_cancels:3",
)


def by_default(exchange: ExchangeServer, folder: Path, speed: float, *options: object) -> Bot:
    """Start the bot as patient as it is."""
    where = ("--venue", "alpaca", "--url", exchange.url, "--speed", speed, "--symbols", "AAPL,MSFT")
    return Bot(folder, *where, *EAGER, *options)


def test_a_minute_of_refusals_is_met_by_at_most_twelve_connections(tmp_path: Path) -> None:
    with ExchangeServer("--speed", 1, "--fault", "refuse:406") as exchange, by_default(exchange, tmp_path, 1) as bot:
        log = Log(bot)
        wait_until(lambda: bool(log.of("feed.connected")))
        time.sleep(MINUTE)
        connections, waits = log.of("feed.connected"), [line["delay_s"] for line in log.of("feed.reconnecting")]
        print(f"{len(connections)} connections in a minute; delays {waits}")
        assert 5 <= len(connections) <= 12
        assert max(waits) > 10
        exchange.strike()
        wait_until(lambda: bool(log.of("feed.changed", state="LIVE")), 40)
        bot.until(lambda state: state["metrics"]["ticks"])


def test_silence_of_three_times_the_staleness_limit_is_stale_left_and_traded_on_no_more(tmp_path: Path) -> None:
    often = ("--set", "feed.silent_after_s=20")
    with ExchangeServer("--speed", 1) as exchange, by_default(exchange, tmp_path, 1, *often) as bot:
        log = Log(bot)
        bot.until(lambda state: state["metrics"]["ticks"] > 20)
        exchange.strike("mute:4")  # a new connection gets as far as its subscription
        wait_until(lambda: bool(log.of("feed.changed", state="STALE")), 40)
        stale_since = time.time_ns()
        time.sleep(30)
        stale = log.of("feed.changed", state="STALE")
        print(f"{len(stale)} times STALE, {len(log.of('feed.connected'))} connections")
        assert len(stale) >= 1
        assert [line for line in log.of("signal.approved") if line["ts"] > stale_since] == []
        assert bot.state["positions"] == []  # whatever was open left on time
        exchange.strike()
        wait_until(lambda: bot.state["feed"]["state"] == "LIVE", 40)


def test_minutes_of_changing_faults_end_with_the_same_books_on_both_sides(tmp_path: Path) -> None:
    dice = random.Random(7)  # which faults come together is no secret
    hasty = (
        "--set",
        "feed.most_delay_s=2",
        "--set",
        "feed.stale_after_s=3",
        "--set",
        "feed.silent_after_s=5",
        "--set",
        "broker.most_delay_s=2",
    )
    options = (*hasty, "--set", "risk.daily_loss_limit=-0.9", "--record", "r.jsonl", "--on-exit", "flatten")
    with ExchangeServer("--speed", 10) as exchange:
        with by_default(exchange, tmp_path, 10, *options) as bot:
            struck = Struck(exchange, bot)
            bot.until(lambda state: state["trades"])
            at_first = resident_bytes(bot.process.pid)
            until = time.monotonic() + CHANGING_S
            while time.monotonic() < until:
                faults = dice.sample(MIXTURE, dice.randrange(1, 5))
                exchange.strike(*faults)
                time.sleep(6)
                exchange.strike()
                time.sleep(2)
                assert bot.process.poll() is None
            struck.goes_on()
            grown = resident_bytes(bot.process.pid) - at_first
            state = bot.state
            print(f"{state['metrics']['trades']} trades, refused {state['metrics']['ticks_rejected']} inputs,")
            print(f"signals refused {state['refusals']}, queues {state['queues']}, memory grew by {grown:,} bytes")
            assert state["state"]["state"] == "ACTIVE", state["state"]
            assert grown < 100 << 20
            summary = bot.stop()
        wait_until(lambda: not exchange.positions)
        books_agree(exchange, Replayed(tmp_path / "r.jsonl"))
    assert summary["open_positions"] == 0
