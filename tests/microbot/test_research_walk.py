"""docs/research.md, run from top to bottom in an empty folder."""

from __future__ import annotations

import csv
import io
import json
import re
import runpy
import shlex
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from research import cli
from tests.microbot.test_documents import ROOT
from tests.service.test_cli import Run, run
from tests.support.at_broker import record
from tests.support.market import tape, trade
from tests.support.shared import SHARED

__all__ = ["cli", "run"]  # which knows the commands that `cli` adds

PAGE = ROOT / "docs" / "research.md"
MORNING = "AAPL_2012-06-21_34200000_46800000_1.zip"
SEEDS = {"monday.jsonl.gz": 3, "tuesday.jsonl.gz": 4}


def steps() -> Iterator[tuple[str, str]]:
    """Yield the language and the text of each block of the page."""
    yield from re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def a_small_morning(path: Path, rows: int = 1_500) -> Path:
    """Write a recording as LOBSTER's are: a price that walks, with executions at it and a quote after each."""
    random, price = Random(7), 5_850_000
    messages, books = io.StringIO(), io.StringIO()
    message, book = csv.writer(messages), csv.writer(books)
    for row in range(rows):
        run_of = 1_500 if row % 100 < 6 else 0  # a burst, now and then
        price += random.choice((-100, 0, 100)) + run_of * (1 if row % 200 < 100 else -1)
        kind = 4 if row % 100 < 6 else random.choice((1, 3, 4, 4))
        size = 2_000 if row % 100 == 5 else random.choice((10, 50, 100))
        message.writerow([f"{34_200 + row * 2}.{random.randrange(10**9):09}", kind, row, size, price, 1])
        book.writerow([price + 500, 100, price - 500, 100])
    stem = path.name.removesuffix("_1.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{stem}_message_1.csv", messages.getvalue())
        archive.writestr(f"{stem}_orderbook_1.csv", books.getvalue())
    return path


def morning(folder: Path) -> None:
    """Put the morning there: LOBSTER's where ../shared is, else a small one of our own."""
    theirs = SHARED / "data" / MORNING
    if theirs.exists():
        shutil.copy(theirs, folder / MORNING)
    else:
        a_small_morning(folder / MORNING)


def carried_out(run: Run, folder: Path, command: str) -> str:
    """Run one command; of a bot that runs for minutes a second shows that it starts, and the rest is virtual time."""
    words = shlex.split(command, comments=True)
    assert words[0] == "microbot", command
    recording = None
    if words[1] == "run":
        words += ["--duration", "1", "--port", "0", "--exchange-port", "0", "--fresh"]
        recording = folder / words[words.index("--record") + 1]
    if words[1] == "sweep":
        words += ["--jobs", "1"]
    done = run(*words[1:])
    assert done.code == (1 if words[1] == "diff" else 0), (command, done)
    if recording is not None:
        assert recording.stat().st_size
        recording.unlink()
        record(recording, SEEDS[recording.name], 120.0, latency_s=0.1, worse_bps=0.5)
    return done.out


@pytest.mark.slow
def test_the_walk_runs_from_top_to_bottom(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    morning(tmp_path)
    said: dict[str, str] = {}
    for language, text in steps():
        if language == "python":
            exec(text, {})
            assert len(capsys.readouterr().out.splitlines()) == 2
            continue
        for command in text.splitlines():
            if command.startswith("python "):
                script, *arguments = shlex.split(command)[1:]
                monkeypatch.setattr(sys, "argv", [script, *arguments])
                runpy.run_path(script, run_name="__main__")
                assert "the report: best.report.html" in capsys.readouterr().out
            elif not command.startswith("pip "):
                said[command.split("--")[0].strip()] = carried_out(run, tmp_path, command)
    pages = {"aapl.html", "costs.html", "honest.html", "best.html", "best.report.html"}
    assert pages <= {path.name for path in tmp_path.iterdir()}
    compared = json.loads(said["microbot replay monday.jsonl.gz tuesday.jsonl.gz"])
    assert len(compared["sessions"]) == 2
    assert compared["in_all"]["at_broker"]["trades"] > 15
    assert "slippage_bps = 0.5" in (tmp_path / "costs.toml").read_text(encoding="utf-8")


def test_the_example_stops_where_no_setting_made_enough_trades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of the defaults, called that of the best setting, would be of what nobody chose."""
    monkeypatch.chdir(tmp_path)
    Path("quiet.jsonl").write_bytes(tape(trade(second, 100.0) for second in range(60)))
    monkeypatch.setattr(sys, "argv", ["tape_to_report.py", "quiet.jsonl"])
    with pytest.raises(SystemExit, match="There is nothing to believe: no setting made 10 trades or more"):
        runpy.run_path(str(ROOT / "examples" / "tape_to_report.py"), run_name="__main__")
    assert not Path("best.report.html").exists()


def test_the_small_morning_of_our_own_is_read_as_one(run: Run, tmp_path: Path) -> None:
    done = run("import", a_small_morning(tmp_path / MORNING), "--out", tmp_path / "small.parquet", "--text")
    assert done.code == 0, done
    assert "LOBSTER" in done.out
    assert json.loads(run("replay", tmp_path / "small.parquet", "--json").out)["trades"] > 0


def test_the_page_shows_each_command_that_asks_questions_of_data() -> None:
    shown = {command.split()[1] for _, text in steps() for command in text.splitlines() if command.startswith("micro")}
    assert {"import", "replay", "diff", "report", "sweep", "calibrate", "run"} <= shown
