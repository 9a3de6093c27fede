"""What if: sessions decided with other settings, beside what they decide with their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

import microbot
from actors.book import Book
from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import CoreSettings
from actors.orders import OrderReport
from pipeline.events import Trade
from pipeline.strategy import StrategySettings
from research import cli
from research.what_if import what_if
from service import settings as settings_
from service.recorded import replay, tapes
from service.recorded.decisions import Changes
from service.recorded.recording import Recorder
from service.recorded.simulation import without_broker
from service.recorded.trust import Trust
from simulation.faults import EAGER as SIMULATED_EAGER, Faults, Scenario
from simulation.world import World
from tests.service.test_cli import Run, assert_one_line, bytes_of, run
from tests.support.at_broker import record
from tests.support.market import quote, trade

__all__ = ["cli", "run"]  # which knows the commands that `cli` adds

EAGER = StrategySettings(window_size=5, volatility_guard_threshold=0.0, time_stop_seconds=5, flat_seconds=1_000)


def bursts(count: int, up: Sequence[bool] = (True, False, False)) -> list[Any]:
    """Bursts, one every 30 s, after each of which the price runs on or comes back."""
    events: list[Any] = []
    for number in range(count):
        start, runs_on = 30.0 * number, up[number % len(up)]
        prices = [100.0] * 8 + [100.1] + [100.1 + 0.05 * (1 if runs_on else -1) * step for step in range(1, 6)]
        for second, price in enumerate(prices):
            events.append(quote(start + second, price - 0.01, price + 0.01))
            events.append(trade(start + second, price, 1_000 if second == 8 else 10))
    return events


def recorded(path: Path, events: Sequence[Any], strategy: StrategySettings = EAGER, fee: float = 0.001) -> Path:
    recorder = Recorder(path, CoreSettings(strategy=strategy, execution=ExecutionSettings(fee_per_share=fee)), None)
    recorder.write(events)
    recorder.close()
    return path


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [recorded(tmp_path / "a.jsonl.gz", bursts(12)), recorded(tmp_path / "b.jsonl.gz", bursts(6, (False,)))]


def asked(paths: Sequence[Path], *assignments: str) -> Any:
    return what_if(paths, Changes(None, assignments), Trust(Path("data")))


def test_each_side_is_what_a_replay_of_it_decides(two: list[Path]) -> None:
    found = asked(two, "strategy.stop_loss=0.005")
    for path, row in zip(two, found.sessions, strict=True):
        layer = tapes.recorded_settings(path)
        assert layer is not None
        for side, assignments in ((row.before, ()), (row.after, ("strategy.stop_loss=0.005",))):
            effective = settings_.load(None, assignments, recorded=layer.settings, environment={})
            summary: dict[str, Any] = replay.replay(path, effective)
            assert (side.trades, side.wins, side.losses) == tuple(summary[key] for key in ("trades", "wins", "losses"))
            assert side.net == pytest.approx(summary["total_pnl"])
            assert side.gross - side.fees == pytest.approx(side.net)
            assert side.fees == pytest.approx(0.002 * side.trades)
    assert found.sessions[0].before.exits["SL"] > 0
    assert "SL" not in found.sessions[0].after.exits
    assert [(c.setting, c.before, c.after) for c in found.changes] == [("strategy.stop_loss", 0.0005, 0.005)]


def test_what_spread_and_slippage_cost_is_told(two: list[Path]) -> None:
    """A quote is 2 cents wide: two halves of it a trade; and a slippage of 1 basis point is paid twice."""
    found = asked(two, "execution.slippage_bps=1").in_all
    assert found.before.trades > 3
    assert found.before.spread == pytest.approx(0.02 * found.before.trades)
    assert found.before.slippage == pytest.approx(0)
    assert found.after.slippage == pytest.approx(0.02 * found.after.trades, rel=0.01)
    assert found.after.not_known == 0


def test_the_sum_has_what_its_sessions_have(two: list[Path]) -> None:
    found = asked(two, "strategy.stop_loss=0.005")
    one, other, both = (row.after for row in (*found.sessions, found.in_all))
    assert both.trades == one.trades + other.trades > 0
    assert both.net == pytest.approx(one.net + other.net)
    assert both.exits == {key: one.exits.get(key, 0) + other.exits.get(key, 0) for key in both.exits}
    assert sum(both.exits.values()) == both.trades
    assert sum(both.exits_net.values()) == pytest.approx(both.net)


def test_the_trades_are_told_apart_by_the_signal_that_they_began_with(two: list[Path]) -> None:
    kept = asked(two, "strategy.stop_loss=0.005").in_all
    assert kept.moved.other_exit == kept.before.exits["SL"]
    assert kept.moved.same + kept.moved.other_exit == kept.before.trades
    fewer = asked(two, "strategy.entry_threshold=0.5").in_all
    assert (fewer.moved.gone, fewer.after.trades) == (fewer.before.trades, 0)
    shy = recorded(two[0].parent / "c.jsonl.gz", bursts(2), msgspec.structs.replace(EAGER, entry_threshold=0.5))
    assert asked([shy], "strategy.entry_threshold=0.0005").in_all.moved.new == 2


NEVER = "strategy.time_stop_seconds=900", "strategy.profit_target=0.5", "strategy.stop_loss=0.5"


def test_a_loser_that_is_let_run_is_no_gain(run: Run, tmp_path: Path) -> None:
    """What is open at the end counts at the last price: five cents a step below where it was stopped out."""
    falls = [recorded(tmp_path / f"{n}.jsonl.gz", bursts(1, (False,))) for n in range(16)]
    found = asked(falls, *NEVER)
    before, after = found.in_all.before, found.in_all.after
    assert (before.trades, before.exits, before.open_positions) == (16, {"SL": 16}, 0)
    assert (after.trades, after.open_positions) == (0, 16)
    assert after.open_pnl < before.net < 0
    assert found.by_trade.mean * 16 == pytest.approx(after.open_pnl - before.net)
    assert found.by_trade.mean < 0
    assert msgspec.structs.astuple(found.in_all.moved) == (0, 16, 0, 0)  # none is gone
    back = asked([recorded(tmp_path / "b.jsonl.gz", bursts(1, (False,)), let_run())], "strategy.stop_loss=0.0005")
    assert msgspec.structs.astuple(back.in_all.moved) == (0, 1, 0, 0)  # nor new
    assert back.by_trade.mean == pytest.approx(-found.by_trade.mean)
    shown = run("replay", *falls[:2], *(word for each in NEVER for word in ("--set", each)), "--text").out
    assert "still open at the end" in shown
    assert "P/L of these at the last price" in shown


def let_run() -> StrategySettings:
    return msgspec.structs.replace(EAGER, time_stop_seconds=900, profit_target=0.5, stop_loss=0.5)


def test_whether_the_difference_can_be_told_from_luck(run: Run, tmp_path: Path) -> None:
    """Each trade costs 2 cents more: no luck is in that. A wider stop helps some trades and hurts others."""
    both = [recorded(tmp_path / f"{n}.jsonl.gz", bursts(60, (True, False, False, n > 1))) for n in (1, 2)]
    dearer = run("replay", *both, "--set", "execution.slippage_bps=1", "--json")
    told = json.loads(dearer.out)["by_trade"]
    assert "more than luck" in dearer.err
    assert told["mean"] == pytest.approx(-0.02, rel=0.05)
    assert told["low"] <= told["mean"] <= told["high"] < 0
    both_ways = asked(both, "strategy.stop_loss=0.0011")
    assert both_ways.by_trade.n == both_ways.in_all.moved.same + both_ways.in_all.moved.other_exit
    assert both_ways.by_trade.mean * both_ways.by_trade.n == pytest.approx(
        both_ways.in_all.after.net - both_ways.in_all.before.net
    )


def test_without_a_change_nothing_differs_and_it_says_so(run: Run, two: list[Path]) -> None:
    found = run("replay", *two, "--json")
    assert found.code == 0
    assert "nothing is changed" in found.err
    told = json.loads(found.out)
    assert told["changes"] == []
    assert told["in_all"]["after"] is None


def test_one_session_is_replayed_as_ever(run: Run, two: list[Path], tmp_path: Path) -> None:
    """Byte for byte what the service's own command writes and prints."""
    layer = tapes.recorded_settings(two[0])
    assert layer is not None
    summary = replay.replay(two[0], settings_.load(recorded=layer.settings, environment={}), None, tmp_path / "own")
    done = run("replay", two[0], "--out", tmp_path / "out", "--json")
    assert done.out.encode() == replay.summary_json(summary)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "own")


