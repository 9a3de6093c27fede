"""`microbot report` as people call it: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from research.cli import main
from research.commands.report import report
from research.report.page import MARK
from research.statistics.chance import random_walk
from service.data_folder import SESSIONS
from tests.research.report.gatherings import EAGER, record
from tests.service.test_cli import Outcome
from tests.support.market import tape, trade

Run = Callable[..., Outcome]
OFTEN = [word for assignment in EAGER for word in ("--set", assignment)]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Call the whole command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    path = tmp_path / "walk.jsonl"
    path.write_bytes(tape(random_walk(2, 1_500)))
    return path


def test_a_report_is_written_beside_and_summed_up(run: Run, walk: Path, tmp_path: Path) -> None:
    done = run("report", walk, *OFTEN)
    assert done.code == 0
    file = tmp_path / "walk.report.html"
    assert done.out.splitlines()[-1] == "the report: walk.report.html"
    assert "trades came to" in done.out.splitlines()[0]
    assert MARK in file.read_text("utf-8")
    again = file.read_bytes()
    assert run("report", walk, *OFTEN).code == 0  # over its own kind it writes
    assert file.read_bytes() == again


def test_json_and_markdown_write_no_page_unless_asked_to(run: Run, walk: Path, tmp_path: Path) -> None:
    done = run("report", walk, *OFTEN, "--json")
    told = json.loads(done.out)
    assert told["result"]["trades"] == len(told["trades"]) > 5
    markdown = run("report", walk, *OFTEN, "--md", "--out", "here.html").out
    assert told["verdict"] in markdown
    assert [path.name for path in tmp_path.glob("*.html")] == ["here.html"]
    assert run("report", walk, "--json", "--md").err == "microbot: --json and --md exclude each other: choose one\n"


def test_a_file_that_is_no_report_is_never_written_over(run: Run, walk: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.html"
    mine.write_text("<p>mine</p>")
    done = run("report", walk, "--out", mine)
    assert (done.code, mine.read_text()) == (2, "<p>mine</p>")
    assert "is there already, and no report" in done.err
    assert "is a folder" in run("report", walk, "--out", tmp_path).err


def test_what_is_not_there_is_said_with_what_would_be(run: Run) -> None:
    done = run("report", "nothing")
    assert done.code == 2
    assert done.err.startswith("microbot: there is no nothing: name a tape, a session")
    assert "name it with --compare" in run("report", "nothing", "--set-b", "risk.position_size=2").err


def test_two_settings_of_one_tape_are_compared_and_their_first_difference_named(run: Run, walk: Path) -> None:
    done = run("report", walk, *OFTEN, "--compare", walk, "--set-b", "strategy.stop_loss=0.002", "--md")
    assert done.code == 0
    assert "## Beside another run" in done.out
    assert "decisions are the same; the next differs: " in done.out
    same = json.loads(run("report", walk, *OFTEN, "--compare", walk, "--json").out)["compared"]
    assert same["difference_bp"]["mean"] == 0.0
    assert any("no difference" in said for said in same["lines"])


def test_the_newest_session_is_reported_with_what_was_lived(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / SESSIONS).mkdir(parents=True)
    record(tmp_path / "data" / SESSIONS / "20260105T143000Z-walk.jsonl.gz", list(random_walk(2, 800)), *EAGER)
    done = run("report", "last", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["source"]["kind"] == "session"
    assert "There is no journal in data" in told["live_beside_replay"]["sentence"]


def test_a_tape_without_trades_has_a_page_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "quiet.jsonl"
    path.write_bytes(tape([trade(second, 100.0) for second in range(30)]))
    done = run("report", path)
    assert done.code == 0
    assert done.out.startswith("No trade was finished. There was no burst.")
    assert (tmp_path / "quiet.report.html").exists()


def test_a_missing_extra_is_one_sentence_that_says_what_adds_it(
    run: Run, walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    done = run("report", walk, *OFTEN)
    assert done.code == 2
    assert done.err == "microbot: the page needs vl_convert: pip install 'microbot-trading[research]' adds it\n"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'microbot-trading[research]'" in run("report", walk, "--json").err


def test_help_names_every_source() -> None:
    assert report.__doc__ is not None
    for word in ("tape", "session"):
        assert word in report.__doc__
