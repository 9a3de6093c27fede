"""cli: `microbot replay` as people and checks call it; bad input is one line on stderr and exit code 2."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from research.cli import main
from tests.support.live import FREE_PORTS
from tests.support.market import at, tape, trade
from tests.support.shared import ROOT

DAY = ROOT / "tests" / "data" / "day.tape.jsonl"
WRITTEN = ["signals.jsonl", "summary.json", "trades.jsonl"]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command line in this process, with none of our variables in the environment."""
    for name in list(os.environ):
        if name.startswith("MICROBOT_") and "__" in name:
            monkeypatch.delenv(name)
    for name, port in FREE_PORTS.items():
        monkeypatch.setenv(name, port)

    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return call


def in_a_process(*arguments: object, **environment: str) -> Outcome:
    """Call the command line as a program of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "from research.cli import main; main()", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def assert_one_line(outcome: Outcome, *words: object, code: int = 2) -> None:
    """Exit code 2, and one line that says what is wrong."""
    assert outcome.code == code
    assert outcome.out == ""
    assert outcome.err.startswith("microbot: ")
    assert outcome.err.count("\n") == 1
    for word in words:
        assert str(word) in outcome.err


# ------------------------------------------------------------------------------------------- as a program


def test_a_replay_exits_with_0_and_prints_the_summary() -> None:
    outcome = in_a_process("replay", DAY)
    summary = json.loads(outcome.out)
    assert (outcome.code, summary["trades"]) == (0, 3)
    assert summary["ticks_rejected"] == 1
    assert "1 line was refused; it: line 8 is no JSON" in outcome.err
    assert outcome.err.count("\n") == 1


def test_two_replays_write_the_same_bytes(tmp_path: Path) -> None:
    """In two processes, with different seeds for the hashes of strings."""
    for seed in ("1", "2"):
        outcome = in_a_process("replay", DAY, "--out", tmp_path / seed, PYTHONHASHSEED=seed)
        assert outcome.code == 0
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")
    assert list(bytes_of(tmp_path / "1")) == WRITTEN


def test_bad_input_is_one_line_without_a_traceback() -> None:
    assert_one_line(in_a_process("replay", "nowhere.jsonl"), "there is no tape nowhere.jsonl")


@pytest.mark.skipif(sys.platform == "win32", reason="no folder that somebody is in goes there")
def test_in_a_folder_that_is_gone_each_command_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir("gone")
    (tmp_path / "gone").rmdir()
    for command in (["status"], ["demo"], ["replay", DAY]):
        assert_one_line(run(*command), "is gone")


def test_the_environment_reaches_the_settings() -> None:
    outcome = in_a_process("replay", DAY, MICROBOT_RISK__STARTING_EQUITY="500")
    assert json.loads(outcome.out)["equity"] == 500.05


# ----------------------------------------------------------------------------------------- what it writes


def test_folders_are_made_and_all_three_files_written_also_for_an_empty_tape(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    out = tmp_path / "a" / "b"
    assert run("replay", empty, "--out", out).code == 0
    found = bytes_of(out)
    assert list(found) == WRITTEN
    assert (found["signals.jsonl"], found["trades.jsonl"]) == (b"", b"")
    assert json.loads(found["summary.json"])["ticks"] == 0


def test_the_printed_summary_is_the_written_one(run: Run, tmp_path: Path) -> None:
    outcome = run("replay", DAY, "--out", tmp_path / "out")
    assert outcome.out.encode() == bytes_of(tmp_path / "out")["summary.json"]


def test_json_is_printed_where_it_is_asked_for(run: Run) -> None:
    assert json.loads(run("replay", DAY, "--json").out)["funnel"]["signals"] == 5


def test_flags_go_before_the_environment_and_that_before_the_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("[risk]\nstarting_equity = 100\nposition_size = 2\ncooldown_trades_after_loss = 0\n")
    monkeypatch.setenv("MICROBOT_RISK__STARTING_EQUITY", "200")
    monkeypatch.setenv("MICROBOT_RISK__POSITION_SIZE", "3")
    summary = json.loads(run("replay", DAY, "--config", config, "--set", "risk.starting_equity=300").out)
    assert summary["funnel"]["approved"] == 4
    assert summary["equity"] == pytest.approx(300 + summary["total_pnl"])
    by_three = json.loads(
        run("replay", DAY, "--set", "risk.position_size=3", "--set", "risk.cooldown_trades_after_loss=0").out
    )
    assert summary["total_pnl"] == by_three["total_pnl"]


def test_a_recording_is_replayed_with_its_own_settings_beneath_all_others(run: Run, tmp_path: Path) -> None:
    recording = tmp_path / "session.jsonl"
    first = b'{"type":"settings","settings":{"risk":{"starting_equity":100,"cooldown_trades_after_loss":0}}}\n'
    recording.write_bytes(first + DAY.read_bytes())
    summary = json.loads(run("replay", recording).out)
    assert (summary["funnel"]["approved"], summary["ticks"]) == (4, 22)
    summary = json.loads(run("replay", recording, "--set", "risk.starting_equity=300").out)
    assert summary["equity"] == pytest.approx(300 + summary["total_pnl"])
    assert summary["funnel"]["approved"] == 4


STRATEGY = """
from reactivex import operators as ops

