"""replay: the decisions of every vector tape, and the files that they are written to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from service.errors import UserError
from service.recorded import replay as replaying, tapes
from service.settings import Settings
from tests.service.test_cli import Run
from tests.support import shared
from tests.support.decisions import differences
from tests.support.market import at, clock, tape, trade
from tests.support.random_tapes import seeded_tape
from tests.support.shared import Vector

DATA = Path(__file__).resolve().parents[1] / "data"
OWN = [shared.load(path) for path in sorted(DATA.glob("*.expected.json"))]

DAY = OWN[0]


def written(folder: Path) -> dict[str, Any]:
    """Read what a replay wrote."""
    return {
        "signals": [json.loads(line) for line in (folder / "signals.jsonl").read_bytes().splitlines()],
        "trades": [json.loads(line) for line in (folder / "trades.jsonl").read_bytes().splitlines()],
        "summary": json.loads((folder / "summary.json").read_bytes()),
    }


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_decides_as_expected(vector: Vector, folder: Path) -> None:
    summary = replaying.replay(vector.tape, vector.settings, out=folder)
    expected = {part: vector.expected[part] for part in ("signals", "trades", "summary")}
    assert differences(expected, written(folder)) == []
    assert differences(expected["summary"], summary) == []


def test_a_file_that_is_no_tape_is_said_in_one_sentence(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text("my diary\n" * 20)
    refused = run("replay", path)
    assert (refused.code, refused.out) == (2, "")
    assert f"microbot: the tape {path} is none: line 1 is no JSON (my diary); a tape is JSON Lines" in refused.err
    assert run("replay", path, "--out", tmp_path / "out").code == 2
    assert not (tmp_path / "out").exists()


def test_how_often_a_strategy_failed_in_a_replay_is_said_although_it_ran_in_the_end(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(tape([trade(second, 100 + second) for second in range(200)]))
    (tmp_path / "mine.py").write_text(
        "from reactivex import operators as ops\n"
        "def wrong(tick):\n"
        "    if tick.price in (110, 150):\n"
        "        raise ValueError('my bug')\n"
        "def s(ticks):\n"
        "    return ticks.pipe(ops.do_action(wrong), ops.ignore_elements())\n"
    )
    told = run("replay", path, "--strategy", f"{tmp_path}/mine.py:s")
    assert told.code == 3
    assert "the strategy of A failed 2 times, at last by ValueError: my bug (" in told.err


# ----------------------------------------------------------------------------------------------- vectors


@pytest.mark.skipif(not shared.vectors(), reason="there are no vectors in ../shared")
@pytest.mark.parametrize("vector", shared.vectors(), ids=lambda vector: vector.name)
def test_a_vector_tape_gives_the_decisions_it_must(vector: Vector, tmp_path: Path) -> None:
    assert_decides_as_expected(vector, tmp_path)


@pytest.mark.parametrize("vector", OWN, ids=lambda vector: vector.name)
def test_a_tape_worked_out_by_hand_gives_the_decisions_it_must(vector: Vector, tmp_path: Path) -> None:
    assert_decides_as_expected(vector, tmp_path)


def test_the_tapes_worked_out_by_hand_are_here() -> None:
    assert [vector.name for vector in OWN] == ["day", "halt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("trades", 0, "exit_reason", "SL"), ".trades[0].exit_reason: expected 'SL', found 'TP'"),
        (("trades", 0, "pnl", 0.1501), ".trades[0].pnl: expected 0.1501"),
        (("signals", 1, "ts", 5), ".signals[1].ts: expected 5"),
        (("signals", 0, "momentum", 0.002000001), ".signals[0].momentum: expected 0.002000001"),
        (("signals", 2, "reason", None), ".signals[2].reason: expected None, found 'COOLDOWN'"),
        (("summary", "halted", True), ".summary.halted: expected True, found False"),
        (("summary", "ticks", 22.0), None),
        (("summary", "surprise", 1), ".summary.surprise is missing"),
    ],
)
def test_the_comparison_sees_a_difference(change: tuple[Any, ...], message: str | None, tmp_path: Path) -> None:
    """A comparison that sees nothing would let everything pass."""
    replaying.replay(DAY.tape, DAY.settings, out=tmp_path)
    expected = json.loads(json.dumps(DAY.expected))
    *path, last, value = change
    place = expected
    for step in path:
        place = place[step]
    place[last] = value
    found = differences({part: expected[part] for part in ("signals", "trades", "summary")}, written(tmp_path))
    assert [difference[: len(message)] for difference in found] == [message] if message else found == []


@pytest.mark.parametrize("part", ["signals", "trades"])
def test_the_comparison_sees_what_is_missing_and_what_is_too_much(part: str) -> None:
    few, many = [{"ts": 1}], [{"ts": 1}, {"ts": 2}]
    assert differences({part: many}, {part: few}) == [f".{part}: expected 2, found 1"]
    assert differences({part: few}, {part: many}) == [f".{part}: expected 1, found 2"]


# ------------------------------------------------------------------------------------------------- files


def test_the_same_tape_and_settings_give_the_same_bytes_every_time(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(tape(seeded_tape(7)))
    for name in ("one", "two"):
        replaying.replay(path, Settings(), out=tmp_path / name)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")
    assert len(written(tmp_path / "one")["trades"]) > 20


def test_a_compressed_tape_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl.gz"
    path.write_bytes(gzip.compress(DAY.tape.read_bytes()))
    replaying.replay(path, Settings(), out=tmp_path / "compressed")
    replaying.replay(DAY.tape, Settings(), out=tmp_path / "plain")
    assert bytes_of(tmp_path / "compressed") == bytes_of(tmp_path / "plain")


def test_how_much_is_read_at_once_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaying.replay(DAY.tape, Settings(), out=tmp_path / "whole")
    monkeypatch.setattr(tapes, "CHUNK", 37)
    replaying.replay(DAY.tape, Settings(), out=tmp_path / "pieces")
    assert bytes_of(tmp_path / "whole") == bytes_of(tmp_path / "pieces")


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n  \n"])
def test_an_empty_tape_writes_all_three_files_into_folders_that_are_made(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    folder = tmp_path / "a" / "b" / "c"
    summary = replaying.replay(path, Settings(), out=folder)
    assert {name: len(data) > 0 for name, data in bytes_of(folder).items()} == {
        "signals.jsonl": False,
        "trades.jsonl": False,
        "summary.json": True,
    }
    assert (summary["ticks"], summary["win_rate"], summary["equity"]) == (0, 0.0, 10_000.0)


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert replaying.replay(DAY.tape, Settings())["trades"] == 3
    assert list(tmp_path.iterdir()) == []


def test_a_second_replay_into_a_folder_replaces_the_first(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    replaying.replay(DAY.tape, Settings(), out=tmp_path / "out")
    replaying.replay(empty, Settings(), out=tmp_path / "out")
    assert written(tmp_path / "out")["trades"] == []


def test_the_lines_have_the_fields_that_are_promised_in_their_order(tmp_path: Path) -> None:
    replaying.replay(DAY.tape, Settings(), out=tmp_path)
    found = written(tmp_path)
    promised = "ts symbol side price momentum volume_ratio range decision reason"
    assert " ".join(found["signals"][0]).startswith(promised)
    promised = "symbol side quantity entry_ts entry_price exit_ts exit_price exit_reason pnl pnl_pct fees"
    assert " ".join(found["trades"][0]).startswith(promised)


def test_money_and_prices_are_numbers_and_times_are_integers(tmp_path: Path) -> None:
    replaying.replay(DAY.tape, Settings(), out=tmp_path)
    for trade_line in written(tmp_path)["trades"]:
        for name in ("quantity", "entry_price", "exit_price", "pnl", "pnl_pct", "fees"):
            assert type(trade_line[name]) in (int, float)
        assert type(trade_line["entry_ts"]) is type(trade_line["exit_ts"]) is int


def test_a_trade_and_the_signal_that_it_came_of_have_one_id(tmp_path: Path) -> None:
    replaying.replay(DAY.tape, Settings(), out=tmp_path)
    found = written(tmp_path)
    approved = [line["id"] for line in found["signals"] if line["decision"] == "APPROVED"]
    assert [line["id"] for line in found["trades"]] == approved


def test_commands_on_a_tape_are_obeyed(tmp_path: Path) -> None:
    """As in a recording of a session in which somebody paused the bot."""
    pause = b'{"type":"command","name":"pause","ts":%d}\n' % at(0)
    path = tmp_path / "paused.jsonl"
    path.write_bytes(pause + DAY.tape.read_bytes())
    replaying.replay(path, Settings(), out=tmp_path / "out")
    found = written(tmp_path / "out")
    assert found["trades"] == []
    assert {line["reason"] for line in found["signals"]} == {"PAUSED"}
    assert found["summary"]["refusals"] == {"PAUSED": 5}


def test_a_command_on_a_tape_that_is_none_ends_in_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b'{"type":"command","name":"explode","ts":5}\n' + DAY.tape.read_bytes())
    try:
        assert replaying.replay(path, Settings())["ticks"] == 22
    except UserError:
        return


NEVER = """
from reactivex import operators as ops

