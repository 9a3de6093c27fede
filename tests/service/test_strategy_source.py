"""A strategy as text: what belongs to it, and that it is run from there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from actors.messages import StrategySource
from pipeline.strategy import StrategySettings
from service import strategies, strategy_source
from service.errors import UserError

STRATEGY = "def strategy(ticks):\n    return ticks\n"


@pytest.fixture(autouse=True)
def imports_restored() -> Iterator[None]:
    with strategy_source.on_trial():
        yield


def written(folder: Path, **files: str) -> str:
    """Write files (`a__b` is a/b.py), and name the strategy of mine.py."""
    for name, text in files.items():
        path = folder / f"{name.replace('___', '/').replace('init', '__init__')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return f"{folder / 'mine.py'}:strategy"


FILES: dict[str, tuple[dict[str, str], list[str]]] = {
    "alone": ({"mine": STRATEGY}, []),
    "another": ({"mine": "import helper", "helper": "", "other": ""}, ["helper.py"]),
    "in a circle": (
        {"mine": "from helper import x", "helper": "import deeper", "deeper": "import mine"},
        ["helper.py", "deeper.py"],
    ),
    "a package": (
        {"mine": "import kit.rules", "kit___init": "", "kit___rules": ""},
        ["kit/__init__.py", "kit/rules.py"],
    ),
    "a folder": ({"mine": "import kit.rules", "kit___rules": ""}, ["kit/rules.py"]),
    "relative": (
        {"mine": "from kit import rules", "kit___rules": "from . import sums\nfrom .sub import x", "kit___sums": "",
         "kit___sub___init": "from .. import more", "kit___more": ""},
        ["kit/rules.py", "kit/sums.py", "kit/sub/__init__.py", "kit/more.py"],
    ),
    "in a function": ({"mine": "def strategy(ticks):\n    import late\n", "late": ""}, ["late.py"]),
    "of others": ({"mine": "import json, msgspec, service, not_there", "json": "", "msgspec": "", "service": ""}, []),
    "no Python": ({"mine": "def broken(:", "helper": ""}, []),
}  # fmt: skip


@pytest.mark.parametrize(("files", "found"), FILES.values(), ids=FILES)
def test_what_a_file_imports_from_its_own_folder_belongs_to_it(
    files: dict[str, str], found: list[str], tmp_path: Path
) -> None:
    source = strategy_source.read(written(tmp_path, **files))
    assert next(iter(source.files)) == "mine.py"
    assert sorted(source.files) == sorted(("mine.py", *found))
    assert strategy_source.paths(source)[0] == tmp_path / "mine.py"


def test_it_is_run_without_the_files_and_a_second_one_has_modules_of_its_own(tmp_path: Path) -> None:
    mine = "import helper\nfrom kit.rules import many\nvalue = helper.value + many\n"
    sources = []
    for value in ("1", "2"):
        reference = written(tmp_path, mine=mine, helper=f"value = {value}", kit___rules="many = 10")
        sources.append(strategy_source.read(reference))
    for path in sorted(tmp_path.rglob("*.py")):
        path.unlink()
    modules = [strategy_source.executed(source) for source in (*sources, sources[0])]
    assert [module.value for module in modules] == [11, 12, 11]


def test_an_import_that_runs_later_finds_what_was_read(tmp_path: Path) -> None:
    mine = "def late():\n    import helper\n    return helper.value\n"
    source = strategy_source.read(written(tmp_path, mine=mine, helper="value = 5"))
    module = strategy_source.executed(source)
    (tmp_path / "helper.py").unlink()
    assert module.late() == 5


def test_one_that_raises_leaves_the_modules_of_the_one_before(tmp_path: Path) -> None:
    first = strategy_source.read(written(tmp_path, mine="import helper", helper="value = 1"))
    strategy_source.executed(first)
    before = sys.modules["helper"]
    second = strategy_source.read(written(tmp_path, mine="import helper\n1 / 0", helper="value = 2"))
    with pytest.raises(ZeroDivisionError):
        strategy_source.executed(second)
    assert sys.modules["helper"] is before
    with strategy_source.on_trial():
        strategy_source.executed(strategy_source.read(written(tmp_path, mine="import helper", helper="value = 3")))
        assert sys.modules["helper"].value == 3
    assert sys.modules["helper"] is before


def test_a_source_of_a_recording_is_what_was_read_or_it_is_refused(tmp_path: Path) -> None:
    source = strategy_source.read(written(tmp_path, mine=STRATEGY))
    again = msgspec.json.decode(msgspec.json.encode(source), type=StrategySource)
    assert again == source
    damaged = msgspec.structs.replace(source, files={"mine.py": "1 / 0"})
    with pytest.raises(UserError, match="is damaged"):
        strategies.load_source(damaged, StrategySettings())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"there is no strategy file .*mine\.py: name the strategy as FILE\.py:NAME$"),
        (b"\xff\xfe", r"mine\.py cannot be read: "),
        (b"x = '" + b"a" * (1 << 20) + b"'", r"more than 100 files or 1 MiB: too much"),
    ],
    ids=["missing", "no text", "too much"],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_one_sentence(content: bytes | None, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("")
    if content is not None:
        (tmp_path / "mine.py").write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        strategy_source.read(f"{tmp_path / 'mine.py'}:strategy")


@pytest.mark.parametrize("file", ["mine", "helper"])
def test_a_failure_names_the_file_and_the_line_as_one_of_a_file_does(file: str, tmp_path: Path) -> None:
    texts = {"mine": "import helper\n" + STRATEGY, "helper": ""} | {file: "\n\n1 / 0\n"}
    source = strategy_source.read(written(tmp_path, **texts))
    with pytest.raises(UserError, match=rf"mine\.py cannot be loaded: ZeroDivisionError: .*\({file}\.py:3\)$"):
        strategies.load_source(source, StrategySettings())
