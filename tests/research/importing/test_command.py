"""`microbot import` as it is typed: what it prints, what it refuses and how, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from research import cli
from service.recorded import columnar
from tests.research.importing import files

Run = Callable[..., "Told"]


class Told:
    """What a command said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Told:
        with pytest.raises(SystemExit) as ended:
            cli.main(["import", *map(str, arguments)])
        captured = capsys.readouterr()
        code = ended.value.code
        return Told(code if isinstance(code, int) else 0, captured.out, captured.err)

    return call


def test_what_was_found_is_printed_with_a_picture(run: Run, tmp_path: Path) -> None:
    every = files.everything(tmp_path)
    told = run(every["lean"], every["lean-quotes"], "--out", tmp_path / "aig.parquet", "--text")
    assert told.code == 0
    assert "AIG  3 trades, 4 quotes, 2013-10-07 09:30:00 to 2013-10-07 09:30:00" in told.out
    assert "  price   ▁  48.74 to 48.76, last 48.75" in told.out
    assert "1 session: 2013-10-07 09:30:00 to 2013-10-07 09:30:00 (America/New_York; times are whole ms)" in told.out
    assert "refused 1: marked suspicious by its source; the first in" in told.out
    assert "line 4: 34200400,999900,100,Q,0,1" in told.out
    assert "1 prints of 40 shares are no plain ticks: size added to the next tick" in told.out
    assert "(microbot replay " in told.out


def test_for_programs_it_is_json(run: Run, tmp_path: Path) -> None:
    told = run(files.everything(tmp_path)["lean"], "--out", tmp_path / "aig.parquet", "--json")
    found = json.loads(told.out)
    assert found["counts"]["trade"] == 3
    assert found["formats"][0]["format"] == "lean"
    assert found["refusals"][0]["line"] == 4
    [check] = found["checks"]
    assert (check["symbol"], check["trades"], check["low"], check["high"]) == ("AIG", 3, 48.74, 48.76)


def test_without_a_place_files_are_only_looked_at(run: Run, tmp_path: Path) -> None:
    path = files.everything(tmp_path)["tardis"]
    before = sorted(tmp_path.rglob("*"))
    told = run(path, "--text")
    assert (told.code, "nothing was written: --out TAPE.parquet makes a tape of it" in told.out) == (0, True)
    assert sorted(tmp_path.rglob("*")) == before
    looked = json.loads(run(path, "--json").out)
    assert (looked["tape"], looked["counts"], looked["symbols"]) == (None, {"trade": 2, "quote": 0}, ["XBTUSD"])


def test_a_tape_that_is_there_is_replaced_only_by_force(run: Run, tmp_path: Path) -> None:
    every = files.everything(tmp_path)
    out = tmp_path / "t.parquet"
    assert run(every["tardis"], "--out", out).code == 0
    before = out.read_bytes()
    told = run(every["lean"], "--out", out)
    assert told.code == 2
    assert f"--out {out} is there already: choose another name, or --force replaces it" in told.err
    assert out.read_bytes() == before
    assert run(every["lean"], "--out", out, "--force").code == 0
    assert columnar.info(out).symbols == ("AIG",)