def never(ticks):
    return ticks.pipe(ops.filter(lambda _: False))

def strategy(ticks):
    raise ValueError("not yet written")

def fail(tick):
    raise ValueError("not thought of")

def failing(ticks):
    return ticks.pipe(ops.map(fail))
"""


OTHER = """
from pipeline import operators as op

def strategy(ticks):
    return ticks.pipe(op.window(), op.momentum(0.0005), op.bursts())
"""


def test_a_strategy_of_one_s_own_is_replayed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STRATEGY)
    summary = json.loads(run("replay", DAY, "--strategy", f"{tmp_path / 'mine.py'}:never").out)
    assert (summary["ticks"], summary["funnel"]["signals"]) == (22, 0)


def test_a_recording_names_its_strategy_and_the_command_line_another(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STRATEGY)
    recording = tmp_path / "session.jsonl"
    first = {"type": "settings", "settings": {}, "strategy": f"{tmp_path / 'mine.py'}:never"}
    recording.write_bytes(json.dumps(first).encode() + b"\n" + DAY.read_bytes())
    assert_one_line(run("replay", recording), "mine.py:never, which would be run", "--trust")
    outcome = run("replay", recording, "--trust")
    assert json.loads(outcome.out)["trades"] == 0
    assert "mine.py:never (--strategy takes another)" in outcome.err
    (tmp_path / "other.py").write_text(OTHER)
    outcome = run("replay", recording, "--strategy", tmp_path / "other.py")
    assert json.loads(outcome.out)["funnel"]["signals"] > 0
    assert "running the strategy" not in outcome.err


def test_a_strategy_that_fails_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STRATEGY)
    outcome = run("replay", DAY, "--strategy", f"{tmp_path / 'mine.py'}:failing")
    assert outcome.code == 3
    assert "not thought of" in outcome.err
    assert json.loads(outcome.out)["trades"] == 0


def test_a_strategy_that_cannot_even_be_built_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STRATEGY)
    outcome = run("replay", DAY, "--strategy", f"{tmp_path / 'mine.py'}:strategy", "--out", tmp_path / "out")
    assert_one_line(outcome, "mine.py:strategy cannot be built: ValueError: not yet written")
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------------------- what goes wrong


def test_a_missing_tape_is_one_line(run: Run, tmp_path: Path) -> None:
    assert_one_line(run("replay", tmp_path / "missing.jsonl", "--out", tmp_path / "out"), "there is no tape")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["bad.jsonl.gz", "bad.zip"])
def test_a_damaged_tape_is_one_line(run: Run, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"neither of the two")
    assert_one_line(run("replay", tmp_path / name), name, "cannot be read")


def test_a_tape_that_breaks_off_is_replayed_as_far_as_it_goes_and_said_to(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(tape([trade(0)]) * 9000)[:-50])
    outcome = run("replay", path)
    assert outcome.code == 0
    assert 0 < json.loads(outcome.out)["ticks"] < 9000
    broken, unready = outcome.err.splitlines()
    assert "cut.jsonl.gz ends in mid-stream" in broken
    assert "never ready" in unready  # all of its trades are of one moment


def test_a_folder_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_one_line(run("replay", DAY, "--out", tmp_path / "file"), "the folder", "cannot be written: it is no folder")


@pytest.mark.parametrize("option", ["--port", "--exchange-port"])
def test_a_port_that_is_taken_is_said_once_before_there_is_a_run(option: str, run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = {"--port": 0, "--exchange-port": 0} | {option: other.getsockname()[1]}
        folders = ("--log-dir", tmp_path / "logs", "--data-dir", tmp_path / "data")
        outcome = run("run", *folders, *(word for pair in ports.items() for word in pair))
    assert_one_line(outcome, "cannot start", "is in use already", option, code=1)  # it may be free at the next start
    assert outcome.err.count("in use") == 1
    assert (tmp_path / "logs" / "microbot.jsonl").read_text() == ""


@pytest.mark.parametrize("option", ["--log-dir", "--data-dir", "--record"])
def test_what_is_no_folder_is_called_so(option: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folders = {"--log-dir": tmp_path / "logs", "--data-dir": tmp_path / "data", "--record": tmp_path / "r.jsonl"}
    folders[option] = tmp_path / "file" / "r.jsonl" if option == "--record" else tmp_path / "file"
    given = [word for name, path in folders.items() for word in (name, path)]
    tape_of_one = tmp_path / "t.jsonl"
    tape_of_one.write_bytes(tape([trade(0)]))
    outcome = run("run", "--feed", f"tape:{tape_of_one}", "--port", "0", *given)
    assert_one_line(outcome, option, "it is no folder")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("risk.positionsize=2", "did you mean risk.position_size?"),
        ("risk.position_size=two", "risk.position_size must be a number, not 'two'"),
        ("risk.position_size=-2", "risk.position_size must be a number above 0"),
        ("risk.position_size=nan", "risk.position_size must be a finite number"),
        ("risk.position_size", "--set wants SECTION.KEY=VALUE"),
    ],
)
def test_a_bad_setting_is_one_line(run: Run, assignment: str, words: str) -> None:
    assert_one_line(run("replay", DAY, "--set", assignment), words)


def test_a_bad_settings_file_is_one_line(run: Run, tmp_path: Path) -> None:
    assert_one_line(run("replay", DAY, "--config", tmp_path / "missing.toml"), "there is no settings file")
    (tmp_path / "bad.toml").write_text("[risk")
    assert_one_line(run("replay", DAY, "--config", tmp_path / "bad.toml"), "bad.toml", "is not TOML")


def test_a_bad_setting_in_a_recording_is_one_line(run: Run, tmp_path: Path) -> None:
    recording = tmp_path / "session.jsonl"
    recording.write_bytes(b'{"type":"settings","settings":{"risk":{"sizes":1}}}\n')
    assert_one_line(run("replay", recording), "risk.sizes", "the recording")


def test_a_tape_is_never_written_over_a_file_that_is_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("an earlier one")
    outcome = run("exchange", "--write-tape", tmp_path / "t.jsonl", "--seconds", "1")
    assert_one_line(outcome, "--write-tape", "t.jsonl is there already: choose another name, or remove it")
    assert (tmp_path / "t.jsonl").read_text() == "an earlier one"


def test_a_bad_strategy_is_one_line(run: Run, tmp_path: Path) -> None:
    assert_one_line(run("replay", DAY, "--strategy", "nowhere.py:go"), "there is no strategy file nowhere.py")
    (tmp_path / "mine.py").write_text("def broken(:\n")
    assert_one_line(run("replay", DAY, "--strategy", f"{tmp_path / 'mine.py'}:go"), "cannot be loaded: SyntaxError")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay"], "missing argument 'TAPE...'; see microbot replay --help"),
        (["replay", DAY, "--surprise"], "no such option: --surprise"),
        (["surprise"], "no such command 'surprise'; see microbot --help"),
        (["--surprise"], "no such option: --surprise"),
        (["run", "--port"], "option '--port' requires an argument"),
        (["run", "--port", "x"], "invalid value for '--port'"),
        (["run", "--on-exit", "sell"], "invalid value for '--on-exit'"),
    ],
)
def test_a_command_line_that_is_none_is_one_line(run: Run, arguments: list[object], words: str) -> None:
    assert_one_line(run(*arguments), words)


def test_a_level_of_the_log_that_is_none_is_one_line(run: Run) -> None:
    assert_one_line(run("logs", "--level", "LOUD"), "--level wants one of")


def test_a_command_that_is_interrupted_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("service.recorded.replay.replay", interrupted)
    assert run("replay", DAY).code == 130


def test_an_empty_tape_is_a_tape_without_events(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    outcome = run("replay", tmp_path / "empty.jsonl")
    assert (outcome.code, json.loads(outcome.out)["ticks"]) == (0, 0)


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    outcome = run()
    assert outcome.code == 2
    assert "replay" in outcome.err


def test_help_names_the_commands(run: Run) -> None:
    outcome = run("--help")
    assert outcome.code == 0
    assert "replay" in outcome.out


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").out.strip() == version("microbot-trading")


def test_a_command_on_a_tape_stops_entries(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "halted.jsonl"
    path.write_bytes(b'{"type":"command","name":"halt","ts":%d}\n' % at(0) + DAY.read_bytes())
    assert json.loads(run("replay", path).out)["halted"] is True
