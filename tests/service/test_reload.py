"""The watch on a strategy's files: what is taken for a save, what it leads to, what is said where that is nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import StrategyRefused, StrategySource
from pipeline.strategy import Strategy, StrategySettings
from service import settings, strategies, strategy_source
from service.errors import UserError
from service.live.reload import SourceWatch, Workshop
from service.options import RunOptions
from service.venues import Venue
from tests.support.market import trade

GOOD = """
from microbot import op, param
from helper import THRESHOLD

def strategy(ticks):
    return ticks.pipe(op.window(seconds=param("look", 10, 2, 60)), op.momentum(THRESHOLD), op.bursts())
"""
RAISES = """
from microbot import op

def fail(tick):
    raise ZeroDivisionError("at a tick")

def strategy(ticks):
    return ticks.pipe(op.readings(bad=op.indicator("bad", lambda: fail)), op.when(op.above("bad", 1), go="LONG"),
                      op.signals())
"""


@pytest.fixture(autouse=True)
def imports_restored() -> Iterator[None]:
    with strategy_source.on_trial():
        yield


class Watched:
    """A strategy's folder, the watch on it, and what that said."""

    def __init__(self, folder: Path, *assignments: str, text: str = GOOD) -> None:
        self.folder = folder
        self.replaced: list[tuple[StrategySource, Strategy]] = []
        self.refused: list[StrategyRefused] = []
        self.save(text)
        self.save("THRESHOLD = 0.001\n", "helper.py")
        source = strategy_source.read(f"{folder / 'mine.py'}:strategy")
        effective = settings.load(assignments=assignments, environment={})
        strategies.chosen(source, effective)
        workshop = Workshop(effective, lambda: [trade(0), trade(1), trade(2, symbol="B")])
        self.watch = SourceWatch(source, workshop.made, lambda *found: self.replaced.append(found), self.refused.append)

    def save(self, text: str, name: str = "mine.py") -> Watched:
        path = self.folder / name
        path.with_suffix(".part").write_text(text)
        path.with_suffix(".part").rename(path)  # as an editor does: another inode each time
        return self

    def look(self, times: int = 8) -> Watched:
        for _ in range(times):
            self.watch.look()
        return self

    @property
    def said(self) -> str:
        (refused,) = self.refused
        return refused.error


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_what_is_saved_is_made_and_handed_over_once(watched: Watched) -> None:
    watched.look()
    assert watched.replaced == []
    watched.save(GOOD.replace("10, 2", "20, 2")).look()
    ((source, strategy),) = watched.replaced
    assert source.files["mine.py"] == GOOD.replace("10, 2", "20, 2")
    assert strategy.parameters.declared["look"].value == 20
    watched.save(GOOD).look()
    assert len(watched.replaced) == 2
    assert watched.refused == []


def test_a_save_that_changes_nothing_replaces_nothing(watched: Watched) -> None:
    watched.save(GOOD).look()
    (watched.folder / "notes.txt").write_text("the folder is another, the strategy is not")
    watched.look()
    assert watched.replaced == []


def test_a_file_that_the_strategy_imports_is_watched_like_its_own(watched: Watched) -> None:
    watched.save("THRESHOLD = 0.002\n", "helper.py").look()
    assert watched.replaced[0][0].files["helper.py"] == "THRESHOLD = 0.002\n"
    more = "from deeper import THRESHOLD\n"
    watched.save("THRESHOLD = 0.003\n", "deeper.py").save(more, "helper.py").look()
    watched.save("THRESHOLD = 0.004\n", "deeper.py").look()
    assert [found.files.get("deeper.py") for found, _ in watched.replaced] == [
        None, "THRESHOLD = 0.003\n", "THRESHOLD = 0.004\n",
    ]  # fmt: skip


def test_a_half_written_save_is_waited_for(watched: Watched) -> None:
    changed = GOOD.replace("10, 2", "20, 2")
    watched.save(changed[: changed.index("op.bursts")]).look(3)
    (watched.folder / "mine.py").unlink()
    watched.look(3)
    watched.save(changed).look()
    assert watched.refused == []
    assert len(watched.replaced) == 1


def test_one_that_still_changes_is_not_read(watched: Watched) -> None:
    for seconds in range(20, 30):
        watched.save(GOOD.replace("10, 2", f"{seconds}, 2")).look(1)
    assert watched.replaced == []
    watched.look()
    assert len(watched.replaced) == 1