def strategy(ticks):
    return ticks.pipe(ops.filter(lambda _: False))
"""


def test_a_strategy_of_one_s_own_decides(tmp_path: Path) -> None:
    file = tmp_path / "never.py"
    file.write_text(NEVER)
    summary = replaying.replay(DAY.tape, Settings(), f"{file}:strategy")
    assert (summary["ticks"], summary["funnel"]["signals"]) == (22, 0)  # type: ignore[index]  # an object


def test_progress_is_told_in_bytes_up_to_the_size_of_the_tape() -> None:
    told: list[int] = []
    replaying.replay(DAY.tape, Settings(), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == tapes.size(DAY.tape)


# ------------------------------------------------------------------------------------------ what goes wrong


def test_a_missing_tape_is_said_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no tape"):
        replaying.replay(tmp_path / "missing.jsonl", Settings(), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_where_the_folder_should_be_is_said_in_one_sentence(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / below
    with pytest.raises(UserError, match=r"^the folder .*file.* cannot be written: "):
        replaying.replay(DAY.tape, Settings(), out=folder)
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_where_a_file_should_be_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "trades.jsonl").mkdir()
    with pytest.raises(UserError, match="cannot be written: "):
        replaying.replay(DAY.tape, Settings(), out=tmp_path)


def test_a_folder_where_the_summary_should_be_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "summary.json").mkdir()
    with pytest.raises(UserError, match="cannot be written: "):
        replaying.replay(DAY.tape, Settings(), out=tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[IO[bytes]]]:
    """The files that a replay opened to write; what it leaves open is closed here."""
    files: list[IO[bytes]] = []
    really_open = replaying.Decisions._open

    def keep(decisions: replaying.Decisions, name: str) -> IO[bytes]:
        files.append(really_open(decisions, name))
        return files[-1]

    monkeypatch.setattr(replaying.Decisions, "_open", keep)
    yield files
    for file in files:
        file.close()


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A compressed tape whose checksum is wrong, which shows at its very end."""
    path = tmp_path / "damaged.jsonl.gz"
    path.write_bytes(gzip.compress(tape([trade(0), clock(1)]) * 5000)[:-8] + bytes(8))
    return path


def test_a_damaged_tape_writes_no_summary(damaged: Path, tmp_path: Path, opened: list[IO[bytes]]) -> None:
    with pytest.raises(UserError, match=r"the tape .*damaged\.jsonl\.gz cannot be read: "):
        replaying.replay(damaged, Settings(), out=tmp_path / "out")
    assert len(opened) == 2
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_damaged_tape_leaves_no_file_open(damaged: Path, tmp_path: Path, opened: list[IO[bytes]]) -> None:
    with pytest.raises(UserError):
        replaying.replay(damaged, Settings(), out=tmp_path / "out")
    assert [file.closed for file in opened] == [True, True]