def test_the_command_shows_a_table_of_what_would_have_changed(run: Run, two: list[Path], tmp_path: Path) -> None:
    done = run("replay", *two, "--set", "strategy.stop_loss=0.005", "--text", "--out", tmp_path / "out")
    assert done.code == 0
    assert "strategy.stop_loss 0.0005 -> 0.005" in done.out
    for word in (
        "as it was",
        "changed",
        "difference",
        "spread",
        "slippage",
        "P/L gross",
        "fees",
        "P/L net",
        "exits SL",
        "a.jsonl.gz",
        "new",
    ):
        assert word in done.out, word
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "b"]
    told = json.loads(run("replay", *two, "--set", "strategy.stop_loss=0.005", "--json").out)
    written = (tmp_path / "out" / "a" / "trades.jsonl").read_text().splitlines()
    assert len(written) == told["sessions"][0]["after"]["trades"]
    assert told["in_all"]["difference"]["net"] == pytest.approx(
        told["in_all"]["after"]["net"] - told["in_all"]["before"]["net"]
    )


def test_one_session_gets_a_table_where_it_is_asked_for(run: Run, two: list[Path]) -> None:
    done = run("replay", two[1], "--what-if", "--set", "strategy.stop_loss=0.005", "--json")
    assert json.loads(done.out)["too_few_trades"] is True
    assert "too few trades" in done.err


