"""microbot: the names that are promised, typed and described, and all that a user's code needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import FunctionType

import pytest

import microbot
from microbot import op, testing
from microbot.testing import hypothesis

ROOT = Path(__file__).parents[2]
SHOWN = sorted([*(ROOT / "examples").glob("*.py"), ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
OURS = {"actors", "bench", "mock_exchange", "pipeline", "service", "simulation", "web"}


def imported(code: str) -> set[str]:
    """Return the top-level packages that a piece of Python imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def code_in(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [text] if path.suffix == ".py" else re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_what_users_are_shown_imports_only_the_public_face(path: Path) -> None:
    for code in code_in(path):
        assert imported(code) & OURS == set()
        for name in re.findall(r"from microbot import ([\w, ]+)", code):
            assert set(name.replace(" ", "").split(",")) <= {*microbot.__all__, "testing"}
        for name in re.findall(r"from microbot.testing import ([\w, ]+)", code):
            assert set(name.replace(" ", "").split(",")) <= set(testing.__all__)


def test_every_name_that_is_promised_is_there_and_described() -> None:
    assert microbot.__all__ == sorted(microbot.__all__)
    public = [getattr(room, name) for room in (microbot, op, testing, hypothesis) for name in room.__all__]
    for made in public:
        assert made.__doc__ or not isinstance(made, type | FunctionType), made


def test_it_is_typed_and_of_the_version_that_is_installed() -> None:
    homes = {getattr(microbot, name).__module__.partition(".")[0] for name in ("Strategy", "UserError", "backtest")}
    for room in {*homes, "actors"}:  # those whose types the public face speaks of
        assert (ROOT / room / "py.typed").is_file(), room
    assert microbot.__version__ == version("microbot-trading")


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "microbot", "--version"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == microbot.__version__


def test_a_misspelt_operator_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(AttributeError, match=r"^there is no op\.candle: did you mean op\.candles\?$"):
        op.candle  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"^there is no op\.qqq; docs/REFERENCE\.md lists what there is$"):
        op.qqq  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(op, "candle")
