"""Faults that the bot as a whole has to bear: silence, wrong keys, a clock that steps, floods, and strangers' hands."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from actors.messages import OrderSubmitted
from mock_exchange.events import Trade as Print
from mock_exchange.market import tape
from pipeline.admission import IMPLAUSIBLE_TIME
from pipeline.events import SECOND
from tests.support import live
from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, PATIENT, Log, Replayed, at
from tests.support.exchange import Account, ExchangeServer
from tests.support.faults import guarded
from tests.support.live import Bot, microbot, wait_until
from tests.support.market import START

SPEED = 20

# ----------------------------------------------------------------------------------------------------------- silence

QUIET = '''
"""Buy AAPL on its ticks, and MSFT when it was not traded for 40 seconds."""

from reactivex import operators as ops

from pipeline import operators as op
from pipeline.events import Side, Signal
from pipeline.strategy import Strategy, StrategySettings, default_exits


def buy(tick):
    return Signal(tick.symbol, tick.ts, Side.LONG, tick.price, 0.0, 0.0, 0.0)


def entries(ticks):
    at_once = ticks.pipe(ops.filter(lambda tick: tick.symbol == "AAPL"))
    in_silence = ticks.pipe(ops.filter(lambda tick: tick.symbol == "MSFT"), ops.debounce(40.0))
    return op.merge(at_once, in_silence).pipe(ops.map(buy))


exits = default_exits(StrategySettings(profit_target=0.5, stop_loss=0.4, time_stop_seconds=80, flat_seconds=10_000))
strategy = Strategy("quiet", entries, exits)
'''


def test_a_venue_that_falls_silent_is_stale_its_entries_refused_its_exits_on_time_and_it_is_left(
    tmp_path: Path,
) -> None:
    (tmp_path / "quiet.py").write_text(QUIET)
    options = (
        *("--strategy", "quiet.py:strategy", "--set", "feed.stale_after_s=0.5", "--set", "feed.silent_after_s=1"),
        *("--set", "orders.protective_stop=0.45", *ORDERS_IN_A_HURRY),
    )
    with ExchangeServer("--speed", 40) as exchange, at(exchange, tmp_path, 40, *options) as bot:
        log = Log(bot)
        wait_until(lambda: bool(log.of("trade.closed")))
        log.forget()
        wait_until(lambda: bool(log.of("position.opened")))
        log.forget()
        exchange.strike("mute:0")
        state = bot.until(lambda state: state["refusals"].get("STALE_FEED") and not state["positions"])
        assert state["feed"]["state"] != "LIVE"
        assert [notice for notice in state["notices"] if notice["text"].startswith("feed STALE: no message for")]
        assert {line["symbol"] for line in log.of("signal.refused", reason="STALE_FEED")} == {"MSFT"}
        assert [line["reason"] for line in log.of("trade.closed")] == ["TIME"]
        wait_until(lambda: len(log.of("feed.connected")) >= 3)  # each is as mute as the one before
        assert len(log.of("feed.changed", state="STALE")) == 1  # what never was LIVE is CONNECTING, or DOWN
        assert exchange.positions == {}
        assert not log.of("signal.approved")
        exchange.strike()
        bot.until(lambda state: state["feed"]["state"] == "LIVE" and state["positions"])


# -------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("fault", ["wrong_key", "handshake:403"])
def test_keys_that_are_refused_end_it_with_one_sentence_and_no_order(fault: str, tmp_path: Path) -> None:
    with ExchangeServer("--speed", SPEED, "--fault", fault) as exchange:
        where = ("--venue", "alpaca", "--url", exchange.url, "--symbols", "AAPL,MSFT", "--port", "0")
        done = microbot("run", *where, cwd=tmp_path)
        assert done.returncode == 1
        (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("microbot: ")]
        assert "key" in sentence
        assert "Traceback" not in done.stderr
        exchange.strike()
        assert exchange.orders == []
        assert done.stderr.count("connected to") <= 1


def test_keys_that_are_revoked_in_mid_session_are_waited_for_and_its_stops_stay_at_the_venue(tmp_path: Path) -> None:
    options = (*EAGER, *PATIENT, *ORDERS_IN_A_HURRY)
    with ExchangeServer("--speed", SPEED) as exchange, at(exchange, tmp_path, SPEED, *options) as bot:
        wait_until(lambda: guarded(exchange))
        held = exchange.positions
        exchange.strike("drop:0")
        wait_until(lambda: bool(Log(bot).of("feed.changed", state="DOWN")))
        exchange.strike("wrong_key")
        log = Log(bot)
        wait_until(lambda: sum("refused the keys" in it["reason"] for it in log.of("feed.changed", state="DOWN")) >= 3)
        assert bot.process.poll() is None
        waits = [it["failures"] for it in log.of("feed.reconnecting")]
        assert waits == sorted(waits)
        exchange.strike()
        assert guarded(exchange)
        assert exchange.positions == held
        wait_until(lambda: log.of("feed.changed")[-1]["state"] == "LIVE")


# ------------------------------------------------------------------------------------------------------------- clocks

STEPPED = """
import os
import pathlib
import time


