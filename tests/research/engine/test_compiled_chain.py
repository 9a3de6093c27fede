"""The compiled chain in front of the real core: the same facts, one by one, and the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings as budget, strategies as st

from actors.engine.core import CoreSettings, Input
from actors.messages import Fact, SignalRaised
from pipeline.events import SECOND, Trade
from pipeline.strategy import Strategies, StrategySettings, momentum_burst
from research import cli
from research.engine import chain as chain_module
from research.engine.compiled_chain import CompiledChain, _read, _split, replay
from service.recorded import replay as replaying, tapes
from service.settings import Settings
from tests.service.test_cli import Outcome, assert_one_line, bytes_of
from tests.service.test_columnar import columnar_of, of_table
from tests.service.test_replay import OWN
from tests.support import random_tapes, shared
from tests.support.market import START, gap, tape, trade
from tests.support.random_tapes import QUICK, core_settings, lifelike, seeded_tape
from tests.support.shared import Vector

VECTORS = shared.vectors() or tuple(OWN)
"""Where there is no ../shared, our own day."""


def settings_of(core: CoreSettings) -> Settings:
    return Settings(strategy=core.strategy, risk=core.risk, execution=core.execution)


def exactly(events: list[Input], settings: Settings) -> tuple[list[Fact], dict[str, object]]:
    facts: list[Fact] = []
    strategy = Strategies(momentum_burst(settings.strategy))
    return facts, replaying.decide([events], settings, strategy, facts.append)


def by_chain(events: list[Input], settings: Settings, at_once: int = 10**9) -> tuple[list[Fact], dict[str, object]]:
    facts: list[Fact] = []
    made = CompiledChain(settings.strategy)
    stream = iter(events)
    batches = chain.from_iterable(map(_split, iter(lambda: list(islice(stream, at_once)), [])))
    return facts, replaying.decide(made.marked(batches), settings, Strategies(made.strategy), facts.append)


# ------------------------------------------------------------------------------------------------- equality


@budget(max_examples=100, deadline=None)
@given(random_tapes.tapes(), core_settings(), st.sampled_from([1, 7, 64, 1000]))
def test_any_tape_leads_to_the_same_facts(events: list[Input], core: CoreSettings, at_once: int) -> None:
    """Late and refused trades, quotes, gaps that restart a symbol's strategy, and batches of any length."""
    settings = settings_of(core)
    assert by_chain(events, settings, at_once) == exactly(events, settings)


@budget(max_examples=40, deadline=None)
@given(random_tapes.tapes(), st.builds(lambda e: CoreSettings(QUICK, execution=e), lifelike()))
def test_orders_that_take_time_lead_to_the_same_facts(events: list[Input], core: CoreSettings) -> None:
    settings = settings_of(core)
    assert by_chain(events, settings, 100) == exactly(events, settings)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_is_decided_byte_for_byte(vector: Vector, tmp_path: Path) -> None:
    path = tmp_path / "tape.parquet"
    columnar_of(path, tapes.read(vector.tape))
    replaying.replay(vector.tape, vector.settings, out=tmp_path / "exact")
    told: list[str] = []
    replay(path, vector.settings, out=tmp_path / "columns", say=told.append)
    replay(vector.tape, vector.settings, out=tmp_path / "json")
    assert bytes_of(tmp_path / "columns") == bytes_of(tmp_path / "exact")
    assert bytes_of(tmp_path / "json") == bytes_of(tmp_path / "exact")
    assert not any("exact engine" in sentence for sentence in told)


