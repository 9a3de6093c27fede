"""calibrate: the simulator's settings are found again, from orders of which it is known how they fared."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import pytest

from actors.brokers.simulated import ExecutionSettings
from actors.orders import OrderRole, OrderSide, OrderStatus, SubmitOrder
from pipeline.events import SECOND, Trade
from research import cli
from research.calibration.fitting import FEW, Fit, compare, exponential, fit, latencies, slippages
from research.calibration.imitated import imitated
from research.calibration.observed import Fill, LiveOrder, learnt_from, orders_of
from service import settings as settings_
from service.recorded.trust import Trust
from tests.service.test_cli import DAY, Run, assert_one_line, run
from tests.support.at_broker import record
from tests.support.market import at

__all__ = ["cli", "run"]  # which knows the commands that `cli` adds

PLAIN = ExecutionSettings()


def sent_in(path: Path) -> list[LiveOrder]:
    return list(orders_of(path, Trust(Path("data"))))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[LiveOrder, ...]:
    """Orders of sessions at the mock exchange, with the market that each met."""
    folder = tmp_path_factory.mktemp("sessions")
    paths = [record(folder / f"{seed}.jsonl.gz", seed, 180.0) for seed in (3, 4)]
    return tuple(order for path in paths for order in sent_in(path))


def as_broker_would(orders: Sequence[LiveOrder], **how: Any) -> list[LiveOrder]:
    """Return orders as they fare at a broker of which that is known: it draws its chances from another seed."""
    truth = ExecutionSettings(seed=1_234, **how)
    fared = [imitated(order, truth) for order in orders]
    return [msgspec.structs.replace(order, status=OrderStatus.FILLED) for order in fared]


# --------------------------------------------------------------------------------------------- it finds them again


def test_a_brokers_latency_and_slippage_are_found_in_its_sessions(tmp_path: Path) -> None:
    """A request takes 0.2 s on average, exponentially; a fill is 1.5 basis points worse than the quote."""
    paths = [record(tmp_path / f"{seed}.jsonl.gz", seed, 180.0, latency_s=0.2, worse_bps=1.5) for seed in (3, 4)]
    found = fit([order for path in paths for order in sent_in(path)], PLAIN)
    assert found.too_few == {}
    assert found.settings["liquidity"] == "unlimited"
    assert found.settings["slippage_model"] == "fixed"
    assert found.settings["slippage_bps"] == pytest.approx(1.5, abs=0.05)
    assert found.settings["latency_ms"] < 10
    by_chance = 3 * 200 / found.orders**0.5  # three standard errors of the mean of an exponential
    assert found.settings["latency_jitter_ms"] == pytest.approx(200, abs=by_chance)


def test_a_quick_broker_is_told_from_a_slow_one(real: Sequence[LiveOrder]) -> None:
    found = fit(real, PLAIN)
    assert found.settings["latency_ms"] + found.settings["latency_jitter_ms"] == pytest.approx(20, abs=8)
    assert found.settings["slippage_bps"] == 0.0


@pytest.mark.parametrize("model", ["fixed", "random"])
def test_the_simulators_own_latency_and_slippage_are_found(real: Sequence[LiveOrder], model: Any) -> None:
    how = {"latency_ms": 80.0, "latency_jitter_ms": 30.0, "slippage_bps": 2.0, "slippage_model": model}
    found = fit(as_broker_would(real, **how), PLAIN).settings
    assert found["slippage_model"] == model
    assert found["latency_ms"] == pytest.approx(80, abs=3)
    assert found["latency_jitter_ms"] == pytest.approx(30, rel=0.3)
    assert found["slippage_bps"] == pytest.approx(2.0, rel=0.25)  # half-normal: its mean has a wide error


def test_limited_liquidity_is_found(real: Sequence[LiveOrder]) -> None:
    wide = [
        msgspec.structs.replace(order, order=_times(order, 40), cancel_ts=order.ts + 3 * SECOND)
        for order in real
        if order.order.role is OrderRole.ENTRY
    ]
    live = as_broker_would(wide, liquidity="displayed", participation=0.25, latency_ms=50.0, patience_s=60.0)
    assert sum(len(order.fills) > 1 for order in live) > 10  # it fills them in parts
    found = fit(live, PLAIN)
    assert found.settings["liquidity"] == "displayed"
    assert found.settings["participation"] == pytest.approx(0.25, rel=0.2)
    assert found.settings["patience_s"] == pytest.approx(3.0, abs=0.6)
    by_name = {row.name: row for row in found.measured}
    assert by_name["filled, of the shares ordered"].left == pytest.approx(0, abs=0.05)


def test_a_patience_of_a_few_cancelled_entries_is_not_fitted(real: Sequence[LiveOrder]) -> None:
    wide = [
        msgspec.structs.replace(order, order=_times(order, 40), cancel_ts=order.ts + 3 * SECOND if number < 5 else None)
        for number, order in enumerate(order for order in real if order.order.role is OrderRole.ENTRY)
    ]
    found = fit(as_broker_would(wide, liquidity="displayed", participation=0.25, patience_s=60.0), PLAIN)
    assert found.settings["liquidity"] == "displayed"
    assert "patience_s" not in found.settings
    assert found.too_few == {"patience": 5}


def capped(number: int, live_bps: float, cap_bps: float | None) -> LiveOrder:
    """Return a filled order of which a simulated fill can cost no more than its limit is beyond the quote."""
    limit = None if cap_bps is None else Decimal(100) * (1 + Decimal(str(cap_bps)) / 10_000)
    fill = Fill(at(1), Decimal(1), Decimal(100) * (1 + Decimal(str(live_bps)) / 10_000))
    found = order(limit=limit, market=[Trade("A", at(1), 99.95, 1, 99.9, 100.0)], fills=[fill])
    sent = msgspec.structs.replace(found.order, id=f"mb-{number}")
    return msgspec.structs.replace(found, order=sent, status=OrderStatus.FILLED)


@pytest.mark.parametrize("without_limit", [0, 2])
def test_slippage_does_not_run_away_where_limits_cap_what_a_fill_costs(without_limit: int) -> None:
    orders = [capped(number, 1.47, None if number < without_limit else 1.27) for number in range(40)]
    found = fit(orders, PLAIN)
    assert 1.2 <= found.settings["slippage_bps"] <= 2 * 1.47
    assert any("1.47 bp worse" in note and "limit" in note for note in found.notes)
    rows = {row.name: row for row in found.measured}
    assert rows["slippage, mean"].simulated == pytest.approx(1.27, abs=0.1)  # as dear as they can be


def test_the_same_fills_without_limits_are_fitted_without_a_note() -> None:
    found = fit([capped(number, 1.47, None) for number in range(40)], PLAIN)
    assert found.settings["slippage_bps"] == pytest.approx(1.47, abs=0.01)
    assert found.notes == []


def _times(order: LiveOrder, times: int) -> Any:
    return msgspec.structs.replace(order.order, quantity=order.order.quantity * times)


def test_what_is_left_of_the_error_is_told(real: Sequence[LiveOrder]) -> None:
    live = as_broker_would(real, latency_ms=80.0, slippage_bps=2.0)
    rows = {row.name: row for row in compare(live, ExecutionSettings(latency_ms=80.0, slippage_bps=0.5))}
    assert rows["slippage, mean"].left == pytest.approx(-1.5, abs=0.2)
    assert rows["latency, mean"].left == pytest.approx(0, abs=1)
    assert rows["latency, mean"].live == pytest.approx(fmean(latencies(live)))


# -------------------------------------------------------------------------------------------------- how it measures


def test_an_exponential_beyond_a_least_value_has_no_bias() -> None:
    assert exponential([10.0, 12.0, 14.0]) == (9.0, 3.0)
    shift, beyond = exponential([-5.0, 1.0, 1.0])  # never below nothing
    assert shift == 0.0
    assert beyond == 0.0


def order(**words: Any) -> LiveOrder:
    sent = SubmitOrder("mb-1", "A", words.pop("side", OrderSide.BUY), Decimal(1), "1", OrderRole.ENTRY)
    sent = msgspec.structs.replace(sent, limit=words.pop("limit", None))
    return LiveOrder(sent, at(0), 99.9, 100.0, 99.95, **words)


def test_slippage_is_beside_the_quote_in_force_at_the_fill() -> None:
    moved = Trade("A", at(1), 100.1, 1, 100.0, 100.2)
    filled = order(market=[moved], fills=[Fill(at(2), Decimal(1), Decimal("100.2") * Decimal("1.0001"))])
    assert slippages([filled]) == [pytest.approx(1.0)]


def test_an_order_that_had_to_wait_for_its_limit_says_nothing_of_latency() -> None:
    away = Trade("A", at(1), 100.1, 1, 100.0, 100.2)
    back = Trade("A", at(3), 100.1, 1, 99.8, 100.0)
    fills = [Fill(at(3), Decimal(1), Decimal(100))]
    assert latencies([order(market=[away, back], fills=fills, limit=Decimal("100.05"))]) == []
    assert latencies([order(market=[away, back], fills=fills, limit=Decimal("100.5"))]) == [3_000.0]


def test_times_are_the_venues_also_where_the_market_was_quiet(real: Sequence[LiveOrder]) -> None:
    """A fill between two ticks is dated there, and not at the tick before: else many would have taken no time."""
    assert min(latencies(real)) > 0
    assert all(fill.ts % SECOND for live in real for fill in live.fills)


def test_orders_that_say_nothing_are_left_out_and_counted() -> None:
    good, why = learnt_from([order(status=OrderStatus.FILLED), order(), order(odd="rejected"), order(odd="rejected")])
    assert len(good) == 1
    assert why == {"open at the end": 1, "rejected": 2}


def test_a_few_orders_are_too_few(real: Sequence[LiveOrder]) -> None:
    found: Fit = fit(real[: FEW - 1], PLAIN)
    assert found.settings == {}
    assert found.too_few == {"latency": 14, "liquidity": 14, "slippage": 14}


# ------------------------------------------------------------------------------------------------------ the command


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return record(tmp_path / "s.jsonl.gz", 3, 180.0, latency_s=0.2, worse_bps=1.5)


def test_it_prints_toml_that_the_bot_reads(run: Run, session: Path, tmp_path: Path) -> None:
    costs = tmp_path / "costs.toml"
    done = run("calibrate", session, "--text", "--out", costs)
    assert done.code == 0, done.err
    text, _, table = done.out.partition("\n\n")
    assert tomllib.loads(text) == tomllib.loads(costs.read_text())
    for word in ("latency, mean (ms)", "slippage, mean (bp)", "live", "simulated", "left", "±"):
        assert word in table, word
    execution = settings_.load(costs, environment={}).execution
    assert execution.slippage_bps == pytest.approx(1.5, abs=0.05)
    asked = run("replay", session, "--what-if", "--config", costs, "--json")
    assert f"{execution.slippage_bps:g} bp of fixed slippage" in asked.err
    assert json.loads(asked.out)["sessions"][0]["before"]["trades"] > 5


def test_programs_get_it_as_json(run: Run, session: Path) -> None:
    told = json.loads(run("calibrate", session, "--json").out)
    assert told["sessions"] == [{"file": str(session), "orders": told["orders"]}]
    assert told["settings"]["execution"]["liquidity"] == "unlimited"
    assert {"name", "unit", "live", "simulated", "left", "error", "orders"} == set(told["measured"][0])


def test_a_short_session_has_too_few_orders(run: Run, tmp_path: Path) -> None:
    short = record(tmp_path / "short.jsonl.gz", 3, 20.0, settle=False)
    done = run("calibrate", short, "--json", "--out", tmp_path / "costs.toml")
    assert done.code == 0
    assert "too few orders to fit latency" in done.err
    assert json.loads(done.out)["settings"] == {"execution": {}}
    assert not (tmp_path / "costs.toml").exists()


def test_what_has_no_broker_is_refused(run: Run, session: Path, tmp_path: Path) -> None:
    assert_one_line(run("calibrate", DAY), "is a tape", "--venue alpaca")
    assert_one_line(run("calibrate", session, session), "named twice")
    (tmp_path / "costs.toml").write_text("")
    assert_one_line(run("calibrate", session, "--out", tmp_path / "costs.toml"), "is there already")


def test_without_the_extra_it_says_what_to_install(run: Run, session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert_one_line(run("calibrate", session), "calibrate needs numpy", "microbot-trading[research]")
