"""new-strategy: what it writes works, what it prints runs as it stands, and it writes over nothing."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from service import new_strategy
from service.errors import UserError
from tests.service.test_cli import Run, run
from tests.support.live import MICROBOT, environment

__all__ = ["run"]

HERE = {"PATH": f"{MICROBOT.parent}{os.pathsep}{os.environ['PATH']}"}


def in_a_shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, shell=True, cwd=folder, env={**environment(), **variables}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "given", "variables", "tried"),
    [
        ("microbot", "my.py", HERE, ["check", "pytest", "replay", "run"]),
        (shlex.quote(str(MICROBOT)), "ideas/of mine/cross.py", {"PATH": os.defpath}, ["pytest", "replay"]),
    ],
    ids=["in its environment", "from elsewhere"],
)
def test_what_it_prints_runs_as_it_stands(
    call: str, given: str, variables: dict[str, str], tried: list[str], tmp_path: Path
) -> None:
    written = in_a_shell(f"{call} new-strategy '{given}'", tmp_path, **variables)
    assert written.returncode == 0, written.stderr
    said, *printed = written.stdout.splitlines()
    assert said.startswith(f"{given} is a strategy, ")
    commands = dict(zip(("check", "pytest", "replay", "run"), printed, strict=True))
    commands["pytest"] += " -p pytest_microbot -p no:cacheprovider"
    commands["run"] += " --port 0 --exchange-port 0 --duration 0.5"
    for name in tried:
        assert f" {name} " in commands[name]
        done = in_a_shell(commands[name], tmp_path, **variables)
        assert done.returncode == 0, (commands[name], done.stdout, done.stderr)
        told = {"check": '"passed":true', "pytest": "4 passed", "replay": '"trades": 1', "run": '"ticks"'}[name]
        assert told in done.stdout


def test_each_of_its_tests_can_fail(tmp_path: Path) -> None:
    files = new_strategy.write(tmp_path / "my.py")
    files.strategy.write_text(
        "from reactivex import operators as rx\n"
        "from microbot import Side, Signal\n"
        "def strategy(ticks):\n"
        "    return ticks.pipe(rx.skip(10**6), rx.map(lambda t: Signal(t.symbol, t.ts, Side.LONG, t.price)))\n"
    )
    never = _tested(tmp_path)
    assert never == {"test_a_fall_and_a_turn_are_followed_until_an_exit_is_due", "test_it_trades_on_the_tape_beside_it"}
    files.strategy.write_text(files.strategy.read_text().replace("10**6", "50"))
    assert _tested(tmp_path) >= {"test_nothing_is_traded_where_nothing_happens", "test_a_wide_spread_keeps_it_out"}


def _tested(folder: Path) -> set[str]:
    """Run the tests in a folder, and return the names of those that failed."""
    command = f"{shlex.quote(sys.executable)} -m pytest -q -p pytest_microbot -p no:cacheprovider"
    lines = in_a_shell(command, folder).stdout.splitlines()
    return {line.split("::")[1].split()[0] for line in lines if line.startswith("FAILED")}


@pytest.mark.parametrize("there", ["my.py", "test_my.py", "my_tape.jsonl"])
def test_it_writes_over_nothing(there: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / there).write_text("mine")
    outcome = run("new-strategy", tmp_path / "my.py")
    assert outcome.code == 2
    assert outcome.err == f"microbot: {tmp_path / there} is there already: choose another name, or remove it\n"
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("my", "a strategy is a file such as my.py: letters, digits and _, and my is none"),
        ("a b.py", "and a b.py is none"),
        ("9.py", "and 9.py is none"),
        (".py", "and .py is none"),
        ("random.py", "there is a Python module random already, which random.py would hide: choose another name"),
        ("microbot.py", "there is a Python module microbot already"),
        ("file/my.py", "my.py cannot be written: "),
    ],
)
def test_a_name_that_is_none_is_refused(name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as refused:
        new_strategy.write(tmp_path / name)
    assert sentence in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_pytest_it_says_how_to_get_it(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = "importlib.util.find_spec"
    monkeypatch.setattr(found, lambda name: None)
    assert "-m pip install 'microbot-trading[testing]' adds it" in run("new-strategy", tmp_path / "my.py").out
