"""The plug-in of pytest, in a pytest of its own: its fixtures, its reports, and that it costs nothing unused."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STRATEGY = """\
from microbot import op

def strategy(ticks):
    return ticks.pipe(op.window(seconds=5, min_ticks=2), op.momentum(0.001), op.bursts())
"""


def run_pytest(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Write a strategy and tests of it into `folder/own`, and run pytest in the folder above."""
    (folder / "own").mkdir()
    (folder / "own" / "my.py").write_text(STRATEGY, encoding="utf-8")
    (folder / "own" / "test_my.py").write_text(code, encoding="utf-8")
    # Named, and not only found: it is the same module where the installed package lists it as well.
    command = [sys.executable, "-m", "pytest", "-p", "pytest_microbot", "-p", "no:cacheprovider", *options]
    # Where pytest knows a build server by its variables, the summary repeats whole messages.
    inherited = {name: value for name, value in os.environ.items() if name not in {"CI", "BUILD_NUMBER"}}
    environment = {**inherited, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)


def test_its_fixtures_make_tapes_and_find_files_beside_the_test(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        """
from pathlib import Path
from microbot.testing import assert_signals

def test_a_file(tape, backtested):
    begun = tape("X").flat(10)
    assert_signals(backtested(begun.burst(0.004), "my.py:strategy"), ("LONG", 11))
    begun.burst(-0.004).write(Path(__file__).with_name("down.jsonl"))
    assert_signals(backtested("down.jsonl", "my.py"), ("SHORT", 11))

def test_options(tape, backtested):
    found = backtested(tape().flat(10).burst(0.004).flat(1), "my.py", settings={"risk.position_size": 3}, readings=True)
    assert found.readings
    assert [trade.quantity for trade in found.trades] == [3]
""",
    )
    assert "2 passed" in done.stdout, done.stdout


def test_the_report_of_a_test_that_fails_shows_once_what_was_decided(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        """
from microbot.testing import assert_trades

def test_by_hand(tape, backtested):
    assert backtested(tape().flat(10).burst(0.004), "my.py:strategy").trades == [1]

def test_by_help(tape, backtested):
    assert_trades(backtested(tape().flat(10).burst(-0.004), "my.py:strategy"), "TP", "TP")

def test_before_anything_was_decided(backtested):
    assert 1 == 2

def test_that_passes(tape, backtested):
    backtested(tape().flat(10).burst(0.004), "my.py:strategy")
""",
        "-p",
        "no:randomly",
    )
    assert "3 failed, 1 passed" in done.stdout, done.stdout
    assert done.stdout.count("microbot: what was decided") == 1
    assert done.stdout.count("11 s: AAPL LONG at 100.133, approved") == 1
    assert done.stdout.count("11 s: AAPL SHORT at 99.8667, approved\n") == 1


def test_what_an_author_did_wrong_is_shown_without_our_own_lines(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        """
from reactivex import operators as rx
from microbot.testing import said

def fails(ticks):
    return ticks.pipe(rx.map(lambda tick: tick.nonsense))

def test_no_file(tape, backtested):
    backtested(tape(), "nowhere.py:strategy")

def test_a_strategy_that_fails(tape, backtested):
    backtested(tape(), fails)

def test_a_stream_that_fails(tape):
    said(fails, tape())
""",
    )
    assert "3 failed" in done.stdout, done.stdout
    assert done.stdout.count("UserError: there is no strategy file nowhere.py") == 2
    assert done.stdout.count("\nE       test_my.py:6 in <lambda>\n") == 2
    assert "_decided" not in done.stdout


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_it_imports_nothing_of_ours_where_it_is_not_used(options: tuple[str, ...], tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        """
import sys

def test_nothing_is_there():
    found = {name.partition(".")[0] for name in sys.modules}
    assert "pytest_microbot" in found
    assert found & {"microbot", "pipeline", "actors", "service", "web", "reactivex", "msgspec", "aiohttp"} == set()
""",
        *options,
    )
    assert "1 passed" in done.stdout, done.stdout


def test_lines_that_run_before_a_fixture_is_used_are_counted(tmp_path: Path) -> None:
    """What a plug-in imports before coverage begins is never counted: it imports nothing."""
    done = run_pytest(
        tmp_path,
        """
def test_a_burst(tape, backtested):
    assert backtested(tape().flat(10).burst(0.004), "my.py:strategy").signals
""",
        "--cov=microbot.testing.tapes",
    )
    line = next(line for line in done.stdout.splitlines() if "tapes.py" in line)
    assert int(line.split()[-1].rstrip("%")) > 60, done.stdout


def test_it_is_installed_under_the_name_of_its_module() -> None:
    """So that it may be named as well, `-p pytest_microbot`, without being there twice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"pytest_microbot": "pytest_microbot"}
    assert importlib.import_module("pytest_microbot").__file__ == str(ROOT / "pytest_microbot.py")
