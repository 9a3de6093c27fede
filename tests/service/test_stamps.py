"""stamps: a check that was passed counts for what was checked, and real money wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.events import as_json
from pipeline.strategy import Strategy
from service import settings, strategies
from service.check.trial_tapes import events_of
from service.data_folder import stamps
from service.errors import UserError
from service.live import run as running_bot
from service.options import RunOptions
from service.venues import KEY, SECRET, Venue
from tests.service.test_cli import Run, run

__all__ = ["run"]

MINE = """
from helper import SPAN
from microbot import op, param
from reactivex import operators as ops

def strategy(ticks):
    moved = op.momentum(param("least", 0.0005, 0.0001, 0.01))
    return ticks.pipe(ops.map(lambda tick: tick), op.window(seconds=SPAN), moved, op.bursts())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a bot runs in, with a strategy and a short tape."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text("SPAN = 15\n")
    (tmp_path / "t.jsonl").write_bytes(b"\n".join(map(as_json, events_of(None)[:300])) + b"\n")
    return tmp_path


def loaded(*assignments: str) -> tuple[Strategy, settings.Settings]:
    effective = settings.load(None, assignments, environment={})
    return strategies.chosen("mine.py:strategy", effective), effective


def is_checked(*assignments: str, data_dir: str = "data") -> bool:
    strategy, effective = loaded(*assignments)
    return stamps.is_checked(Path(data_dir), strategy, effective.strategy)


def check(run: Run, *arguments: object) -> int:
    return run("check", "mine.py:strategy", "--tape", "t.jsonl", "--budget-ms", 200, *arguments).code


@pytest.mark.usefixtures("folder")
def test_a_check_that_is_passed_is_noted_for_exactly_that(run: Run) -> None:
    assert not is_checked()
    assert check(run) == 0
    assert is_checked()
    assert not is_checked(data_dir="elsewhere")


CHANGES: dict[str, Callable[[Path], object]] = {
    "the file": lambda folder: (folder / "mine.py").write_text(MINE + "\n"),
    "what it imports": lambda folder: (folder / "helper.py").write_text("SPAN = 14  # not 15\n"),
    "nothing": lambda folder: (folder / "unused.py").write_text("SPAN = 14\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_its_sources_wants_another_check(change: str, folder: Path) -> None:
    strategy, effective = loaded()
    stamps.stamp(Path("data"), stamps.Subject.of(strategy, effective.strategy), None, 1.0)
    CHANGES[change](folder)
    assert is_checked() is (change == "nothing")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("assignment", "same"),
    [
        ("strategy.least=0.001", False),
        ("strategy.stop_loss=0.001", False),  # of the default exits, which are its own
        ("strategy.least=0.0005", True),
        ("risk.position_size=7", True),
    ],
)
def test_other_values_than_were_checked_want_another_check(assignment: str, same: bool) -> None:
    strategy, effective = loaded()
    stamps.stamp(Path("data"), stamps.Subject.of(strategy, effective.strategy), None, 1.0)
    assert is_checked(assignment) is same


@pytest.mark.usefixtures("folder")
def test_another_version_wants_another_check(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy, effective = loaded()
    stamps.stamp(Path("data"), stamps.Subject.of(strategy, effective.strategy), None, 1.0)
    monkeypatch.setattr(stamps, "VERSION", "0.0.0")
    assert not is_checked()


@pytest.mark.usefixtures("folder")
def test_a_check_that_is_failed_takes_it_back(run: Run) -> None:
    assert check(run) == 0
    assert check(run, "--budget-ms", 1e-6) == 1
    assert not is_checked()


def start(*, live: bool, say: Callable[[str], None] = print) -> None:
    """Start a bot without keys, which comes no further than to the broker; `say` hears what is asked, too."""
    effective = settings.load(None, ["strategy.least=0.001", "web.port=0"], environment={})

    def ask(question: str, _: Callable[[], bool]) -> str:
        say(question)
        return "1"

    options = RunOptions(
        venue=Venue.ALPACA,
        symbols=("AAPL",),
        strategy="mine.py",
        live=live,
        ask=ask,
        of_check=("--set", "strategy.least=0.001"),
    )
    running_bot.run(effective, options, say)


@pytest.fixture
def no_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (KEY, SECRET):
        monkeypatch.delenv(name, raising=False)
    return folder


UNCHECKED = (
    r"mine.py:strategy was not checked as it is now: `microbot check mine.py:strategy --set strategy.least=0.001`"
)


@pytest.mark.usefixtures("no_keys")
def test_real_money_is_refused_to_a_strategy_that_was_not_checked_before_the_account_is_asked_for() -> None:
    said: list[str] = []
    with pytest.raises(UserError, match=f"^{UNCHECKED} does that, and without it no real money is traded$"):
        start(live=True, say=said.append)
    assert said == []


@pytest.mark.usefixtures("no_keys")
def test_on_paper_it_is_a_warning() -> None:
    said: list[str] = []
    with pytest.raises(UserError, match=KEY):
        start(live=False, say=said.append)
    assert said == [f"{UNCHECKED} does that"]


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("live", [True, False])
def test_one_that_was_checked_goes_on(live: bool) -> None:
    strategy, effective = loaded("strategy.least=0.001")
    stamps.stamp(Path("data"), stamps.Subject.of(strategy, effective.strategy), None, 1.0)
    said: list[str] = []
    with pytest.raises(UserError, match=KEY):
        start(live=live, say=said.append)
    assert said == (["REAL MONEY. Type the number of the account to trade in: "] if live else [])