STRANGERS = {
    "log.txt": ("2024-08-08 12:00:00,123 INFO starting up, all is well\n" * 3, "it is a log (2024-08-08 12:00:00"),
    "README.md": ("# My data\n\nIt is here.\n", "it is a text for people (# My data)"),
    "page.csv": ("<!DOCTYPE html><html><body>Sign in</body></html>", "it is an HTML page"),
    "missing.zip.csv": ("<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "it is XML"),
    "empty.csv": ("", "it is empty"),
    "a.CHECKSUM": (f"{'0' * 64}  BTCUSDT-trades-2024-08-08.zip\n", "it is a checksum"),
    "prose.txt": ("Dear all,\nhere is what I found.\n", "it is no JSON (Dear all,"),
    "picture.png": ("\x89PNG\r\n\x1a\n", "it is no text"),
    "polygon.jsonl": ('[{"ev":"T","sym":"A","p":1}]\n', "it is a Polygon frame"),
    "news.jsonl": ('{"headline":"x"}\n', "it is a JSON object without a type"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_recording_is_said_with_the_formats_that_are_known(name: str, run: Run, tmp_path: Path) -> None:
    text, expected = STRANGERS[name]
    told = run(files.written(tmp_path / name, text), "--out", tmp_path / "t.parquet")
    assert told.code == 2
    assert expected in told.err
    assert "known are LOBSTER" in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "t.parquet").exists()


REFUSED = {
    "no such file": (("nowhere.csv",), "there is no file nowhere.csv"),
    "no such format": (("{tardis}", "--format", "x"), "there is no format x: there are lobster, "),
    "no such column of ours": (("{csv}", "--columns", "prize=px"), "--columns knows no column prize"),
    "no such column of theirs": (
        ("{csv}", "--columns", "ts=when,price=px,size=qty"),
        "has no column when: it has time, px, qty, sym",
    ),
    "a bad map": (("{csv}", "--columns", "ts"), "--columns wants OURS=THEIRS"),
    "no symbol": (
        ("{parquet}", "--columns", "ts=when,price=p,size=q"),
        "does not say which symbol it is of: --symbol NAME, or --columns symbol=NAME",
    ),
    "wrong unit": (
        ("{parquet}", "--columns", "ts=when,price=p,size=q", "--symbol", "A", "--unit", "ns"),
        "the times are in milliseconds (1723075200005), not in nanoseconds: --unit ms, or nothing",
    ),
    "no zone": (("{csv}", "--timezone", "Mars/Base"), "there is no time zone Mars/Base"),
    "no parquet": (("{tardis}", "--out", "tape.csv"), "a tape in columns is called NAME.parquet"),
    "parquet without a map": (("{parquet}",), "which columns are a trade's"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_one_sentence(name: str, run: Run, tmp_path: Path) -> None:
    arguments, expected = REFUSED[name]
    every = {key: str(path) for key, path in files.everything(tmp_path).items()}
    filled = [argument.format(**every) for argument in arguments]
    told = run(*filled, *([] if "--out" in filled else ["--out", tmp_path / "t.parquet"]))
    assert told.code == 2
    assert expected in told.err
    assert told.err.count("\n") == 1
    assert not (tmp_path / "t.parquet").exists()


def test_archives_that_hold_nothing_or_are_damaged_are_said(run: Run, tmp_path: Path) -> None:
    empty = files.zipped(tmp_path / "empty.zip", [])
    assert f"{empty} is an empty zip: there is nothing to import in it; fetch it again" in run(empty).err
    whole = files.everything(tmp_path)["tape"].read_bytes()
    cut = files.written(tmp_path / "cut.zip", files.everything(tmp_path)["lobster"].read_bytes()[:200])
    assert "cannot be read" in run(cut).err
    packed = tmp_path / "quotes.csv.gz"
    packed.write_bytes(files.everything(tmp_path)["tardis"].read_bytes()[:-20])
    told = run(packed, "--out", tmp_path / "t.parquet")
    assert (told.code, "it is damaged, or was not copied whole" in told.err) == (2, True)
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*"))
    assert whole


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\nx,A,1,2,true,bid,1,1\n", "Tardis"),
        ("1723075200000," + ",".join(["1"] * 11) + "\n", "candles"),
    ],
)
def test_files_of_known_venues_that_hold_no_ticks_are_said(rows: str, expected: str, run: Run, tmp_path: Path) -> None:
    told = run(files.written(tmp_path / "BTCUSDT-1m-2024-08.csv", rows))
    assert (told.code, expected in told.err) == (2, True)


def test_liquidations_of_tardis_are_no_trades(run: Run, tmp_path: Path) -> None:
    """They have the header of trades: their name tells."""
    path = files.written(tmp_path / "binance-futures_liquidations_2024-08-08_BTCUSDT.csv.gz", files.TARDIS)
    told = run(path)
    assert (told.code, "holds neither trades nor quotes of Tardis" in told.err) == (2, True)


def test_a_file_with_nothing_sound_in_it_makes_no_tape(run: Run, tmp_path: Path) -> None:
    path = files.written(tmp_path / "a.csv", "ts,price,size\n1723075200000,-1,5\n")
    told = run(path, "--symbol", "A", "--out", tmp_path / "t.parquet")
    assert told.code == 2
    assert "holds no trade and no quote: no price above 0" in told.err
    assert not (tmp_path / "t.parquet").exists()


_CHILD = """
import sys, threading
from research import cli
from research.importing import importer, sources
sources.BLOCK = 4096
wait = threading.Event()
seen = importer._Job._rows
def slowly(job, progress):
    for table in seen(job, progress):
        yield table
        if job._folder or sys.argv[-1] == "in order":
            print("writing", flush=True)
            wait.wait(60)  # until the signal comes
importer._Job._rows = slowly
cli.main(sys.argv[1:-1])
"""


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "being sorted"])
def test_ctrl_c_leaves_no_half_file(shuffled: bool, tmp_path: Path) -> None:
    stamps = range(1_723_075_200_000, 1_723_075_203_000)
    lines = [f"{stamp},1,1" for stamp in (reversed(stamps) if shuffled else stamps)]
    source = files.written(tmp_path / "in" / "a.csv", "ts,price,size\n" + "\n".join(lines) + "\n")
    out = tmp_path / "out" / "tape.parquet"
    arguments = ["import", str(source), "--symbol", "A", "--out", str(out), "shuffled" if shuffled else "in order"]
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "writing\n"
    there = {path.name.split(".")[1].split("-")[0] for path in out.parent.iterdir()}
    assert there == {"tape", "import"} if shuffled else {"tape"}
    os.kill(child.pid, signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    assert list(out.parent.iterdir()) == []


def test_without_the_extra_it_is_said_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files.everything(tmp_path)["tardis"]
    monkeypatch.setitem(sys.modules, "pyarrow.csv", None)
    told = run(path)
    assert told.code == 2
    assert told.err == "microbot: import needs pyarrow: pip install 'microbot-trading[research]' adds it\n"


def test_the_command_is_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["import", "--help"])
    assert "--columns" in capsys.readouterr().out
