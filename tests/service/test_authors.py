"""A strategy of one's own on the command line: what fails is said and counted, what nobody reads is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.engine.core import CoreSettings
from actors.risk.risk import RiskSettings
from service import settings, strategies
from service.cli import terminal
from service.errors import UserError
from service.live.telemetry import together
from service.outlet import prints_aside
from service.recorded import tapes
from service.recorded.recording import Recorder
from tests.service.test_cli import DAY, Run
from tests.support.market import tape, trade
from tests.support.raising import raised_in
from tests.support.sessions import ONE_CHANCE, Session

MINE = """
from pipeline import operators as op
from pipeline.events import Signal
from pipeline.strategy import Strategy, StrategySettings, default_exits
from reactivex import operators as ops

print("loaded")
asked = 0

def raising(tick):
    print("asked of", tick.symbol)
    raise ValueError("my bug")  # here

def failing(ticks):
    return ticks.pipe(ops.map(raising))

def rarely(tick):
    if tick.price == 105:
        raise ValueError("my bug")
    return tick

def sometimes(ticks):
    return ticks.pipe(ops.map(rarely), ops.ignore_elements())

def remembering(frame):
    global asked
    asked += 1
    return asked

def memory(ticks):
    own = op.condition("memory", remembering, at_least=0)
    return ticks.pipe(op.window(3, 1), op.momentum(0.0005), own, op.bursts())

def twice(ticks):
    same = op.condition("same", lambda frame: 1.0, at_least=0)
    return ticks.pipe(op.window(3, 1), op.momentum(0.0005), same, same, op.bursts())

def pure(ticks):
    return ticks.pipe(op.window(3, 1), op.momentum(0.0005), op.bursts())

own_exits = Strategy("own exits", pure, default_exits(StrategySettings()))
leaving = Strategy("leaving", pure, lambda held, market: market.ticks.pipe(ops.map(raising)))
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.fixture
def minute(tmp_path: Path) -> Path:
    """A tape of a minute that rises by one at each second."""
    path = tmp_path / "tape.jsonl"
    path.write_bytes(tape(trade(second, 100 + second) for second in range(60)))
    return path


# ------------------------------------------------------------------------------------------------- what failed


def test_a_replay_in_which_a_strategy_failed_says_so_counts_and_exits_with_3(
    mine: Path, minute: Path, tmp_path: Path, run: Run
) -> None:
    told = run("replay", minute, "--strategy", f"{mine}:failing", "--json", "--out", tmp_path / "out")
    assert told.code == 3
    summary = json.loads(told.out)
    first = summary["failures"].pop("first")
    assert summary["failures"] == {"count": 4, "by_symbol": {"A": 4}}
    here = raised_in("mine.py", "# here", text=MINE)
    assert (first["symbol"], first["input"], first["error"]) == ("A", 1, f"ValueError: my bug ({here})")
    assert first["traceback"] == [f"{here} in raising", "ValueError: my bug"]
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["failures"]["first"] == first
    assert "a strategy FAILED 4 times" in told.err
    assert f"{here} in raising" in told.err


def test_a_failure_that_was_got_over_exits_with_3_as_well(mine: Path, minute: Path, run: Run) -> None:
    told = run("replay", minute, "--strategy", f"{mine}:sometimes", "--json")
    assert (told.code, json.loads(told.out)["failed"], json.loads(told.out)["failures"]["count"]) == (3, {}, 1)


def test_exits_that_fail_are_failures(mine: Path, minute: Path, run: Run) -> None:
    told = run("replay", minute, "--strategy", f"{mine}:leaving", "--json")
    assert (told.code, json.loads(told.out)["failures"]["first"]["error"].split(" (")[0]) == (3, "ValueError: my bug")


def test_a_replay_without_failures_has_none_in_its_summary_and_exits_with_0(mine: Path, run: Run) -> None:
    for strategy in ((), ("--strategy", f"{mine}:pure")):
        told = run("replay", DAY, "--json", *strategy)
        assert (told.code, json.loads(told.out)["failures"]) == (0, {"count": 0, "by_symbol": {}, "first": None})


