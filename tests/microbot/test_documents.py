"""README and docs: what they show to copy runs, what they name is there, and the settings are told as they are."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

import microbot
from actors.engine.core import Core, CoreSettings
from actors.messages import ChainFailed, Fact, SignalRaised
from microbot import op, testing
from microbot.testing import hypothesis as testing_hypothesis
from pipeline.strategy import StrategySettings, StrategyUse
from research import cli
from service import strategies
from service.exit_codes import ExitCode
from service.settings import SECTIONS
from tests.service.test_cli import Run, run
from tests.support.market import trade

__all__ = ["run"]

app = cli.app  # the service's commands, and those that ask questions of data

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(path: Path, language: str) -> list[str]:
    """Return what stands between fences of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


PYTHON = [
    pytest.param(code, id=f"{path.name}-{number}")
    for path in DOCUMENTS
    for number, code in enumerate(blocks_of(path, "python"), 1)
]
TESTS = [shown for shown in PYTHON if "def test_" in str(shown.values)]
WALKS = ("signals.md", "research.md")  # run from top to bottom, by test_tutorial and test_research_walk
NOTEBOOKS = [
    shown
    for shown in PYTHON
    if "backtest(" in str(shown.values) and shown not in TESTS and not str(shown.id).startswith(WALKS)
]
STRATEGIES = [
    shown
    for shown in PYTHON
    if re.search(r"def strategy|strategy = Str", str(shown.values)) and shown not in NOTEBOOKS + TESTS
]


def commands_in(path: Path) -> list[str]:
    """Return the lines that call the command or make: of blocks, and of what stands in a line."""
    text = path.read_text(encoding="utf-8")
    lines = [line for block in blocks_of(path, "") for line in block.splitlines()]
    lines += re.findall(r"^    (.*)$", text, re.MULTILINE)
    lines += re.findall(r"`([^`\n]+)`", text)
    return [line.strip() for line in lines if re.match(r"\s*(microbot|make) ", line)]


COMMANDS = sorted({command for path in DOCUMENTS for command in commands_in(path)})


# ------------------------------------------------------------------------------------------------- Python


