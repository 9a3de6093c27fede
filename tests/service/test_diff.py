"""diff: the first decision in which two runs differ, what both saw there, and which input led to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.engine.core import Core, CoreSettings, Input
from actors.gateway.journal import Run
from actors.gateway.sqlite_journal import SqliteJournal
from actors.messages import Command, Fact, SignalRaised
from pipeline.events import Trade
from pipeline.strategy import momentum_burst
from service import settings
from service.data_folder import JOURNAL
from service.errors import UserError
from service.recorded import diff
from service.recorded.decisions import Changes
from service.recorded.diff import Difference
from service.recorded.recording import Recorder
from service.recorded.trust import Trust
from tests.service.test_cli import Run as Cli
from tests.support.decisions import decided_by_core
from tests.support.market import at
from tests.support.random_tapes import seeded_tape

pytestmark = pytest.mark.usefixtures("at_a_terminal")

NOTHING = Changes()
LOOSE = "strategy.entry_threshold=0.0002"
TIGHT = "strategy.entry_threshold=0.00045"


def core_of(*assignments: str) -> CoreSettings:
    return settings.load(assignments=assignments, environment={}).core


def record(path: Path, events: list[Input], *assignments: str) -> Path:
    recorder = Recorder(path, core_of(*assignments), None)
    recorder.write(events)
    recorder.close()
    return path


@pytest.fixture
def events() -> list[Input]:
    return list(seeded_tape(3, ticks=4000))


@pytest.fixture
def tape(tmp_path: Path, events: list[Input]) -> Path:
    return record(tmp_path / "a.jsonl.gz", events, LOOSE)


def compare(a: Path, b: Path | None = None, *, both: Changes = NOTHING, alone: Changes = NOTHING) -> Difference:
    return diff.compare(a, b, both, alone, Trust(a.parent))


def first_apart(events: list[Input], one: CoreSettings, other: CoreSettings) -> dict[str, Any]:
    """Find the first signal or trade that only one side has, by nothing but what a replay writes."""
    sides = [decided_by_core(core, momentum_burst(core.strategy), events) for core in (one, other)]
    rows = [
        [*((s["ts"], "signal", s) for s in d["signals"]), *((t["exit_ts"], "trade", t) for t in d["trades"])]
        for d in sides
    ]
    apart = [row for side, against in (rows, rows[::-1]) for row in side if row not in against]
    _, kind, row = min(apart, key=lambda found: found[0])
    return {**row, "kind": kind}


def test_one_threshold_changed_names_the_right_decision_and_the_reading_that_made_it(
    tape: Path, events: list[Input]
) -> None:
    found = compare(tape, alone=Changes(assignments=(TIGHT,)))
    expected = first_apart(events, core_of(LOOSE), core_of(TIGHT))
    assert expected["kind"] == "signal"
    assert not found.equal
    assert found.b is None
    assert found.a is not None
    assert (found.a.kind, found.a.ts, found.a.symbol) == ("signal", expected["ts"], expected["symbol"])
    assert found.compared > 0
    assert found.input is not None
    assert found.input.event == events[found.input.number - 1]
    assert isinstance(found.input.event, Trade)
    assert found.input.ts == found.input.event.ts == expected["ts"]
    assert found.a_saw is not None
    assert found.b_saw is not None
    (a,) = [r for r in found.a_saw.readings if r.name == "momentum"]
    (b,) = [r for r in found.b_saw.readings if r.name == "momentum"]
    assert a.value == b.value == expected["momentum"]
    assert (a.threshold, a.passed, b.threshold, b.passed) == (0.0002, True, 0.00045, False)


def test_the_same_decided_twice_has_no_difference(tape: Path, events: list[Input], tmp_path: Path) -> None:
    found = compare(tape, record(tmp_path / "b.jsonl", events, LOOSE))
    assert found.equal
    assert found.compared > 20


def test_each_recording_is_decided_with_its_own_settings_and_set_changes_both(
    tape: Path, events: list[Input], tmp_path: Path
) -> None:
    other = record(tmp_path / "b.jsonl", events, TIGHT)
    found = compare(tape, other)
    assert found.a == compare(tape, alone=Changes(assignments=(TIGHT,))).a
    assert compare(tape, other, both=Changes(assignments=(LOOSE,))).equal
    assert not compare(tape, other, both=Changes(assignments=(LOOSE,)), alone=Changes(assignments=(TIGHT,))).equal


def test_a_stop_that_is_nearer_shows_in_an_order_and_not_in_a_signal(tape: Path) -> None:
    found = compare(tape, alone=Changes(assignments=("strategy.stop_loss=0.0002",)))
    assert found.b is not None
    assert (found.b.kind, found.b.what["leg"], found.b.what["reason"]) == ("order", "exit", "SL")
    assert found.a is None


def test_a_command_in_one_of_two_recordings_is_the_input_that_is_named(
    tape: Path, events: list[Input], tmp_path: Path
) -> None:
    number = 1_000
    ts = max(getattr(event, "ts", 0) for event in events[:number])
    paused = [*events[:number], Command("pause", ts, "terminal", "lunch"), *events[number:]]
    found = compare(tape, record(tmp_path / "b.jsonl", paused, LOOSE))
    assert found.a is None
    assert found.b is not None
    assert (found.b.kind, found.b.what) == (
        "state",
        {"state": "PAUSED", "previous": "ACTIVE", "reason": found.b.what["reason"]},
    )
    assert found.input is not None
    assert (found.input.number, found.input.event) == (number + 1, paused[number])
    assert found.a_saw is not None
    assert found.b_saw is not None
    assert (found.a_saw.state, found.b_saw.state) == ("ACTIVE", "PAUSED")


def test_a_run_that_ends_sooner_differs_in_what_it_did_not_decide(
    tape: Path, events: list[Input], tmp_path: Path
) -> None:
    found = compare(tape, record(tmp_path / "b.jsonl", events[:2_000], LOOSE))
    assert found.b is None
    assert found.a is not None
    assert found.a.ts >= events[1_999].ts  # type: ignore[union-attr]


def test_folders_of_replays_are_compared_with_each_other_and_with_recordings(
    tape: Path,
    tmp_path: Path,
    run: Cli,
) -> None:
    for out, setting in (("loose", LOOSE), ("tight", TIGHT)):
        assert run("replay", tape, "--set", setting, "--out", tmp_path / out).code == 0
    loose, tight = tmp_path / "loose", tmp_path / "tight"
    assert compare(loose, loose).equal
    assert compare(loose, tape).equal
    assert compare(tape, loose).equal
    expected = compare(tape, alone=Changes(assignments=(TIGHT,))).a
    for a, b in ((loose, tight), (tape, tight)):
        found = compare(a, b)
        assert found.a is not None
        assert expected is not None
        assert (found.a.key, found.b) == (expected.key, None)
    assert compare(loose, tight).input is None  # nobody knows it
    seen = compare(tape, tight).input
    assert seen is not None
    assert seen.ts == expected.ts  # type: ignore[union-attr]


def journal(folder: Path, tape: Path, facts: list[tuple[int, Fact]]) -> None:
    opened = SqliteJournal(folder / JOURNAL, "simulated", durable=False)
    opened.begin(Run(1, "1", "momentum_burst", "test", True, "paper", {}, str(tape.absolute())))
    for number, fact in facts:
        opened.append(number, [fact])
    opened.close()


def test_what_the_journal_says_is_compared_with_what_is_decided_now(tape: Path, events: list[Input]) -> None:
    stated: list[tuple[int, Fact]] = []
    core_settings = core_of(LOOSE)
    core = Core(core_settings, momentum_burst(core_settings.strategy), lambda fact: stated.append((core.input, fact)))
    core.run(events)
    with pytest.raises(UserError, match="there is no journal"):
        compare(tape)
    journal(tape.parent, tape, stated)
    assert compare(tape).equal
    (tape.parent / JOURNAL).unlink()
    number, lost = next((n, f) for n, f in stated[30:] if isinstance(f, SignalRaised))
    journal(tape.parent, tape, [entry for entry in stated if entry[1] is not lost])
    found = compare(tape)
    assert found.a is not None
    assert (found.a.input, found.b) == (number, None)
    assert found.input is not None
    assert found.input.number == number


def test_a_recording_that_broke_off_before_the_journal_did_is_no_difference(tape: Path, events: list[Input]) -> None:
    """The bot was killed: the recording is written behind, and the journal is the book."""
    core_settings = core_of(LOOSE)
    stated: list[tuple[int, Fact]] = []
    core = Core(core_settings, momentum_burst(core_settings.strategy), lambda fact: stated.append((core.input, fact)))
    core.run(events)
    last = max(number for number, fact in stated if isinstance(fact, SignalRaised)) - 1
    shorter = record(tape.parent / "shorter.jsonl", events[:last], LOOSE)
    journal(tape.parent, shorter, stated)
    found = compare(shorter)
    assert (found.equal, found.b, found.ends_at) == (True, None, last)
    assert found.compared > 10
    assert f"breaks off with input {last:,}" in "\n".join(diff.for_people(found))
    assert json.loads(diff.as_json(found))["ends_at"] == last


def test_the_command_line_says_it_in_lines_or_json_and_by_its_exit_code(tape: Path, run: Cli) -> None:
    same = run("diff", tape, tape)
    assert (same.code, same.err) == (0, "")
    assert "no difference" in same.out
    other = run("diff", tape, "--set-b", TIGHT, "--json")
    assert other.code == 1
    told = json.loads(other.out)
    assert told["a"]["kind"] == "signal"
    assert told["b"] is None
    assert "ends_at" not in told  # neither broke off
    people = run("diff", tape, "--set-b", TIGHT).out
    assert f"input {told['input']['number']:,} at " in people
    assert "momentum: " in people
    assert "not passed" in people


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere.jsonl", "nowhere.jsonl"), "there is no tape nowhere.jsonl"),
        ((".", "."), "signals.jsonl: `microbot replay TAPE --out .` writes it"),
        ((".",), ". is a folder: name another run"),
        ((".", ".", "--set", "risk.position_size=2"), "a folder was decided already"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: tuple[str, ...],
    sentence: str,
    run: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run("diff", *arguments)
    assert refused.code == 2
    assert sentence in refused.err
    assert refused.err.count("\n") == 1


def test_prices_written_with_more_zeros_are_the_same() -> None:
    from decimal import Decimal

    from actors.messages import OrderFilled
    from actors.orders import Execution, OrderSide
    from service.recorded.decisions import decision_of

    def fill(price: str) -> OrderFilled:
        return OrderFilled(Execution("e", "o", "A", OrderSide.BUY, Decimal(1), Decimal(price), at(1)), "1", 1)

    one, other = decision_of(fill("100.10"), 1), decision_of(fill("100.1"), 2)
    assert one is not None
    assert other is not None
    assert one.key == other.key
    assert msgspec.json.encode(one.what) == b'{"side":"BUY","quantity":"1","price":"100.1"}'
