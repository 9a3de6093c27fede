"""`microbot sweep` as people and programs call it: what it prints, its sentences and exit codes."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from microbot import sweep
from pipeline.events import Trade
from research.cli import main
from research.engine.port import Chosen
from research.sweeps import heat, sweep as sweeping
from service.errors import UserError
from tests.research.sweeps.test_sweep import Mutant
from tests.support.market import tape
from tests.support.random_tapes import seeded_tape

PARAMETERS = (
    "--param",
    "strategy.entry_threshold=0.0002:0.0006:0.0002",
    "--param",
    "strategy.profit_target=0.001,0.002",
)
ALWAYS = ("--set", "strategy.volatility_guard_threshold=0", "--engine", "exact", "--on", "serial")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Call the command line in a folder of its own, with none of our variables in the environment."""
    for name in list(os.environ):
        if name.startswith("MICROBOT_") and "__" in name:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("day.jsonl").write_bytes(tape(seeded_tape(3, 1_500)))

    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return call


def test_it_says_how_many_before_it_starts_and_ends_with_a_sentence(run: Run) -> None:
    done = run("sweep", "day.jsonl", *PARAMETERS, *ALWAYS, "--text")
    assert done.code == 0
    assert done.err.startswith("6 settings over day.jsonl, decided by the exact engine\n")
    for expected in ("best setting", "out of sample", "settings tried", "6 traded", "net result in sample"):
        assert expected in done.out
    assert done.out.splitlines()[-2].startswith("It may be believed")  # such a tape goes on as it began, for a while
    (folder,) = Path("data/sweeps").iterdir()
    assert f"kept: {folder} (results.parquet, trades.parquet, heat-1.svg)" in done.err
    drawing = ET.parse(folder / "heat-1.svg").getroot()
    text = " ".join(drawing.itertext())
    assert drawing.tag.endswith("svg")
    assert all(word in text for word in ("in sample", "out of sample", "strategy.profit_target", "0.0004"))


