"""[strategies.NAME]: settings, loading, replays, checks and starts of several strategies at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.events import as_json
from service import settings, strategies
from service.check.trial_tapes import events_of
from service.data_folder import SESSIONS, stamps
from service.errors import UserError
from service.live import run as running_bot
from service.live.brokerage import at_broker
from service.live.telemetry import together
from service.options import RunOptions
from service.recorded.recording import Recorder
from service.venues import KEY, SECRET, Venue
from tests.service.test_cli import Run, assert_one_line, run

__all__ = ["run"]

MINE = """
from microbot import op, param

def strategy(ticks):
    return ticks.pipe(op.window(seconds=5), op.momentum(param("least", 0.0003, 0.0001, 0.01)), op.bursts())

exits = [op.time_stop(seconds=10)]
"""
SEVERAL = """
[strategies.mine]
file = "mine.py:strategy"
symbols = ["AAPL"]
share = 0.5
least = 0.0004

[strategies.calm]
symbols = ["NVDA", "TSLA"]
entry_threshold = 0.0008
"""
NEITHER: dict[str, str] = {}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a bot runs in: two strategies in its settings, and a tape of AAPL and MSFT."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "several.toml").write_text(SEVERAL)
    (tmp_path / "t.jsonl").write_bytes(b"\n".join(map(as_json, events_of(None)[:4_000])) + b"\n")
    return tmp_path


def loaded(*assignments: str, environment: dict[str, str] = NEITHER, **given: Any) -> settings.Settings:
    return settings.load(Path("several.toml"), assignments, environment=environment, given=given)


# -------------------------------------------------------------------------------------------------- settings


@pytest.mark.usefixtures("folder")
def test_each_source_sets_one_key_of_one_strategy() -> None:
    found = loaded(
        "strategies.mine.least=0.0005",
        environment={"MICROBOT_STRATEGIES__CALM__SHARE": "0.25"},
        strategies={"calm": {"stop_loss": 0.002}},
    ).strategies
    assert (found["mine"].parameters, found["mine"].share, found["mine"].symbols) == ({"least": 0.0005}, 0.5, ("AAPL",))
    assert (found["calm"].share, found["calm"].stop_loss, found["calm"].entry_threshold) == (0.25, 0.002, 0.0008)


@pytest.mark.usefixtures("folder")
def test_what_strategy_says_does_not_reach_them() -> None:
    assert loaded("strategy.stop_loss=0.004").strategies["calm"].stop_loss == 0.0005


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        (
            'strategies.calm.symbols=["AAPL"]',
            "AAPL is claimed by strategies.mine and by strategies.calm: a symbol belongs to one strategy",
        ),
        ("strategies.calm.symbols=[]", 'strategies.calm has no symbols: name them, as in symbols = ["AAPL"]'),
        ("strategies.clam.share=0.5", "did you mean strategies.calm?"),
        ("strategies.calm.share=1.5", "strategies.calm.share must be a number of at most 1, not 1.5"),
        ("strategies.calm.share=0", "strategies.calm.share must be a number above 0, not 0"),
        ("strategies.calm.symbols=AAPL", "strategies.calm.symbols must be a list, not 'AAPL'"),
        ("strategies.calm.symbol=AAPL", "did you mean strategies.calm.symbols?"),
        ("strategies.calm=1", "strategies.calm (--set) must be a table"),
        ('strategies.default.symbols=["X"]', "a strategy cannot be called 'default'"),
        ("strategies.calm.fast=12", "there is no setting strategies.calm.fast (--set)"),
        ("strategies.mine.fast=12", "does not read strategies.mine.fast (--set): it reads only least"),
        ("strategies.mine.least=1", "strategies.mine: the strategy mine.py:strategy cannot be built: ValueError"),
        ("strategies.mine.file=gone.py", "strategies.mine: there is no strategy file gone.py"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(assignment: str, sentence: str, run: Run) -> None:
    assert_one_line(run("replay", "t.jsonl", "--config", "several.toml", "--set", assignment), sentence)


def test_a_parameter_of_a_name_of_ours_is_refused(folder: Path) -> None:
    (folder / "mine.py").write_text(MINE.replace('"least"', '"share"'))
    (folder / "several.toml").write_text(SEVERAL.replace("least = 0.0004", ""))
    with pytest.raises(UserError, match=r"strategies\.mine: it declares the parameter 'share', a setting of ours"):
        strategies.lineup(None, loaded())


@pytest.mark.usefixtures("folder")
def test_at_a_broker_the_protective_stop_is_wider_than_that_of_each() -> None:
    with pytest.raises(UserError, match=r"must be wider than strategies\.calm\.stop_loss \(0\.01\)"):
        at_broker(loaded("strategies.calm.stop_loss=0.01"))


# --------------------------------------------------------------------------------------------------- replays


@pytest.mark.usefixtures("folder")
def test_a_replay_tells_of_each(run: Run) -> None:
    told = json.loads(run("replay", "t.jsonl", "--config", "several.toml", "--out", "out").out)
    rows = told["strategies"]
    assert {name: row["symbols"] for name, row in rows.items()} == {
        "mine": ["AAPL"],
        "calm": ["NVDA", "TSLA"],
        "default": ["MSFT"],
    }
    assert rows["mine"]["trades"]
    least = {"value": 0.0004, "default": 0.0003, "low": 0.0001, "high": 0.01}
    assert [row.get("parameters") for row in rows.values()] == [{"least": least}, None, None]
    assert sum(row["trades"] for row in rows.values()) == told["trades"]
    trades = [json.loads(line) for line in Path("out/trades.jsonl").read_text().splitlines()]
    assert {(done["symbol"], done["quantity"]) for done in trades if done["symbol"] == "AAPL"} == {("AAPL", 0.5)}


@pytest.fixture
def recording(folder: Path) -> Path:
    """A session of the data folder: the tape, as it was decided with these settings."""
    path = folder / "data" / SESSIONS / "20260105T150000Z-feed.jsonl.gz"
    recorder = Recorder(path, loaded().core, None)
    recorder.write(events_of(None)[:4_000])
    recorder.close()
    return path


def test_a_recording_is_replayed_with_the_strategies_that_it_names(recording: Path, run: Run) -> None:
    first = run("replay", "t.jsonl", "--config", "several.toml")
    again = run("replay", recording)
    assert "running the strategy that the recording" in again.err
    assert (again.code, again.out) == (0, first.out)
    assert json.loads(run("sessions", "--json").out)["strategy"] == "mine, calm, momentum_burst"


def test_the_recordings_strategies_can_be_changed(recording: Path, run: Run) -> None:
    found = json.loads(run("diff", recording, "--set", "strategies.mine.least=0.002", "--json").out)
    assert not found["equal"]
    assert (found["a"] or found["b"])["symbol"] == "AAPL"


def test_a_recording_from_elsewhere_may_not_say_what_is_run(recording: Path, folder: Path, run: Run) -> None:
    elsewhere = folder / "a_friends.jsonl.gz"
    elsewhere.write_bytes(recording.read_bytes())
    (folder / "other.py").write_text(MINE)
    refused = run("replay", elsewhere)
    assert_one_line(
        refused, "names the strategy mine.py:strategy", "--trust", "--set strategies.mine.file=FILE.py:NAME"
    )
    assert run("replay", elsewhere, "--trust").code == 0
    assert run("replay", elsewhere, "--set", "strategies.mine.file=other.py").code == 0


def test_without_the_section_a_recording_says_nothing_of_it(tmp_path: Path) -> None:
    Recorder(tmp_path / "r.jsonl", settings.load(environment={}).core, None).close()
    assert b"strategies" not in (tmp_path / "r.jsonl").read_bytes()


@pytest.mark.usefixtures("folder")
def test_two_sessions_of_a_run_count_together(run: Run) -> None:
    one = json.loads(run("replay", "t.jsonl", "--config", "several.toml").out)
    both = together(one, one)["strategies"]
    assert both["mine"]["trades"] == 2 * one["strategies"]["mine"]["trades"]
    assert both["mine"]["total_pnl"] == 2 * one["strategies"]["mine"]["total_pnl"]
    assert both["mine"]["symbols"] == ["AAPL"]
    assert both["mine"]["refusals"] == {name: 2 * n for name, n in one["strategies"]["mine"]["refusals"].items()}


# --------------------------------------------------------------------------------------------- checks and starts


@pytest.mark.usefixtures("folder")
def test_one_of_them_is_checked_by_its_name(run: Run) -> None:
    assert run("check", "mine", "--config", "several.toml", "--tape", "t.jsonl", "--budget-ms", 200).code == 0
    lineup, effective = strategies.lineup(None, loaded()), loaded()
    assert stamps.is_checked(Path("data"), lineup.named["mine"], effective.strategies["mine"])
    changed = loaded("strategies.mine.least=0.0005")
    other = strategies.lineup(None, changed).named["mine"]
    assert not stamps.is_checked(Path("data"), other, changed.strategies["mine"])


@pytest.mark.usefixtures("folder")
def test_one_of_them_is_tried_with_its_share_of_a_positions_size() -> None:
    _, alone = strategies.one("mine", loaded("risk.position_size=0.7", "strategies.mine.share=0.1"))
    assert alone.risk.position_size == 0.07


@pytest.mark.usefixtures("folder")
def test_real_money_wants_each_of_them_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY, SECRET):
        monkeypatch.delenv(name, raising=False)
    options = RunOptions(venue=Venue.ALPACA, live=True, of_check=("--config", "several.toml"))
    with pytest.raises(UserError, match=r"^mine.py:strategy was not .*`microbot check mine --config several.toml`"):
        running_bot.run(loaded("web.port=0"), options, print)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "asked", "market"),
    [
        (RunOptions(), (), ("AAPL", "MSFT", "NVDA", "TSLA")),
        (RunOptions(symbols=("MSFT",)), ("MSFT", "AAPL", "NVDA", "TSLA"), ("AAPL", "MSFT", "NVDA", "TSLA")),
        (RunOptions(venue=Venue.BINANCE), ("AAPL", "NVDA", "TSLA"), ("AAPL", "MSFT", "NVDA", "TSLA")),
        (RunOptions(feed="ws://127.0.0.1:1"), (), ("AAPL", "MSFT")),
    ],
    ids=["own exchange", "named", "venue", "a feed that brings what it has"],
)
def test_what_is_claimed_is_asked_for(options: RunOptions, asked: tuple[str, ...], market: tuple[str, ...]) -> None:
    effective, wanted = running_bot._with_claimed(loaded(), options)
    assert (wanted.symbols, effective.exchange.symbols) == (asked, market)