@pytest.mark.parametrize("code", STRATEGIES)
def test_each_strategy_that_is_shown_can_be_run(code: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.py"
    path.write_text(code, encoding="utf-8")
    facts: list[Fact] = []
    core = Core(CoreSettings(), strategies.load(f"{path}:strategy", StrategySettings()), facts.append)
    core.run([trade(0, 100, size=10), trade(1, 100, size=1000), trade(2, 101, size=10)])
    assert not any(isinstance(fact, ChainFailed) for fact in facts)
    assert sum(isinstance(fact, SignalRaised) for fact in facts) == ("Signal(" in code)


def test_the_tests_that_are_shown_pass_beside_a_new_strategy(run: Run, tmp_path: Path) -> None:
    assert run("new-strategy", tmp_path / "cross.py").code == 0
    for number, shown in enumerate(TESTS):
        (tmp_path / f"test_shown_{number}.py").write_text(str(shown.values[0]), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_microbot", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    count = 4 + sum(str(shown.values).count("def test_") for shown in TESTS)
    assert f"{count} passed" in done.stdout, done.stdout


def test_the_failure_that_is_shown_is_what_is_shown(run: Run, tmp_path: Path) -> None:
    run("new-strategy", tmp_path / "cross.py")
    text = (ROOT / "docs" / "TESTING.md").read_text(encoding="utf-8")
    (made,) = re.findall(r"backtested\((.*?), \"cross", text)
    first = next(str(shown.values[0]) for shown in TESTS)
    cell: dict[str, Any] = {}
    exec(first, cell)
    found = microbot.backtest(eval(made, cell), strategy=f"{tmp_path / 'cross.py'}:strategy")
    with pytest.raises(AssertionError) as failed:
        cell["assert_signals"](found, ("LONG", 69))
    (shown,) = blocks_of(ROOT / "docs" / "TESTING.md", "text")
    assert f"AssertionError: {failed.value}\n" == shown


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tape that README has written, and with the examples."""
    folder = tmp_path_factory.mktemp("hour")
    (folder / "examples").symlink_to(ROOT / "examples")
    line = next(command for command in commands_in(README) if "--write-tape" in command)
    with pytest.raises(SystemExit) as ended:
        app(shlex.split(line.replace("hour.jsonl.gz", str(folder / "hour.jsonl.gz")))[1:])
    assert not ended.value.code
    return folder


@pytest.mark.parametrize("code", NOTEBOOKS)
def test_each_backtest_that_is_shown_runs_and_finds_trades(
    code: str, hour: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(hour)
    cell: dict[str, Any] = {}
    exec(code, cell)
    assert cell["found"].signals
    for shown in re.findall(r"# (<Backtest.*>)", code):
        assert shown in capsys.readouterr().out


def test_the_replay_that_readme_shows_runs(hour: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hour)
    shown = [shlex.split(command, comments=True)[1:] for command in commands_in(README) if "hour.jsonl.gz" in command]
    codes = {words[0]: run(*words).code for words in shown if words[0] != "exchange"}
    assert codes == {"replay": 0, "diff": 1, "report": 0, "sweep": 0}
    assert (hour / "decided" / "trades.jsonl").stat().st_size


# ----------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_that_is_shown_exists_with_its_options(command: str) -> None:
    first, *words = shlex.split(command.replace("...", "x"), comments=True)
    if first == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert [word for word in words if "=" not in word and word not in targets] == []
        return
    group = typer.main.get_command(app)
    if words[0] == "--help":
        return
    name = words[0]
    assert name in group.commands or name == "COMMAND", name  # type: ignore[attr-defined]
    if len(words) > 1 and name != "COMMAND":
        group.commands[name].make_context(name, words[1:])  # type: ignore[attr-defined]


def test_the_exit_codes_are_told() -> None:
    told = (ROOT / "docs" / "COMMANDS.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", told, re.MULTILINE) == [str(code.value) for code in ExitCode]


def test_every_command_is_told() -> None:
    told = (ROOT / "docs" / "COMMANDS.md").read_text(encoding="utf-8")
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"`{name}`" in told or f"`microbot {name}" in told or f"`{name} " in told, name


# --------------------------------------------------------------------------------------- settings and names


def test_every_setting_is_told_with_its_default() -> None:
    sections = re.split(r"^## \[([\w.]+)\]$", (ROOT / "docs" / "SETTINGS.md").read_text(encoding="utf-8"), flags=re.M)[
        1:
    ]
    told = {name: re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.M) for name, text in pairwise(sections)}
    assert [name for name in told if name in SECTIONS or name == "strategies.NAME"] == sections[::2]
    own = [name for name in StrategyUse.__struct_fields__ if name not in StrategySettings.__struct_fields__]
    assert [key for key, _ in told["strategies.NAME"]] == own
    for name, kind in SECTIONS.items():
        defaults = kind()
        assert [key for key, _ in told[name]] == list(kind.__struct_fields__)
        for key, shown in told[name]:
            default = getattr(defaults, key)
            value = None if shown == "none" else tomllib.loads(f"value = {shown}")["value"]
            assert value == (list(default) if isinstance(default, tuple) else default), f"{name}.{key}"


def test_the_reference_has_every_public_name() -> None:
    told = (ROOT / "docs" / "REFERENCE.md").read_text(encoding="utf-8")
    names = [f"microbot.{name}" for name in microbot.__all__] + [f"microbot.op.{name}" for name in op.__all__]
    names += [f"microbot.testing.{name}" for name in testing.__all__]
    names += [f"microbot.testing.hypothesis.{name}" for name in testing_hypothesis.__all__]
    described = {"Operator", "Scheduler", "Step", "op", "__version__"}
    missing = [name for name in names if f"::: {name}\n" not in told and name.rpartition(".")[2] not in described]
    assert missing == []


# ---------------------------------------------------------------------------------------- what they lead to


def test_readme_is_short_enough_for_a_first_hour() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < 150


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.is_file(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_is_there(path: Path) -> None:
    rooms = "|".join(child.name for child in ROOT.iterdir() if child.is_dir() and not child.name.startswith("."))
    named = re.findall(rf"`((?:{rooms})/[\w/.-]*)`", path.read_text(encoding="utf-8"))
    elsewhere = r"(data|logs|build)/|.*NAME"  # what the bot or a build writes, and what is to be named
    assert [name for name in named if not re.match(elsewhere, name) and not (ROOT / name).exists()] == []
