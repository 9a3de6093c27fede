"""Engines: the exact one decides as a replay does, and the choice between them says its reason."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest

from research.engine.decided import Decided, of_outcomes
from research.engine.exact import ExactEngine
from research.engine.port import CannotDecide, InColumns, Outcome, engine_of, why_not_compiled
from research.sweeps import cells
from service import settings as settings_
from service.errors import UserError
from service.recorded.replay import replay
from service.settings import Settings
from tests.support.market import tape
from tests.support.random_tapes import seeded_tape

THRESHOLDS = (0.0003, 0.0005, 0.0008)


def with_(**values: object) -> Settings:
    return settings_.load(given={path.replace("__", "."): value for path, value in values.items()}, environment={})


@pytest.fixture(scope="module")
def small_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tape") / "tape.jsonl"
    path.write_bytes(tape(seeded_tape(3, 2_000)))
    return path


def test_the_exact_engine_decides_byte_for_byte_as_a_replay_of_each_setting(small_tape: Path, tmp_path: Path) -> None:
    settings = [with_(strategy__entry_threshold=each, strategy__volatility_guard_threshold=0) for each in THRESHOLDS]
    outcomes = ExactEngine().decide(small_tape, settings)
    assert sum(len(outcome.trades) for outcome in outcomes) > 10
    for number, (each, outcome) in enumerate(zip(settings, outcomes, strict=True)):
        out = tmp_path / str(number)
        replay(small_tape, each, out=out)
        assert outcome.files() == {path.name: path.read_bytes() for path in out.iterdir()}
    assert outcomes[0].files() != outcomes[-1].files()


class ByAnotherName(ExactEngine):
    """An engine that is not the compiled one, answers in columns, and is to be asked for nothing else."""

    def decide_in_columns(self, tape: Path, settings: Sequence[Settings]) -> list[Decided]:
        return [of_outcomes(range(len(settings)), super().decide(tape, settings))]

    def decide(self, tape: Path, settings: Sequence[Settings]) -> list[Outcome]:
        raise AssertionError("it was asked for whole outcomes")


def test_an_engine_that_answers_in_columns_is_asked_for_them_by_whatever_name(small_tape: Path) -> None:
    settings = tuple(with_(strategy__entry_threshold=each) for each in THRESHOLDS)
    assert isinstance(engine_of("compiled", settings).engine, InColumns)
    assert not isinstance(ExactEngine(), InColumns)
    found, exact = (
        cells.decided(cells.Task(small_tape, engine, settings, ("a", "b", "c")))
        for engine in (ByAnotherName(), ExactEngine())
    )
    assert found.cells.equals(exact.cells)
    assert found.trades.equals(exact.trades)


def test_settings_do_not_touch_one_another_however_many_are_decided_together(
    small_tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [with_(strategy__entry_threshold=each, strategy__volatility_guard_threshold=0) for each in THRESHOLDS]
    together = ExactEngine().decide(small_tape, settings)
    monkeypatch.setattr("research.engine.exact._TOGETHER", 2)
    assert [each.files() for each in ExactEngine().decide(small_tape, settings)] == [each.files() for each in together]


def test_a_strategy_of_ones_own_is_decided_with_the_parameters_of_each_setting(
    small_tape: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from microbot import op, param\n"
        "def burst(ticks):\n"
        "    return ticks.pipe(op.window(15, 3), op.momentum(param('least', 0.0005, 0.0001, 0.1)), op.bursts())\n"
    )
    engine = ExactEngine(f"{mine}:burst")
    few, many = engine.decide(small_tape, [with_(strategy__least=0.05), with_(strategy__least=0.0002)])
    assert len(few.signals) < len(many.signals)


def test_an_engine_can_be_sent_to_another_process(small_tape: Path) -> None:
    engine = ExactEngine()
    sent = pickle.loads(pickle.dumps(engine))
    assert sent.decide(small_tape, [Settings()])[0].files() == engine.decide(small_tape, [Settings()])[0].files()


def test_a_file_that_is_no_tape_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n" * 3)
    with pytest.raises(UserError, match=r"the tape .* is none"):
        ExactEngine().decide(tmp_path / "notes.txt", [Settings()])


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (with_(execution__latency_ms=50), "without latency"),
        (with_(execution__slippage_model="random", execution__slippage_bps=1), "no random slippage"),
        (with_(execution__liquidity="displayed"), "whatever volume is displayed"),
        (with_(limits__max_spread=0.001), "no limits of orders"),
        (with_(**{"strategies.one": {"symbols": ["AAPL"]}}), r"\[strategies.NAME\]"),
    ],
)
def test_what_the_compiled_engine_cannot_do_is_said_and_goes_to_the_exact_one(settings: Settings, why: str) -> None:
    with pytest.raises(CannotDecide, match=f"{why}.*--engine exact"):
        engine_of("compiled", [Settings(), settings])
    chosen = engine_of("auto", [Settings(), settings])
    assert chosen.engine.name == "exact"
    assert chosen.why is not None


def test_a_strategy_of_ones_own_goes_to_the_exact_engine() -> None:
    chosen = engine_of("auto", [Settings()], "mine.py:burst")
    assert chosen.engine.name == "exact"
    assert "mine.py:burst" in str(chosen.why)


def test_defaults_are_within_what_the_compiled_engine_can_do() -> None:
    assert why_not_compiled(with_(strategy__entry_threshold=0.001, execution__fee_per_share=0.005)) is None