def stepped(clock, unit):
    step = pathlib.Path(os.environ["CLOCK_STEP"])
    return lambda: clock() + int(step.read_text()) * unit


time.time = stepped(time.time, 1)
time.time_ns = stepped(time.time_ns, 1_000_000_000)
"""


def test_a_machine_whose_clock_steps_goes_on_as_if_nothing_had_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, written, patched = tmp_path / "step", tmp_path / "next", tmp_path / "patched"
    patched.mkdir()
    (patched / "sitecustomize.py").write_text(STEPPED)
    step.write_text("0")
    usual = live.environment()
    stepped = usual | {"PYTHONPATH": f"{patched}:{usual['PYTHONPATH']}", "CLOCK_STEP": str(step)}
    with ExchangeServer("--speed", SPEED) as exchange:
        monkeypatch.setattr(live, "environment", lambda: stepped)
        with at(exchange, tmp_path, SPEED, *EAGER, *ORDERS_IN_A_HURRY) as bot:
            bot.until(lambda state: state["metrics"]["trades"] >= 1)
            log = Log(bot)
            log.forget()
            for seconds in (3600, -3600):
                before = bot.state["metrics"]["trades"]
                written.write_text(str(seconds))
                written.replace(step)  # at once: a clock that reads half a step would raise
                bot.until(lambda state, before=before: state["metrics"]["trades"] >= before + 2)  # type: ignore[misc]
            assert not log.of("feed.changed")
            assert not log.of("feed.refused", reason=IMPLAUSIBLE_TIME)
            assert not log.of("broker.changed")
            closed, now = log.of("trade.closed"), bot.state["now"]  # which is as old as the page's last news
            assert all(-60 * SECOND <= now - line["exit_ts"] < 1800 * SECOND for line in closed)
            assert bot.state["state"]["state"] == "ACTIVE"


# ------------------------------------------------------------------------------------------------------------- floods

MANY = [f"S{number}" for number in range(60)]
BURST = 50_000


def test_fifty_thousand_events_at_once_are_all_taken_and_what_is_not_shown_is_counted(tmp_path: Path) -> None:
    """About half of them are trades; the others are quotes, and a few bars."""
    options = (
        *("--symbols", ",".join(MANY), "--speed", 50, "--seed", 3, *EAGER),
        *("--set", "exchange.queue_events=1000000", "--set", "exchange.queue_bytes=1000000000"),
        *("--set", f"exchange.start_at={START}", "--set", f'exchange.faults=["burst:{BURST}"]'),
        *("--set", "admission.max_skew_s=10000", "--set", "feed.stale_after_s=60"),
    )
    deepest: dict[str, float] = defaultdict(float)  # fraction of its bound that a queue took

    def all_shown(state: dict[str, Any]) -> bool:
        for queue in state["bounded"]:
            deepest[queue["name"]] = max(deepest[queue["name"]], queue["depth"] / queue["limit"])
        shown = sum(view["seen"] + view["skipped"] for view in state["symbols"].values())
        return bool(BURST * 0.45 <= state["metrics"]["ticks"] == shown)

    with Bot(tmp_path, *options) as bot:
        feed = bot.until(lambda state: state["metrics"]["ticks"])["session"]["feed"]
        Account(int(feed.rpartition(":")[2])).strike("burst:1000000")  # and no other for now
        state = bot.until(all_shown)
        summary = bot.stop()
    prints = (event for event in tape(MANY, 3, START, 86_400) if isinstance(event, Print))
    last = {event.symbol: event.price for event in islice(prints, state["metrics"]["ticks"])}
    assert {name: view["price"] for name, view in state["symbols"].items()} == last
    assert sum(view["skipped"] for view in state["symbols"].values()) > 0
    assert state["metrics"]["ticks_late"] == state["metrics"]["ticks_rejected"] == 0
    assert deepest.keys() == {"gate", "dashboard pipe", "ticks to show", "timers", "browser"}
    assert max(deepest.values()) <= 1
    assert summary["failed"] == {}
    assert summary["trades"] > 3
    assert len(Log(bot).of("trade.closed")) == summary["trades"]


# ------------------------------------------------------------------------------------------------- a runaway strategy

RUNAWAY = '''
"""Wish to buy at every tick, ten times."""

from pipeline import operators as op
from pipeline.events import Side, Signal
from pipeline.operators.lift import Step
from pipeline.strategy import Strategy, StrategySettings, default_exits


def runaway(emit, scheduler):
    def on_next(tick):
        for _ in range(10):
            emit(Signal(tick.symbol, tick.ts, Side.LONG, tick.price, 0.0, 0.0, 0.0))

    return Step(on_next)


strategy = Strategy("runaway", lambda ticks: ticks.pipe(op.lift(runaway)), default_exits(StrategySettings()))
'''


def runaway(folder: Path, exchange: ExchangeServer, symbols: list[str], *options: object) -> Bot:
    (folder / "runaway.py").write_text(RUNAWAY)
    wild = ("--strategy", "runaway.py:strategy", "--symbols", ",".join(symbols), "--record", "r.jsonl")
    return at(exchange, folder, SPEED, *wild, *ORDERS_IN_A_HURRY, *options)


def test_a_runaway_strategy_is_throttled_by_name_and_the_venue_sees_no_more_than_the_limits(tmp_path: Path) -> None:
    """The venue rejects every order, so that nothing but the limits holds the strategy back."""
    symbols = MANY[:14]
    repeat_s = 2.5  # each symbol as often as that is more than five entries a second, of all of them together
    # No faster: 2.5 s are to be longer than the venue takes to answer, also on a machine that is busy.
    speed = ("--speed", 4)
    with ExchangeServer(*speed, "--symbols", ",".join(symbols), "--fault", "rejects:1") as exchange:
        with runaway(tmp_path, exchange, symbols, *speed, "--set", f"limits.repeat_seconds={repeat_s}") as bot:
            state = bot.until(lambda state: state["metrics"]["funnel"]["signals"] >= 5_000)
            bot.stop()
        at_venue = [order["client_order_id"] for order in exchange.orders]
        assert exchange.positions == {}
    assert state["refusals"]["RATE_LIMIT"] > 0
    assert state["refusals"]["REPEATED"] > 0
    assert state["state"]["state"] == "ACTIVE"
    submitted = Replayed(tmp_path / "r.jsonl").of(OrderSubmitted)
    assert sorted(at_venue) == sorted(fact.order.id for fact in submitted)
    times = [fact.ts for fact in submitted]
    assert len(times) > 20
    assert all(later - earlier >= SECOND for earlier, later in zip(times, times[5:], strict=False))
    for symbol in symbols:
        own = [fact.ts for fact in submitted if fact.order.symbol == symbol]
        assert all(later - earlier >= repeat_s * SECOND for earlier, later in pairwise(own))


@pytest.mark.parametrize(
    ("limit", "reason"), [("limits.max_quantity=2", "MAX_QUANTITY"), ("limits.max_notional=10", "MAX_NOTIONAL")]
)
def test_an_oversized_order_is_refused_by_name_and_never_sent(limit: str, reason: str, tmp_path: Path) -> None:
    with (
        ExchangeServer("--speed", SPEED) as exchange,
        runaway(tmp_path, exchange, ["AAPL", "MSFT"], "--set", limit, "--set", "risk.position_size=3") as bot,
    ):
        state = bot.until(lambda state: state["refusals"].get(reason, 0) >= 1_000)
        assert set(state["refusals"]) <= {reason, "STALE_FEED", "BROKER_DOWN"}
        assert Log(bot).of("signal.refused", reason=reason)
        assert exchange.orders == []


# --------------------------------------------------------------------------------------------------- strangers' hands


def test_an_order_and_a_position_that_appear_in_mid_session_halt_it_are_listed_and_left_alone(tmp_path: Path) -> None:
    """The stranger deals in AAPL; the bot holds MSFT, and keeps guarding that."""
    options = (*EAGER, *PATIENT, *ORDERS_IN_A_HURRY, "--symbols", "MSFT", "--set", "orders.missing_s=10")
    with ExchangeServer("--speed", SPEED) as exchange, at(exchange, tmp_path, SPEED, *options) as bot:
        wait_until(lambda: guarded(exchange, "MSFT"))
        bot.until(lambda state: state["positions"])
        ours = {order["id"] for order in exchange.orders}
        held = exchange.positions
        exchange.strike("foreign_orders:7")
        state = bot.until(lambda state: "AAPL: the account holds 7, the book 0" in state["state"]["reason"])
        assert state["state"]["state"] == "HALTED"
        (stranger,) = [order for order in exchange.open_orders if order["id"] not in ours]
        assert f"is not ours ({stranger['id']})" in state["state"]["reason"]
        assert Log(bot).of("state.changed", state="HALTED")
        assert exchange.positions == held | {"AAPL": "7"}
        assert {order["id"] for order in exchange.open_orders} <= ours | {stranger["id"]}  # the stop is where it was
        bot.command("flatten")  # closes what is ours
        bot.until(lambda state: not state["positions"])
        wait_until(lambda: exchange.positions == {"AAPL": "7"})
        assert bot.state["state"]["state"] == "HALTED"
        bot.stop()
        assert exchange.positions == {"AAPL": "7"}
        assert [order["id"] for order in exchange.open_orders] == [stranger["id"]]