@pytest.mark.parametrize(
    ("text", "sentence", "traceback"),
    [
        ("def strategy(:\n", "mine.py cannot be loaded: SyntaxError: invalid syntax (mine.py:1)", "def strategy(:"),
        ("import not_there\n", "ModuleNotFoundError: No module named 'not_there' (mine.py:1)", "mine.py:1 in <module>"),
        ("1 / 0\n", "mine.py cannot be loaded: ZeroDivisionError: division by zero (mine.py:1)", "mine.py:1 in <"),
        ("def strategy(ticks):\n    return ticks\n", "must end in signals, and ends in ticks, as they came", ""),
        ("def strategy(ticks):\n    return ticks.pope()\n", "cannot be built: AttributeError", "mine.py:2 in strategy"),
        (RAISES, "the strategy of A failed while it was warmed up: ZeroDivisionError: at a tick", "mine.py:5 in fail"),
        ("x = 1\n", "mine.py has no strategy", ""),
        ("exit()\n", "mine.py cannot be loaded: SystemExit", "mine.py:1 in <module>"),
    ],
    ids=["syntax", "import", "load", "pipe", "build", "warm-up", "name", "exit"],
)  # fmt: skip
def test_an_error_is_told_once_with_its_traceback_and_the_next_save_mends_it(
    text: str, sentence: str, traceback: str, watched: Watched
) -> None:
    watched.save(text).look()
    (watched.folder / "notes.txt").write_text("this is no save of the strategy")
    watched.look()
    assert watched.replaced == []
    assert sentence in watched.said
    (refused,) = watched.refused
    assert refused.strategy == f"{watched.folder / 'mine.py'}:strategy"
    assert any(traceback in line for line in refused.traceback) or not traceback
    watched.save(GOOD.replace("10, 2", "20, 2")).look()
    assert len(watched.replaced) == 1


def test_a_file_that_is_gone_is_told_and_its_return_is_no_news(watched: Watched) -> None:
    (watched.folder / "mine.py").unlink()
    watched.look()
    assert "there is no strategy file" in watched.said
    watched.save(GOOD).look()
    assert (len(watched.refused), watched.replaced) == (1, [])


def test_an_import_that_is_missing_is_mended_by_the_file(watched: Watched) -> None:
    watched.save("from later import THRESHOLD\n", "helper.py").look()
    assert "No module named 'later'" in watched.said
    watched.save("THRESHOLD = 0.005\n", "later.py").look()
    assert len(watched.replaced) == 1


def test_parameters_that_were_set_apply_again_and_one_that_vanished_is_refused(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "strategy.look=30")
    watched.save(GOOD.replace("10, 2", "20, 2")).look()
    assert watched.replaced[0][1].parameters.declared["look"].value == 30
    watched.save(GOOD.replace('"look"', '"back"')).look()
    assert "does not read strategy.look (--set)" in watched.said
    assert "it reads only back" in watched.said
    assert len(watched.replaced) == 1


def test_a_parameter_that_is_out_of_its_new_bounds_is_refused(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "strategy.look=30")
    watched.save(GOOD.replace("2, 60", "2, 20")).look()
    assert "the parameter 'look' must be from 2 to 20, not 30" in watched.said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"watch": True}, "--watch goes with --strategy"),
        (
            {"watch": True, "strategy": "m.py", "live": True, "venue": Venue.ALPACA, "ask": lambda *_: ""},
            "--watch and --live exclude each other",
        ),
    ],
)
def test_where_nothing_can_be_watched_that_is_said(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        RunOptions(**options).check()


def test_a_helper_of_a_strategy_that_was_loaded_from_its_file_is_not_taken_for_that_of_a_source(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "helper.py").write_text("SECONDS = 5\n")
    (other / "mine.py").write_text(
        "from helper import SECONDS\nfrom microbot import op\n"
        "def strategy(ticks):\n    return ticks.pipe(op.window(seconds=SECONDS), op.momentum(0.001), op.bursts())\n"
    )
    strategies.load(f"{other / 'mine.py'}:strategy", StrategySettings())
    watched = Watched(tmp_path)
    watched.save("THRESHOLD = 0.002\n", "helper.py").look()
    assert len(watched.replaced) == 1
