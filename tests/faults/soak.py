"""Faults that last for minutes, in real time and with the settings that a bot has by default: `make soak`."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from statistics import linear_regression

import pytest

from service.data_folder import JOURNAL
from tests.support.bots import EAGER, Log, Replayed, at
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


DAY_SPEED = 100
DAY_S = 86_400 / DAY_SPEED
PASSING = (
    *(
        "drop:20",
        "malformed:0.01",
        "strangers:0.05",
        "bad_prices:0.01",
        "duplicates:0.1",
        "reorder:0.05",
        "crossed:0.1",
    ),
    *("refuse:406", "drop_updates:10", "rest:503", "latency:100", "lost_answers:0.2", "rejects:0.2", "lost_fills:0.2"),
    *("double_fills:0.3", "slow_fills:1"),
)
"""What happens at a venue on a bad day, each of it for some seconds."""
QUOTA = 40_000_000


def on_disk(folder: Path) -> int:
    """Return the bytes of the recordings and logs in a bot's folder."""
    kept = [*(folder / "data" / "sessions").rglob("*"), *(folder / "logs").rglob("*")]
    return sum(path.stat().st_size for path in kept if path.is_file())


@pytest.mark.timeout(2_400)
def test_a_day_of_a_market_with_faults_needs_nobody(tmp_path: Path) -> None:
    """It is killed once, and started again, as a service manager does."""
    dice = random.Random(24)
    options = (
        *EAGER,
        *("--set", "risk.daily_loss_limit=-0.9", "--set", "limits.orders_per_second=1000", "--on-exit", "flatten"),
        *("--set", "record.session_bytes=8000000", "--set", f"record.keep_bytes={QUOTA}"),
        *("--set", "log.max_bytes=2000000", "--set", "log.keep=3"),
    )
    memory: list[tuple[float, float]] = []  # hours of the market since the second start, MB of the bot
    most = 0
    with ExchangeServer("--speed", DAY_SPEED) as exchange:
        began = time.monotonic()

        def pass_time(bot: Bot, until_s: float, begun_at: float | None = None) -> None:
            nonlocal most
            while time.monotonic() - began < until_s:
                exchange.strike(*dice.sample(PASSING, dice.randrange(1, 4)))
                time.sleep(8)
                exchange.strike()
                time.sleep(12)
                assert bot.process.poll() is None
                most = max(most, on_disk(tmp_path))
                if begun_at is not None and time.monotonic() - begun_at > MINUTE:
                    hours = (time.monotonic() - began) * DAY_SPEED / 3_600
                    memory.append((hours, resident_bytes(bot.process.pid) / 1e6))

        with at(exchange, tmp_path, DAY_SPEED, *options) as bot:
            pass_time(bot, DAY_S / 4)
            bot.process.send_signal(signal.SIGKILL)
            bot.process.wait()
        with at(exchange, tmp_path, DAY_SPEED, *options) as bot:
            pass_time(bot, DAY_S, time.monotonic())
            Struck(exchange, bot).goes_on()
            state = bot.state["state"]
            bot.stop()
        wait_until(lambda: not exchange.positions and not exchange.open_orders)
        earned = exchange.earned
    with closing(sqlite3.connect(tmp_path / "data" / JOURNAL)) as journal:
        closed = [
            json.loads(body) for (body,) in journal.execute("SELECT body FROM facts WHERE kind = 'position_closed'")
        ]
    booked = sum((Decimal(fact["pnl"]) + Decimal(fact["fees"]) for fact in closed), Decimal(0))
    later = memory[len(memory) // 2 :]  # by then what is kept in bounds has reached them
    slope, start = linear_regression(*zip(*later, strict=True))
    print(f"{len(closed)} trades, {booked} booked, {earned} at the venue, {most / 1e6:.1f} MB on disk at most,")
    print(f"memory {start + slope * later[0][0]:.1f} MB and {slope:+.3f} MB an hour of the market, state {state}:")
    print(", ".join(f"{hours:.1f} h {held:.1f} MB" for hours, held in memory[:: max(1, len(memory) // 24)]))
    assert state["state"] == "ACTIVE"
    assert booked.quantize(Decimal("0.01")) == earned
    assert most < QUOTA + 8_000_000 + 4 * 2_000_000
    assert slope * 24 < 24
