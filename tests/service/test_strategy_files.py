"""strategy_files: files with what lies beside them, and strategies that packages bring."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.strategy import Strategy, StrategySettings
from service import settings, strategies, strategy_files
from service.check.checks import Checks
from service.check.trial_tapes import events_of
from service.errors import UserError

USES_HELPERS = """
from helpers import SECONDS
from microbot import op

def strategy(ticks):
    return ticks.pipe(op.window(seconds=SECONDS), op.momentum(0.0005), op.bursts())

exits = [op.time_stop(seconds=SECONDS)]
"""

PACKAGED = """
import time
from microbot import op, param
from .limits import LEAST

def crossing(ticks):
    return ticks.pipe(op.window(seconds=param("span", 5, 1, 60)), op.momentum(LEAST), op.bursts())

def late(ticks):
    clocked = op.condition("late", lambda frame: time.time(), at_least=0)
    return ticks.pipe(op.window(seconds=5), op.momentum(LEAST), clocked, op.bursts())

exits = [op.time_stop(seconds=param("hold", 20, 1, 60))]
"""


@pytest.fixture(autouse=True)
def paths() -> Iterator[None]:
    before, modules = sys.path.copy(), set(sys.modules)
    yield
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in ("helpers", "house"):
            del sys.modules[name]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package, `house`, with two strategies."""
    package = tmp_path / "site" / "house"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "limits.py").write_text("LEAST = 0.0005\n")
    (package / "signals.py").write_text(PACKAGED)
    info = tmp_path / "site" / "house-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house\nVersion: 1.0\n")
    lines = "house-cross = house.signals:crossing\nhouse-late = house.signals:late\nhouse-gone = house.nowhere:x\n"
    (info / "entry_points.txt").write_text(f"[{strategy_files.GROUP}]\n{lines}")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return package


def load(reference: str, **parameters: float) -> Strategy:
    return strategies.load(reference, StrategySettings(parameters=parameters))


def beside(folder: Path, seconds: int) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "helpers.py").write_text(f"SECONDS = {seconds}\n")
    (folder / "mine.py").write_text(USES_HELPERS)
    return f"{folder / 'mine.py'}:strategy"


def seconds_of(strategy: Strategy) -> int:
    seconds: int = strategy.entries.__globals__["SECONDS"]
    return seconds


def test_each_strategy_gets_the_helpers_of_its_own_folder(tmp_path: Path) -> None:
    first, second = (load(beside(tmp_path / name, seconds)) for name, seconds in (("a", 3), ("b", 4)))
    assert (seconds_of(first), seconds_of(second)) == (3, 4)
    assert first.files == tuple(str(tmp_path / "a" / name) for name in ("mine.py", "helpers.py"))
    assert second.files == tuple(str(tmp_path / "b" / name) for name in ("mine.py", "helpers.py"))


def test_what_lies_beside_and_is_not_imported_is_no_source_of_it(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("")
    assert str(tmp_path / "other.py") not in load(beside(tmp_path, 3)).files


def test_a_changed_helper_is_imported_afresh(tmp_path: Path) -> None:
    assert seconds_of(load(beside(tmp_path, 3))) == 3
    assert seconds_of(load(beside(tmp_path, 40))) == 40


def test_what_is_ours_is_never_taken_for_a_helper() -> None:
    root = Path(strategies.__file__).parents[1]
    before = sys.modules["pipeline"]
    found = strategy_files.find(str(root / "hatch_build.py"))  # a file that lies where our own packages do
    with strategy_files._importing_beside(root / "hatch_build.py"):
        import microbot  # noqa: F401
    assert [path.name for path in found.files()] == ["hatch_build.py"]
    assert sys.modules["pipeline"] is before


@pytest.mark.usefixtures("house")
def test_an_installed_strategy_is_found_by_its_name() -> None:
    strategy = load("house-cross", hold=30)
    assert (strategy.name, strategy.reference) == ("house-cross", "house-cross")
    assert {name: found.value for name, found in strategy.parameters.declared.items()} == {"hold": 30, "span": 5}


@pytest.mark.usefixtures("house")
def test_one_installed_strategy_is_loaded_twice_with_parameters_of_its_own() -> None:
    assert [load("house-cross", hold=hold).parameters.declared["hold"].value for hold in (7, 8)] == [7, 8]


def test_all_of_its_package_is_its_source(house: Path) -> None:
    files = [str(house / name) for name in ("__init__.py", "limits.py", "signals.py")]
    assert list(load("house-cross").files) == files


@pytest.mark.usefixtures("house")
def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    known = "installed are house-cross, house-gone, house-late; a file is named as FILE.py:NAME"
    with pytest.raises(UserError, match=rf"^there is no strategy house-corss: {known}$"):
        load("house-corss")


def test_without_any_the_group_is_named() -> None:
    with pytest.raises(UserError, match=r"^there is no strategy cross: none is installed \(microbot\.strategies\); "):
        load("cross")


@pytest.mark.usefixtures("house")
def test_one_whose_module_is_gone_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match=r"house-gone \(house\.nowhere:x\) cannot be loaded: there is no module"):
        load("house-gone")


@pytest.mark.usefixtures("house")
def test_check_names_the_line_of_one_that_lies_where_libraries_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from actors.engine import authors

    monkeypatch.setattr(authors, "_LIBRARIES", (*authors._LIBRARIES, sys.path[0]))
    effective = settings.load(environment={})
    strategy = strategies.chosen("house-late", effective)
    found = Checks(strategy, effective, events_of(None)[:500], 5).reads_nothing_but_its_streams()
    assert not found.passed
    assert "signals.py:10" in found.sentence
