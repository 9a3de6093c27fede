"""Reports from Python: where a page may be written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from microbot import report
from microbot.reporting import Report
from research.report.page import MARK
from research.statistics.chance import random_walk
from service.errors import UserError
from tests.research.report.gatherings import EAGER
from tests.support.market import tape


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    path = tmp_path / "walk.jsonl"
    path.write_bytes(tape(random_walk(2, 600)))
    return path


@pytest.fixture
def made(walk: Path) -> Report:
    return report(walk, settings={line.split("=")[0]: float(line.split("=")[1]) for line in EAGER[:2]})


def test_a_page_is_written_over_a_report_and_over_nothing_else(made: Report, walk: Path, tmp_path: Path) -> None:
    tape_before = walk.read_bytes()
    with pytest.raises(UserError, match=r"walk\.jsonl is there already, and no report: choose another name"):
        made.to_html(walk)
    assert walk.read_bytes() == tape_before
    with pytest.raises(UserError, match="is a folder: name a file in it"):
        made.to_html(tmp_path)
    page = made.to_html(tmp_path / "page.html")
    first = page.read_bytes()
    assert MARK.encode() in first
    assert made.to_html(page).read_bytes() == first


def test_a_page_that_cannot_be_written_whole_leaves_the_one_before(
    made: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = made.to_html(tmp_path / "page.html")
    before = page.read_bytes()

    def full(self: Path, text: str, **_: object) -> None:
        with self.open("w", encoding="utf-8") as file:
            file.write(text[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        made.to_html(page)
    assert page.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "walk.jsonl"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (5, "settings= is a int: it must be a mapping, or the name of a TOML file"),
        ({"risk": {"position_size": object()}}, "risk.position_size is a object, which no setting is"),
    ],
)
def test_settings_that_are_none_are_refused_in_a_sentence(walk: Path, settings: Any, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        report(walk, settings=settings)
