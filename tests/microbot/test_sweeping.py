"""sweep from Python: what it says of a setting is what a backtest with that setting decides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from microbot import SweepRefused, SweepResult, UserError, backtest, report, sweep
from tests.microbot.test_backtesting import seeded

__all__ = ["seeded"]

TRIED = {"strategy.profit_target": [0.0005, 0.0015], "strategy.entry_threshold": "0.0003:0.0005:0.0002"}


@pytest.fixture
def swept(seeded: Path, tmp_path: Path) -> SweepResult:
    given = {"risk": {"position_size": 10}, "strategy.stop_loss": 0.001}
    return sweep(seeded, TRIED, settings=given, engine="exact", on="serial", out=tmp_path / "swept", windows=2)


def test_each_row_is_what_a_backtest_with_its_setting_decides(swept: SweepResult, seeded: Path) -> None:
    rows = swept.to_pandas()
    assert len(rows) == 4
    for _, row in rows.iterrows():
        given = {path: row[path] for path in TRIED} | {"risk.position_size": 10, "strategy.stop_loss": 0.001}
        found = backtest(seeded, settings=given)
        assert row["trades"] == len(found.trades)
        assert row["net"] == pytest.approx(found.summary["total_pnl"])
    trades = swept.to_polars("trades")
    assert trades.height == rows["trades"].sum() > 0
    assert "exit_reason" in trades.columns


def test_it_says_whether_the_best_is_to_be_believed(swept: SweepResult, tmp_path: Path) -> None:
    assert (swept.believe, swept.sentence) == (swept.summary["believe"], swept.summary["sentence"])
    assert set(swept.best or TRIED) == set(TRIED)
    assert swept.summary["folder"] == str(swept.folder) == str(tmp_path / "swept")
    assert "4 settings" in repr(swept)
    assert ("not believed" in repr(swept)) is not swept.believe


def test_what_the_environment_sets_is_neither_swept_nor_reported(
    seeded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a backtest: the same call gives the same on any machine."""

    def told() -> tuple[Any, Any]:
        found = sweep(seeded, {"strategy.profit_target": [0.0015]}, engine="exact", on="serial", out=tmp_path / "kept")
        return found.to_pandas()["net"].tolist(), report(seeded).summary["result"]

    plain = told()
    monkeypatch.setenv("MICROBOT_RISK__POSITION_SIZE", "7")
    assert told() == plain
    assert plain[0] == [pytest.approx(backtest(seeded).summary["total_pnl"])]


def test_a_report_of_the_best_says_that_it_was_chosen(seeded: Path) -> None:
    told = report(seeded, note="chosen on this tape out of 4 settings")
    assert "more than luck" in report(seeded).sentences[0]
    assert told.sentences[0].startswith("Chosen on this tape out of 4 settings. ")
    assert "no proof" in told.sentences[0]
    assert "**Chosen on this tape out of 4 settings. " in told.to_markdown()


def test_what_cannot_be_swept_is_said_in_a_sentence(seeded: Path, tmp_path: Path, swept: SweepResult) -> None:
    with pytest.raises(UserError, match="at least one setting"):
        sweep(seeded, {})
    with pytest.raises(UserError, match="there is no tape"):
        sweep(tmp_path / "none.jsonl", TRIED)
    with pytest.raises(UserError, match="entry_threshol"):
        sweep(seeded, {"strategy.entry_threshol": [1]})
    table: Any = "fills"
    with pytest.raises(UserError, match="no table 'fills': there are settings, trades"):
        swept.to_polars(table)


def test_without_the_extra_it_names_it(seeded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install 'microbot-trading\[research\]'"):
        sweep(seeded, TRIED, engine="exact", on="serial", out=tmp_path)


def test_a_sweep_whose_sample_differs_is_refused(seeded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(*_: Any, **__: Any) -> Any:
        from research.sweeps.sweep import Refused

        raise Refused("trade 1: exit_price 1.0, not 2.0")

    monkeypatch.setattr("research.sweeps.sweep.Sweep.run", differs)
    with pytest.raises(SweepRefused, match="exit_price"):
        sweep(seeded, TRIED, engine="exact", on="serial", out=tmp_path / "swept")


HEAVY = ("numba", "numpy", "optuna", "pandas", "polars", "pyarrow", "research", "scipy")


def test_importing_microbot_loads_nothing_heavy() -> None:
    code = f"import sys, microbot; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"