def test_to_fail_fast_ends_a_replay_with_the_input_of_the_first_failure(mine: Path, minute: Path, run: Run) -> None:
    told = run("replay", minute, "--strategy", f"{mine}:sometimes", "--json", "--fail-fast")
    summary = json.loads(told.out)
    assert (told.code, summary["ticks"], summary["failures"]["count"]) == (3, 6, 1)


def test_to_fail_fast_changes_nothing_where_nothing_fails(minute: Path, run: Run) -> None:
    assert run("replay", minute, "--json", "--fail-fast") == run("replay", minute, "--json")


def test_the_failures_of_a_run_are_those_of_all_its_sessions() -> None:
    def failed(symbol: str) -> dict[str, Any]:
        session = Session(entries=lambda ticks: 5, chains=ONE_CHANCE)  # type: ignore[arg-type,return-value]
        return session.feed(trade(0, symbol=symbol)).summary

    one, other, none = failed("A"), failed("B"), Session().feed(trade(0)).summary
    assert together(together(none, one), other)["failures"] == {
        "count": 2,
        "by_symbol": {"A": 1, "B": 1},
        "first": one["failures"]["first"],
    }


def test_a_table_of_a_summary_says_which_profit_is_of_this_run_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    terminal.print_summary(Session().feed(trade(0)).summary)
    assert "total_pnl (this run)" in capsys.readouterr().out


