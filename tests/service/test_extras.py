"""How it is said that an extra is missing, and that its commands are true."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from service import extras
from service.errors import UserError
from service.extras import LIBRARIES, install, missing, needed

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_a_library_that_is_missing_is_named_with_the_command_that_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError) as told, needed("--parquet needs", "parquet"):
        importlib.import_module("pyarrow")
    assert str(told.value) == "--parquet needs pyarrow: pip install 'microbot-trading[parquet]' adds it"


def test_what_no_extra_adds_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "helpers_of_mine", None)
    with pytest.raises(ModuleNotFoundError, match="helpers_of_mine"), needed("a sweep needs"):
        importlib.import_module("helpers_of_mine")


def test_libraries_are_looked_for_without_importing_them() -> None:
    extras.check("a report needs", "json")
    with pytest.raises(UserError, match=r"^a report needs no_such_library: pip install '.*\[research\]' adds it$"):
        extras.check("a report needs", "json", "no_such_library")


def test_how_to_do_without_is_said_at_the_end() -> None:
    assert str(missing("heat maps need vl_convert", otherwise="and --no-svg leaves them out")).endswith(
        "adds it, and --no-svg leaves them out"
    )


def test_the_command_names_the_distribution_and_the_libraries_are_those_of_its_extras() -> None:
    assert install("ray").startswith(f"pip install '{PROJECT['name']}[")
    wanted = {re.split(r"[><=]", one)[0] for extra in PROJECT["optional-dependencies"].values() for one in extra}
    found = packages_distributions()
    assert {name for name in LIBRARIES if wanted & set(found.get(name, [name]))} >= LIBRARIES - {"numpy", "pandas"}
    for distribution in wanted:
        named = {distribution.replace("-", "_").removesuffix("_python")}
        assert named & LIBRARIES, distribution


def test_everything_that_names_an_extra_names_one_that_there_is() -> None:
    root = Path(__file__).parents[2]
    sources = [path for room in ("service", "research", "microbot") for path in (root / room).rglob("*.py")]
    pages = [root / "README.md", *(root / "docs").rglob("*.md")]
    said = [name for path in (*sources, *pages) for name in re.findall(r"trading\[([a-z,]+)\]", path.read_text())]
    assert said
    assert {extra for name in said for extra in name.split(",")} <= PROJECT["optional-dependencies"].keys()


def test_no_module_words_the_command_for_itself() -> None:
    root = Path(__file__).parents[2]
    for room in ("service", "research", "microbot"):
        for path in (root / room).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            explained = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
            said = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in explained]
            if path.name != "extras.py":
                assert not [text for text in said if isinstance(text, str) and "pip install 'microbot" in text], path