def test_where_no_trade_was_made_there_is_a_dash_and_no_zero(run: Run) -> None:
    lively = list(seeded_tape(3, 1_500))
    traded = [event for event in lively if isinstance(event, Trade)]
    last, span = traded[-1], traded[-1].ts - traded[0].ts
    quiet = [msgspec.structs.replace(last, ts=last.ts + step * span // 500) for step in range(1, 1_000)]
    Path("half.jsonl").write_bytes(tape([*lively, *quiet]))
    done = run("sweep", "half.jsonl", *PARAMETERS, *ALWAYS, "--text")
    inside, outside = done.out.split("net result in sample")[1].split("net result out of sample")
    outside = outside.split("best setting")[0]
    assert "+" in inside.splitlines()[2]
    assert [line.split()[1:] for line in outside.splitlines()[2:4]] == [["-"] * 3] * 2
    windows = [line.split() for line in done.out.splitlines() if line.startswith("20") and line.split()[-1] == "0"]
    assert windows
    assert all(words[-2] == "-" for words in windows)
    (folder,) = Path("data/sweeps").iterdir()
    drawn = ET.parse(folder / "heat-1.svg").getroot()
    marks = [each for each in drawn.iter() if each.get("aria-roledescription") == "rect mark"]
    assert len(marks) == 6  # of twelve: those in sample
    assert [each.text for each in drawn.iter() if each.text == "-"] == ["-"] * 6


def test_for_programs_it_is_json_with_every_figure(run: Run) -> None:
    done = run("sweep", "day.jsonl", *PARAMETERS, *ALWAYS, "--json", "--no-svg", "--out", "here", "--windows", 3)
    told = json.loads(done.out)
    assert done.code == 0
    assert told["tried"] == 6
    assert told["engine"] == "exact"
    assert len(told["folds"]) == 3
    assert set(told["best"]["parameters"]) == {"strategy.entry_threshold", "strategy.profit_target"}
    assert {"deflated", "overfitting", "superiority", "survival", "believe", "sentence"} <= set(told)
    assert sorted(path.name for path in Path("here").iterdir()) == ["cells", "results.parquet", "trades.parquet"]


def test_one_parameter_and_random_settings_are_shown_too(run: Run) -> None:
    drawn = ("--method", "random", "--trials", 15, "--param", "strategy.time_stop_seconds=2.0:20.0")
    done = run("sweep", "day.jsonl", *drawn, *ALWAYS, "--text", "--no-svg")
    assert done.code == 0
    assert "15 settings" in done.err
    assert "strategy.time_stop_seconds (down)" in done.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("day.jsonl",), "at least one --param"),
        (("none.jsonl", *PARAMETERS), "there is no tape none.jsonl"),
        (("day.jsonl", *PARAMETERS, "--windows", "0"), "--windows wants 1 to 50, not 0"),
        (("day.jsonl", *PARAMETERS, "--trials", "0"), "--trials wants 1 to 1,000,000, not 0"),
        (("day.jsonl", *PARAMETERS, "--jobs", "0"), "--jobs wants 1 or more, not 0"),
        (("day.jsonl", *PARAMETERS, "--trials", "1000001"), "--trials wants 1 to 1,000,000"),
        (("day.jsonl", *PARAMETERS, "--purge", "inf"), "at most a year of them, not inf"),
        (("day.jsonl", *PARAMETERS, "--purge", "nan"), "--purge wants 0 seconds or more"),
        (("day.jsonl", *PARAMETERS, "--purge", "-1"), "--purge wants 0 seconds or more"),
        (("day.jsonl", *PARAMETERS, "--on", "nowhere"), "not 'nowhere'"),
        (("day.jsonl", "--param", "strategy.entry_threshold=0.1:0.2"), "a range without a step"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_exit_code_2(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    done = run("sweep", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert sentence in done.err


def test_a_compiled_engine_that_cannot_is_refused_and_auto_says_why_it_is_exact(run: Run) -> None:
    slow = ("--set", "execution.latency_ms=50", "--set", "strategy.volatility_guard_threshold=0", "--on", "serial")
    done = run("sweep", "day.jsonl", *PARAMETERS, *slow, "--engine", "compiled")
    assert done.code == 2
    assert "without latency" in done.err
    done = run("sweep", "day.jsonl", "--param", "strategy.min_ticks=3,4", *slow, "--no-svg")
    assert done.code == 0
    assert "decided by the exact engine: the compiled engine fills at once, without latency" in done.err


def test_a_difference_from_the_core_is_exit_code_1_without_any_result(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "engine_of", lambda *_: Chosen(Mutant(), None))
    done = run("sweep", "day.jsonl", *PARAMETERS, *ALWAYS, "--json")
    assert done.code == 1
    assert done.out == ""
    assert "REFUSED" in done.err
    assert "pnl is" in done.err
    assert not list(Path("data/sweeps").glob("*/results.parquet"))


def test_a_session_at_a_broker_is_no_tape_to_sweep_over(run: Run) -> None:
    first = {"type": "settings", "settings": {}, "book": "alpaca-1", "now": "market data"}
    Path("session.jsonl").write_bytes(json.dumps(first).encode() + b"\n" + Path("day.jsonl").read_bytes())
    done = run("sweep", "session.jsonl", *PARAMETERS)
    assert done.code == 2
    assert "a session at a broker" in done.err


def test_the_answer_is_printed_whatever_becomes_of_its_files(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise UserError("the disk is full")

    monkeypatch.setattr("research.sweeps.tables.write", full)
    done = run("sweep", "day.jsonl", *PARAMETERS, *ALWAYS, "--json", "--no-svg")
    assert done.code == 2
    assert json.loads(done.out)["tried"] == 6
    assert "the disk is full" in done.err


def test_what_draws_is_looked_for_before_anything_is_decided(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("research.sweeps.heat.find_spec", lambda _: None)
    done = run("sweep", "day.jsonl", *PARAMETERS, *ALWAYS)
    assert done.code == 2
    assert "--no-svg leaves them out" in done.err
    assert not Path("data").exists()


@pytest.mark.parametrize("count", [5, 100])
def test_fields_of_a_heat_map_are_told_apart_however_close_their_values_are(count: int) -> None:
    values = [1 + number * 1e-9 for number in range(count)]
    labels = heat._labels(values)
    assert len(set(labels.values())) == min(count, len(values[:: -(-count // heat.MOST_VALUES)]))
    assert heat._labels([0.001, 0.002]) == {0.001: "0.001", 0.002: "0.002"}


def test_a_strategy_that_failed_with_some_of_the_settings_is_said_and_gives_exit_code_3(run: Run) -> None:
    Path("mine.py").write_text(
        "from microbot import op, param\n"
        "def strategy(ticks):\n"
        "    least = param('least', 1, 0, 2)\n"
        "    rule = lambda frame: 1 / least > 2\n"
        "    return ticks.pipe(op.readings(fast=op.ema(3)), op.when(rule, go='LONG'), op.once_per('rise'))\n"
    )
    swept = run("sweep", "day.jsonl", "--strategy", "mine.py", "--param", "strategy.least=0,1,2", "--on", "serial")
    assert (swept.code, json.loads(swept.out)["tried"]) == (3, 3)
    assert "a strategy FAILED with 1 of 3 settings, and decided less there: `microbot replay` with" in swept.err
    with pytest.warns(UserWarning, match=r"^a strategy FAILED with 1 of 3 settings"):
        found = sweep("day.jsonl", {"strategy.least": [0, 1, 2]}, strategy="mine.py", on="serial", out="kept")
    assert found.summary["tried"] == 3