def test_windows_of_thousands_of_ticks_and_many_marks_in_a_batch_are_the_same() -> None:
    """The ring grows, marks are taken in between, and sums are added up again."""
    events = list(seeded_tape(5, 6_000))
    fast = [msgspec.structs.replace(e, ts=START + (e.ts - START) // 50) for e in events if isinstance(e, Trade)]
    for strategy in (QUICK, StrategySettings(window_size=30.0, entry_threshold=0.0003, volatility_guard_threshold=0)):
        settings = Settings(strategy=strategy)
        facts, summary = by_chain([*fast], settings)
        assert (facts, summary) == exactly([*fast], settings)
        assert any(isinstance(fact, SignalRaised) for fact in facts)


def test_a_symbol_that_restarts_takes_no_tick_from_before_the_restart() -> None:
    """It is late, although the chain that hears it has had none."""
    settings = Settings(strategy=QUICK)
    events: list[Input] = [*islice(seeded_tape(1), 300), gap(10**6, "A"), trade(0, 50, symbol="A"), trade(10**6, 100)]
    assert by_chain(events, settings) == exactly(events, settings)


@pytest.mark.parametrize(
    "change",
    [
        lambda rules: rules._replace(up=rules.up + 1e-4),
        lambda rules: rules._replace(span=rules.span - SECOND // 2),
        lambda rules: rules._replace(min_ticks=rules.min_ticks + 1),
        lambda rules: rules._replace(spike=rules.spike + 0.2),
        lambda rules: rules._replace(guard=rules.guard + 1e-4),
    ],
    ids=["momentum", "window", "ready", "spike", "range"],
)
def test_a_rule_that_is_off_by_a_little_shows(
    change: Callable[[chain_module.Rules], chain_module.Rules], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = list(seeded_tape(9))
    settings = Settings(strategy=QUICK)
    assert by_chain(events, settings) == exactly(events, settings)
    right = chain_module.Rules.of
    monkeypatch.setattr(chain_module.Rules, "of", lambda s: change(right(s)))
    assert by_chain(events, settings) != exactly(events, settings)


def test_ticks_that_the_core_has_and_the_chain_does_not_are_no_silent_difference() -> None:
    made = CompiledChain(QUICK)
    batches = (([*events, trade(10**5)], ticks) for events, ticks in _split(list(islice(seeded_tape(1), 50))))
    with pytest.raises(RuntimeError, match="followed 17 ticks, and the core had 18"):
        replaying.decide(made.marked(batches), Settings(strategy=QUICK), Strategies(made.strategy))


# ----------------------------------------------------------------------------------------- command and choice


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return call


def test_the_command_replays_with_it_where_it_is_asked_for(tmp_path: Path, run: Callable[..., Outcome]) -> None:
    path = tmp_path / "t.parquet"
    columnar_of(path, [seeded_tape(3)])
    exact = run("replay", path, "--out", tmp_path / "exact")
    ours = run("replay", path, "--out", tmp_path / "ours", "--engine", "compiled-chain")
    assert (ours.code, ours.out, ours.err) == (exact.code, exact.out, exact.err) == (0, exact.out, "")
    assert bytes_of(tmp_path / "ours") == bytes_of(tmp_path / "exact")
    several = run("replay", path, path, "--set", "risk.position_size=2", "--engine", "compiled-chain")
    assert_one_line(several, "several tapes", "are decided by the exact engine: leave out --engine")
    refused = run("replay", path, "--engine", "warp")
    assert_one_line(refused, "there is no engine 'warp': there are exact, compiled-chain")


def test_what_it_cannot_decide_the_exact_engine_does_and_that_is_said(
    tmp_path: Path, run: Callable[..., Outcome]
) -> None:
    path, recording, mine = tmp_path / "t.jsonl", tmp_path / "r.jsonl", tmp_path / "mine.py"
    path.write_bytes(tape(seeded_tape(3)))
    recording.write_bytes(b'{"type":"settings","settings":{},"version":"1"}\n' + path.read_bytes())
    mine.write_text(
        "from microbot import op\n"
        "def s(ticks):\n"
        "    return ticks.pipe(op.window(15, 3), op.momentum(0.0005), op.bursts())\n"
    )
    for words, *arguments in (
        ("is the default strategy's, and this is another", path, "--strategy", f"{mine}:s"),
        ("is a session's recording", recording),
    ):
        told = run("replay", *arguments, "--engine", "compiled-chain")
        assert told.code == 0
        assert words in told.err
        assert "the exact engine decided" in told.err
        assert told.out == run("replay", *arguments).out


def test_readings_beyond_all_numbers_are_left_to_the_exact_engine(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(tape([trade(0, 1e-300, 1), trade(5, 1e-300, 1), trade(14, 1e300, 1), trade(16, 1e300, 5)]))
    settings = Settings(strategy=StrategySettings(window_size=14.0))
    told: list[str] = []
    summary = replay(path, settings, say=told.append)
    assert any("no finite numbers: the exact engine decided" in sentence for sentence in told)
    assert summary == replaying.replay(path, settings)


def test_batches_of_market_data_alone_are_followed_as_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    events = [*seeded_tape(2, 100), gap(10**6), trade(10**6)]
    columnar_of(path, [events])
    read = list(_read(path, lambda _: None, lambda _: None))
    assert [event for batch, _ in read for event in batch] == events
    assert [len(batch) for batch, _ in read] == [len(events) - 1, 1]


def test_values_that_no_tape_may_have_are_refused_there_too(tmp_path: Path) -> None:
    """In whichever column one stands, and wherever in the batch."""
    good = {"kind": 0, "symbol": "A", "ts": START, "price": 100.0, "size": 5.0}
    for changed in (
        {"price": float("nan")},
        {"price": 0.0},
        {"size": float("inf")},
        {"size": None},
        {"ts": 0},
        {"symbol": None},
    ):
        rows = [good, good | changed, good | {"ts": START + 1}, good | {"ts": START - 1}]
        path = tmp_path / "t.parquet"
        of_table(path, **{name: [row[name] for row in rows] for name in good})
        summary = replay(path, Settings())
        assert summary == replaying.replay(path, Settings())
        assert (summary["ticks"], summary["ticks_late"], summary["ticks_rejected"]) == (2, 1, 1)