def test_what_cannot_be_compared_is_refused(run: Run, two: list[Path], tmp_path: Path) -> None:
    assert_one_line(run("replay", two[0], two[0]), "named twice")
    assert_one_line(run("replay", two[0], tmp_path / "none.jsonl"), "there is no tape")
    assert_one_line(run("replay", *two, "--set", "strategy.stop_los=1"), "did you mean")
    (tmp_path / "sub").mkdir()
    other = recorded(tmp_path / "sub" / "a.jsonl.gz", bursts(1))
    assert_one_line(run("replay", two[0], other, "--out", tmp_path / "out"), "one folder")


# ------------------------------------------------------------------------------------------- sessions of a broker


@pytest.fixture
def at_broker(tmp_path: Path) -> Path:
    return record(tmp_path / "broker.jsonl.gz")


def test_a_brokers_session_is_filled_by_simulation_on_both_sides(run: Run, at_broker: Path) -> None:
    done = run("replay", at_broker, "--what-if", "--set", "strategy.profit_target=0.0003", "--json")
    assert "never saw these orders: fills are simulated on both sides" in done.err
    row = json.loads(done.out)["sessions"][0]
    unchanged = json.loads(run("replay", at_broker, "--json").out)
    assert row["at_broker"]["trades"] == unchanged["trades"] > 5
    assert row["at_broker"]["net"] == pytest.approx(unchanged["total_pnl"])
    assert row["before"]["trades"] > 5  # though the signals are the broker's session's, the fills are others
    assert row["after"]["exits"].get("TP", 0) > row["before"]["exits"].get("TP", 0)


def test_both_sides_of_a_brokers_session_cost_the_same(at_broker: Path) -> None:
    asked_for = asked([at_broker], "execution.slippage_bps=2")
    assert asked_for.changes == []
    assert [(each.setting, each.after) for each in asked_for.on_both_sides] == [("execution.slippage_bps", 2.0)]
    found = asked_for.in_all
    assert found.before == found.after
    assert found.at_broker is not None
    assert found.at_broker.net > found.after.net


def test_what_both_sides_have_is_not_what_changed(run: Run, at_broker: Path, two: list[Path]) -> None:
    dearer = "--set", "execution.slippage_bps=2"
    alone = run("replay", at_broker, "--what-if", *dearer, "--text")
    assert "only [execution] is changed" in alone.err
    assert "luck" not in alone.err
    assert "what would have changed" not in alone.out
    assert "on both sides: execution.slippage_bps 0 -> 2" in alone.out
    more = run("replay", at_broker, "--what-if", *dearer, "--set", "strategy.profit_target=0.0003", "--text")
    assert "only [execution]" not in more.err
    first, second = more.out.splitlines()[:2]
    assert "strategy.profit_target" in first
    assert "execution" not in first
    assert second == "on both sides: execution.slippage_bps 0 -> 2"
    mixed = asked([at_broker, two[0]], "execution.slippage_bps=2")
    assert [each.setting for each in mixed.changes] == ["execution.slippage_bps"]  # of the one without a broker
    assert mixed.on_both_sides == mixed.changes


def test_one_brokers_session_with_other_settings_says_that_fills_are_simulated(run: Run, at_broker: Path) -> None:
    same = run("replay", at_broker, "--json", "--set", "log.level=DEBUG")
    assert same.err == ""
    assert same.out == run("replay", at_broker, "--json").out
    other = run("replay", at_broker, "--json", "--set", "strategy.profit_target=0.0003")
    assert "fills are simulated (0 bp of fixed slippage, 0 ms of latency)" in other.err
    summary = json.loads(other.out)
    assert summary["trades"] > 5
    assert summary["equity"] == pytest.approx(100_000, abs=100)  # the account's, not a setting's


def test_nothing_that_the_broker_said_of_orders_is_heard_then(at_broker: Path) -> None:
    batches = list(tapes.read(at_broker))
    left = [event for batch in without_broker(batches) for event in batch]
    assert any(isinstance(event, OrderReport) for batch in batches for event in batch)
    assert not any(isinstance(event, OrderReport) for event in left)
    trades = [event for batch in batches for event in batch if isinstance(event, Trade)]
    assert [event for event in left if isinstance(event, Trade)] == trades


def test_sessions_of_a_life_with_kills_rollovers_and_faults_are_decided(tmp_path: Path) -> None:
    """Some begin with a book: with what was held, and with orders that rest at the broker."""
    faults = Faults(latency_s=0.1, roll_over_s=15.0, crash_s=40.0, lost_update=0.1, slow_cancel=0.2, reject=0.05)
    world = World(5, Scenario(faults, SIMULATED_EAGER))
    world.run(90.0)
    paths = []
    for number, part in enumerate(part for bot in world.bots for part in bot.parts):
        paths.append(tmp_path / f"{number}.jsonl.gz")
        recorder = Recorder(paths[-1], SIMULATED_EAGER, None, *part.names)
        recorder.write(part.log)
        recorder.close()
    assert len(paths) > 4
    assert any(isinstance(event, Book) and event.positions for path in paths for event in microbot.read_tape(path))
    found = asked(paths, "strategy.profit_target=0.0003").in_all
    assert found.at_broker.trades > 5
    assert found.before.trades > 5
    assert found.before.wins + found.before.losses + found.before.breakeven == found.before.trades