def test_a_table_of_a_summary_shows_how_many_failed(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say_failures(Session().feed(trade(0)).summary)
    assert capsys.readouterr().err == ""


# ----------------------------------------------------------------------------------------------- what it prints


@pytest.mark.parametrize("strategy", ["pure", "failing"])
def test_what_a_strategy_prints_does_not_break_json(strategy: str, mine: Path, minute: Path, run: Run) -> None:
    told = run("replay", minute, "--strategy", f"{mine}:{strategy}", "--json")
    assert json.loads(told.out)["ticks"] == 60
    assert "loaded" in told.err
    assert ("asked of A" in told.err) is (strategy == "failing")


def test_doctor_and_diff_keep_what_a_strategy_prints_apart(mine: Path, minute: Path, run: Run, tmp_path: Path) -> None:
    told = run("diff", minute, "--strategy", f"{mine}:pure", "--json")
    assert isinstance(json.loads(told.out)["equal"], bool)
    told = run("doctor", "--strategy", f"{mine}:pure", "--json", "--data-dir", tmp_path / "data")
    assert "strategy" in {json.loads(line)["check"] for line in told.out.splitlines()}
    assert "loaded" in told.err


def test_a_print_that_cannot_be_written_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            raise ValueError("I/O operation on closed file")

    monkeypatch.setattr("sys.stderr", Full())
    with prints_aside():
        print("hello", flush=True)


# ------------------------------------------------------------------------------------------------ what is unread


@pytest.mark.parametrize(
    ("strategy", "key", "read"),
    [
        ("pure", "window_size=3", False),
        ("pure", "min_ticks=3", False),
        ("pure", "stop_loss=0.001", True),
        ("own_exits", "stop_loss=0.001", False),
        (None, "window_size=3", True),
    ],
)
@pytest.mark.parametrize("way", ["--set", "--config", "environment"])
def test_a_key_that_the_strategy_does_not_read_is_refused(
    way: str, strategy: str | None, key: str, read: bool, mine: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: list[Any] = ["--strategy", f"{mine}:{strategy}"] if strategy else []
    name, _, value = key.partition("=")
    if way == "--set":
        options += ["--set", f"strategy.{key}"]
    elif way == "--config":
        (mine.parent / "mine.toml").write_text(f"[strategy]\n{name} = {value}\n")
        options += ["--config", mine.parent / "mine.toml"]
    else:
        monkeypatch.setenv(f"MICROBOT_STRATEGY__{name.upper()}", value)
    told = run("replay", DAY, "--json", *options)
    assert told.code == (0 if read else 2)
    if not read:
        assert told.err.splitlines()[-1].startswith(f"microbot: {mine}:{strategy} does not read strategy.{name} (")
        assert told.out == ""


def test_what_a_recording_carries_along_is_not_refused(mine: Path, tmp_path: Path, run: Run) -> None:
    recorder = Recorder(tmp_path / "r.jsonl", CoreSettings(), f"{mine}:own_exits")
    recorder.write([trade(0)])
    recorder.close()
    assert run("replay", tmp_path / "r.jsonl", "--json", "--trust").code == 0
    assert run("replay", tmp_path / "r.jsonl", "--json", "--trust", "--set", "strategy.window_size=3").code == 2


# ---------------------------------------------------------------------------------------------- what it ends in


@pytest.mark.parametrize(
    ("pipe", "ends"),
    [
        ("op.window()", "frames, those of op.window"),
        ("op.window(), op.momentum(0.1), op.volume_spike(2)", "frames, those of volume_spike"),
        ("op.window(), ops.do_action(print), op.momentum(0.1)", "frames, those of momentum"),
        ("op.window(), op.running_condition('slow', lambda: print, at_least=1)", "frames, those of slow"),
        ("op.candles()", "candles, those of op.candles"),
        ("", "ticks, as they came"),
    ],
)
def test_a_pipe_that_does_not_end_in_signals_is_refused_with_what_ends_it(pipe: str, ends: str, mine: Path) -> None:
    head = "from pipeline import operators as op\nfrom reactivex import operators as ops\n"
    for written in (f"ticks.pipe({pipe})", f"op.merge(ticks.pipe(op.bursts()), ticks.pipe({pipe}))"):
        mine.write_text(f"{head}def strategy(ticks):\n    return {written}\n")
        with pytest.raises(UserError) as refused:
            strategies.load(f"{mine}:strategy", CoreSettings().strategy)
        assert f"must end in signals, and ends in {ends}: end its pipe with op.bursts()" in str(refused.value)


@pytest.mark.parametrize(
    ("strategy", "sentence"),
    [
        ("memory", "memory gives another value when it is asked again about the same tick"),
        ("twice", "2 conditions are called same"),
        ("pure", None),
    ],
)
def test_a_replay_names_the_conditions_that_cannot_be_trusted(
    strategy: str, sentence: str | None, mine: Path, minute: Path, run: Run
) -> None:
    told = run("replay", minute, "--strategy", f"{mine}:{strategy}", "--json")
    if sentence is not None:
        assert told.err.count(sentence) == 1
    else:
        assert told.err == "loaded\n"


# ---------------------------------------------------------------------------------------------- recordings of old


def test_a_recording_that_knows_nothing_of_later_rules_decides_without_them(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    risk = {key: value for key, value in msgspec.to_builtins(RiskSettings()).items() if "fallback" not in key}
    path.write_bytes(msgspec.json.encode(tapes.SettingsRecorded({"risk": risk, "chains": {"restarts": 3}})) + b"\n")
    recorded = tapes.recorded_settings(path)
    assert recorded is not None
    loaded = settings.load(recorded=recorded.settings, environment={})
    assert (loaded.risk.fallback_stop, loaded.risk.fallback_hold_s) == (None, None)
    assert (loaded.chains.restarts, loaded.chains.counts) == (3, "elapsed")
    chosen = settings.load(None, ["risk.fallback_stop=0.01"], recorded=recorded.settings, environment={})
    assert (chosen.risk.fallback_stop, chosen.risk.fallback_hold_s) == (0.01, None)


def test_a_recording_of_now_knows_them(tmp_path: Path) -> None:
    Recorder(tmp_path / "r.jsonl", CoreSettings(), None).close()
    recorded = tapes.recorded_settings(tmp_path / "r.jsonl")
    assert recorded is not None
    assert settings.load(recorded=recorded.settings, environment={}).core == CoreSettings()


def test_the_fallback_cannot_be_switched_off(run: Run) -> None:
    assert run("replay", DAY, "--set", "risk.fallback_stop=0").code == 2
    assert run("replay", DAY, "--set", "risk.fallback_hold_s=none").code == 2
