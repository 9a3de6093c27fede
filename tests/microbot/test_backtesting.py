"""backtesting: from Python, a tape is decided as the command decides it, and what is wrong is said in a sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy
import pandas
import polars
import pytest
from reactivex import Observable, operators as rx

import microbot
from microbot import Signal, Strategy, StrategyFailed, Trade, UserError, backtest, op, read_tape, replay
from service.data_folder import SESSIONS
from tests.service.test_cli import DAY, Run, bytes_of, run
from tests.support.market import START, at, tape, trade
from tests.support.random_tapes import seeded_tape

__all__ = ["run"]

ROOT = Path(__file__).parents[2]
NO_STRATEGIES = ("tapes", "tape_to_report")
EXAMPLES = [f"{path}:strategy" for path in sorted((ROOT / "examples").glob("*.py")) if path.stem not in NO_STRATEGIES]
SILENT = ("opening_range", "book_lean", "market_filter")
"""Those that a few minutes of trades of one symbol move to nothing."""

as_strategy: Any = Strategy  # of what no type checker would let pass
NEVER = "from reactivex import operators as rx\ndef strategy(ticks):\n    return ticks.pipe(rx.ignore_elements())\n"


@pytest.fixture
def seeded(tmp_path: Path) -> Path:
    path = tmp_path / "seeded.jsonl"
    path.write_bytes(tape(seeded_tape(3)))
    return path


def momentum_alone(ticks: Observable[Trade]) -> Observable[Signal]:
    return ticks.pipe(op.window(seconds=5, min_ticks=2), op.momentum(0.0005), op.bursts())


def fails_at(price: float) -> Callable[[Any], Any]:
    def look(tick: Trade) -> None:
        if tick.price == price:
            raise ValueError("my bug")

    def strategy(ticks: Any) -> Any:
        return ticks.pipe(rx.do_action(look), rx.ignore_elements())

    return strategy


def lines(rows: list[Any]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def assert_as_written(found: microbot.Backtest, folder: Path) -> None:
    """Compare what a backtest returned with the bytes that a replay wrote."""
    written = bytes_of(folder)
    assert lines(found.trades) == written["trades.jsonl"]
    assert lines(found.signals) == written["signals.jsonl"]
    assert found.summary == json.loads(written["summary.json"])


# ------------------------------------------------------------------------------------ as the command decides


@pytest.mark.filterwarnings("ignore:.* was never ready")  # the tape has no opening, and no SPY
@pytest.mark.parametrize("reference", [None, *EXAMPLES], ids=lambda reference: str(reference).rpartition("/")[2])
def test_it_decides_what_the_command_decides(reference: str | None, seeded: Path, tmp_path: Path, run: Run) -> None:
    options = ["--strategy", reference] if reference else []
    assert run("replay", seeded, "--out", tmp_path / "out", "--set", "execution.slippage_bps=1", *options).code == 0
    found = backtest(seeded, strategy=reference, settings={"execution.slippage_bps": 1})
    assert len(found.trades) > 3 or Path(str(reference).partition(":")[0]).stem in SILENT
    assert_as_written(found, tmp_path / "out")


def test_events_are_decided_as_the_tape_of_them_is(seeded: Path, tmp_path: Path, run: Run) -> None:
    run("replay", seeded, "--out", tmp_path / "out")
    assert_as_written(backtest(seeded_tape(3)), tmp_path / "out")
    assert_as_written(backtest(read_tape(seeded)), tmp_path / "out")


def test_keeping_readings_changes_no_decision(seeded: Path, tmp_path: Path, run: Run) -> None:
    run("replay", seeded, "--out", tmp_path / "out")
    assert_as_written(backtest(seeded, readings=True), tmp_path / "out")


def test_a_function_decides_as_the_same_function_in_a_file(seeded: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "mine.py").write_text(
        "from microbot import op\n"
        "def mine(ticks):\n"
        "    return ticks.pipe(op.window(seconds=5, min_ticks=2), op.momentum(0.0005), op.bursts())\n"
    )
    run("replay", seeded, "--out", tmp_path / "out", "--strategy", f"{tmp_path / 'mine.py'}:mine")
    found = backtest(seeded, strategy=momentum_alone)
    assert len(found.trades) > 3
    assert_as_written(found, tmp_path / "out")


def test_a_recording_is_decided_with_its_own_settings_beneath_those_given(seeded: Path, tmp_path: Path) -> None:
    recording = tmp_path / "recording.jsonl"
    own = {"risk": {"position_size": 3, "starting_equity": 500}}
    first = {"type": "settings", "settings": own, "now": "market data"}
    recording.write_bytes(json.dumps(first).encode() + b"\n" + seeded.read_bytes())
    found = backtest(recording, settings={"risk.starting_equity": 700})
    assert {done.quantity for done in found.trades} == {3.0}
    assert found.equity[0].equity == 700


def test_a_replay_writes_what_the_command_writes(seeded: Path, tmp_path: Path, run: Run) -> None:
    run("replay", seeded, "--out", tmp_path / "out")
    replay(seeded, out=tmp_path / "mine")
    assert bytes_of(tmp_path / "mine") == bytes_of(tmp_path / "out")


def test_the_strategy_of_a_recording_from_elsewhere_runs_only_if_it_is_trusted(seeded: Path, tmp_path: Path) -> None:
    (tmp_path / "never.py").write_text(NEVER)
    own = tmp_path / "data" / SESSIONS / "own.jsonl"
    own.parent.mkdir(parents=True)
    foreign = tmp_path / "foreign.jsonl"
    first = {"type": "settings", "settings": {}, "strategy": f"{tmp_path / 'never.py'}:strategy"}
    for path in (own, foreign):
        path.write_bytes(json.dumps(first).encode() + b"\n" + seeded.read_bytes())
    with pytest.raises(UserError, match="is no session of data"):
        backtest(foreign)
    assert replay(foreign, trust=True).signals == []
    assert replay(own, data_dir=tmp_path / "data").signals == []
    assert backtest(foreign, strategy=momentum_alone).signals != []


# --------------------------------------------------------------------------------------------- what it returns


def test_equity_has_a_point_at_the_start_of_each_day_and_after_each_trade() -> None:
    with pytest.warns(UserWarning, match="1 line was refused"):
        found = backtest(DAY)
    assert [point.ts for point in found.equity] == [START, *(done.exit_ts for done in found.trades)]
    assert [point.equity for point in found.equity] == pytest.approx([10_000, 10_000.15, 10_000.07, 10_000.05])
    assert found.equity[-1].equity == found.summary["equity"]


def test_readings_are_there_if_they_were_asked_for() -> None:
    events = [trade(second, 100 + second, size=10) for second in range(20)]
    found = backtest(events, readings=True)
    assert {point.name for point in found.readings} == {"momentum", "volume_spike", "volatility_guard"}
    assert found.readings[0].ts >= at(15)
    first = backtest(events, readings=True, strategy=momentum_alone).readings[0]
    assert (first.ts, first.name, first.passed) == (at(5), "momentum", True)
    assert first.value == pytest.approx(105 / 101 - 1)
    with pytest.raises(UserError, match="readings=True keeps them"):
        _ = backtest(events).readings


@pytest.mark.parametrize("table", ["trades", "signals", "equity", "readings"])
def test_each_table_becomes_a_data_frame(table: Any, seeded: Path) -> None:
    found = backtest(seeded, readings=True)
    frame = found.to_frame(table)
    rows = getattr(found, table)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(rows[0].__struct_fields__)
    for name in frame.columns:
        assert [None if pandas.isna(cell) else cell for cell in frame[name]] == [getattr(row, name) for row in rows]


@pytest.mark.parametrize("table", ["trades", "signals", "equity", "readings"])
def test_its_times_are_dates_in_utc_in_either_library(table: Any, seeded: Path) -> None:
    found = backtest(seeded, readings=True)
    pandas_, polars_ = found.to_pandas(table), found.to_polars(table)
    rows = getattr(found, table)
    assert len(pandas_) == polars_.height == len(rows) > 0
    name = "exit_ts" if table == "trades" else "ts"
    assert [stamp.value for stamp in pandas_[name]] == [getattr(row, name) for row in rows]
    assert polars_[name].dtype == polars.Datetime("ns", "UTC")
    assert polars_[name].to_physical().to_list() == [getattr(row, name) for row in rows]
    assert str(pandas_[name].dtype) == "datetime64[ns, UTC]"


def test_an_empty_table_has_dates_too() -> None:
    assert str(backtest([]).to_pandas("trades")["entry_ts"].dtype) == "datetime64[ns, UTC]"
    assert backtest([]).to_polars("signals")["ts"].dtype == polars.Datetime("ns", "UTC")


@pytest.mark.parametrize("table", ["trades", "signals", "equity", "readings"])
@pytest.mark.parametrize("made", ["to_pandas", "to_polars", "to_frame"])
def test_a_table_without_rows_has_the_columns_and_types_of_one_with_rows(table: Any, made: str, seeded: Path) -> None:
    def types(found: microbot.Backtest) -> dict[str, str]:
        frame = getattr(found, made)(table)
        told = {name: str(frame[name].dtype) for name in frame.columns}
        return {name: "String" if kind.startswith("Enum(") else kind for name, kind in told.items()}

    empty = backtest([], readings=True)
    assert len(getattr(empty, made)(table)) == 0
    assert types(empty) == types(backtest(seeded, readings=True))


def test_a_table_that_there_is_not_and_a_library_that_is_missing_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = backtest([])
    table: Any = "fills"
    with pytest.raises(UserError, match="no table 'fills': there are trades, signals, equity, readings"):
        found.to_frame(table)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(UserError, match=r"need polars: pip install 'microbot-trading\[research\]' adds"):
        found.to_polars()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="need pandas or polars"):
        found.to_frame()


def test_numbers_of_numpy_are_taken_in_events_and_in_settings() -> None:
    made: Any = Trade
    event = made("A", numpy.int64(START), numpy.float64(100), numpy.float64(1))
    given = {"starting_equity": numpy.float64(500), "cooldown_trades_after_loss": numpy.int64(1)}
    found = backtest([event], settings={"risk": given})
    assert found.summary["ticks"] == 1
    assert found.summary["equity"] == 500
    assert type(found.equity[0].ts) is int  # what comes back is of Python


# ------------------------------------------------------------------------------------------ what an author did


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"tape": "nowhere.jsonl"}, "there is no tape nowhere.jsonl"),
        ({"tape": 5}, "the tape is a int: it must be a file, or events"),
        ({"tape": ["a"]}, r"event 1 of the tape cannot be read: not an object \('a'\)"),
        ({"tape": [trade(0), Trade("A", START, float("nan"), 1)]}, "event 2 of the tape cannot be read: bad trade"),
        ({"tape": [object()]}, "event 1 of the tape cannot be read: a object is neither number"),
        ({"tape": [{"type": "tirade"}]}, "event 1 of the tape cannot be read: no known type"),
        ({"settings": 5}, "settings= is a int"),
        ({"settings": {"risk": 5}}, r"risk in settings= stands outside of a section"),
        ({"settings": {"risk.position": 5}}, "no setting risk.position .*did you mean risk.position_size"),
        ({"settings": {"risk.position_size": -1}}, "risk.position_size must be"),
        ({"settings": "no.toml"}, "there is no settings file no.toml"),
        ({"strategy": 5}, r"strategy= is a int: it must be a function of ticks, or a Strategy"),
        (
            {"strategy": lambda: None},
            r"cannot be given what it asks for: it must take at least one parameter, the ticks .*:\d+\)",
        ),
        ({"strategy": lambda ticks: None}, r"returns nothing: .*test_backtesting\.py:\d+\)"),
        ({"strategy": lambda ticks: ticks.pipe(op.window(15))}, r"must end in signals, and ends in frames"),
        ({"strategy": lambda ticks: ticks.nonsense}, r"cannot be built: AttributeError"),
        ({"strategy": as_strategy("", momentum_alone, lambda held, market: held)}, "the name of the strategy"),
        ({"strategy": as_strategy("x", momentum_alone, lambda held: held)}, "the exits of x must take the position"),
        ({"strategy": "nowhere.py"}, "there is no strategy file nowhere.py"),
        (
            {"strategy": momentum_alone, "settings": {"strategy.window_size": 3}},
            r"momentum_alone does not read strategy.window_size \(settings=\)",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as refused:
        backtest(**{"tape": [], **given})
    assert "\n" not in str(refused.value)


def test_a_strategy_that_raises_ends_the_backtest_and_what_was_decided_until_then_is_there() -> None:
    events = [trade(second, 100 + second) for second in range(10)]
    with pytest.raises(StrategyFailed, match=r"^the strategy of A failed: ValueError: my bug \(test_backt") as failed:
        backtest(events, strategy=fails_at(105))
    assert failed.value.result.summary["ticks"] == 6
    assert "my bug" in failed.value.traceback[-1]


def test_a_strategy_may_raise_and_begin_again_as_live() -> None:
    events = [trade(second, 100 + second) for second in range(10)]
    with pytest.warns(UserWarning, match="the strategy of A failed once, at last by ValueError: my bug"):
        found = backtest(events, strategy=fails_at(105), fail_fast=False)
    assert found.summary["ticks"] == 10
    assert found.summary["failures"]["count"] == 1


def test_what_is_no_tape_is_said_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("my diary\n")
    with pytest.raises(UserError, match="there is no tape nowhere"):
        read_tape("nowhere")
    with pytest.raises(UserError, match="line 1 is no JSON"):
        read_tape(tmp_path / "notes.txt")


def test_the_environment_changes_no_backtest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICROBOT_RISK__STARTING_EQUITY", "5")
    assert backtest([trade(0)]).summary["equity"] == 10_000
