"""Whose strategy is run: a recording's own only if this bot made it, or a person says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.messages import ReplaceStrategy
from service import strategy_source
from service.data_folder import SESSIONS
from service.recorded.tapes import MARKETS, SettingsRecorded, StrategyWatched
from tests.service.test_cli import Outcome, Run, assert_one_line, run
from tests.support.market import at, tape, trade

__all__ = ["run"]

STRATEGY = """
from pathlib import Path
from reactivex import operators as ops
Path(__file__).with_suffix(".ran").touch()
def never(ticks):
    return ticks.pipe(ops.ignore_elements())
"""


@pytest.fixture
def named(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(STRATEGY)
    return f"{tmp_path / 'mine.py'}:never"


@pytest.fixture
def recording(tmp_path: Path, named: str) -> Path:
    path = tmp_path / "from_a_friend.jsonl"
    first = {"type": "settings", "settings": {}, "strategy": named}
    path.write_bytes(json.dumps(first).encode() + b"\n" + tape([trade(n) for n in range(5)]))
    return path


@pytest.fixture
def own(tmp_path: Path, recording: Path) -> Path:
    path = tmp_path / "data" / SESSIONS / "20260105T143000Z-simulated.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(recording.read_bytes())
    return path


@pytest.mark.parametrize("elsewhere", [True, False], ids=["relative", "absolute"])
def test_a_strategy_that_is_not_where_the_recording_says_is_told_as_the_recording_s(
    elsewhere: bool, run: Run, tmp_path: Path
) -> None:
    named = "s/mine.py:never" if elsewhere else f"{tmp_path / 'gone.py'}:never"
    path = tmp_path / "of_another_folder.jsonl"
    first = {"type": "settings", "settings": {}, "strategy": named}
    path.write_bytes(json.dumps(first).encode() + b"\n" + tape([trade(0)]))
    outcome = run("replay", path, "--trust")
    assert_one_line(outcome, f"{path} names the strategy {named}, and there is no such file", "--strategy")
    assert ("relative to the folder in which the bot ran" in outcome.err) is elsewhere


WAYS = (("replay",), ("diff", "--set", "risk.position_size=2"), ("diff", "B"))


def call(run: Run, tmp_path: Path, way: tuple[str, ...], recording: Path, *options: str) -> Outcome:
    command, *rest = way
    files = [recording, recording] if "B" in rest else [recording]
    rest = [word for word in rest if word not in ("A", "B")]
    return run(command, *files, *rest, "--data-dir", tmp_path / "data", *options)


def has_run(tmp_path: Path) -> bool:
    return (tmp_path / "mine.ran").exists()


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_recording_from_elsewhere_runs_nothing_until_it_is_trusted(
    way: tuple[str, ...], run: Run, tmp_path: Path, recording: Path, named: str
) -> None:
    assert_one_line(call(run, tmp_path, way, recording), f"names the strategy {named}, which would be run", "--trust")
    assert not has_run(tmp_path)
    outcome = call(run, tmp_path, way, recording, "--trust")
    assert outcome.code == 0
    assert f"running the strategy that the recording {recording} names: {named}" in outcome.err
    assert has_run(tmp_path)


@pytest.mark.parametrize("way", [WAYS[0], WAYS[2]], ids=" ".join)
def test_a_strategy_that_is_named_stands_for_the_recording_s(
    way: tuple[str, ...], run: Run, tmp_path: Path, recording: Path
) -> None:
    (tmp_path / "other.py").write_text(STRATEGY)
    outcome = call(run, tmp_path, way, recording, "--strategy", f"{tmp_path / 'other.py'}:never")
    assert outcome.code == 0
    assert not has_run(tmp_path)
    assert "running the strategy" not in outcome.err


def test_a_recording_that_is_compared_with_itself_under_another_strategy_runs_its_own_too(
    run: Run, tmp_path: Path, recording: Path
) -> None:
    (tmp_path / "other.py").write_text(STRATEGY)
    outcome = call(run, tmp_path, ("diff",), recording, "--strategy", f"{tmp_path / 'other.py'}:never")
    assert_one_line(outcome, "--trust")
    assert not has_run(tmp_path)


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_session_of_this_bot_runs_its_strategy_and_says_so(
    way: tuple[str, ...], run: Run, tmp_path: Path, own: Path, named: str
) -> None:
    outcome = call(run, tmp_path, way, own)
    assert outcome.code == 0
    assert f"running the strategy that the recording {own} names: {named}" in outcome.err


def test_a_link_into_the_sessions_is_no_session_of_this_bot(
    run: Run, tmp_path: Path, own: Path, recording: Path
) -> None:
    own.unlink()
    own.symlink_to(recording)
    assert_one_line(call(run, tmp_path, WAYS[0], own), "--trust")
    assert_one_line(call(run, tmp_path, WAYS[0], own.parent / ".." / ".." / "from_a_friend.jsonl"), "--trust")
    assert not has_run(tmp_path)


@pytest.fixture
def holding(tmp_path: Path, named: str) -> Path:
    """Return a recording that holds the strategy it began with, which is no file any more, and the next one."""
    first = strategy_source.read(named)
    (tmp_path / "mine.py").write_text(f"{STRATEGY}\nPath(__file__).with_suffix('.next').touch()\n")
    second = strategy_source.read(named)
    (tmp_path / "mine.py").unlink()
    path = tmp_path / "held_by_a_friend.jsonl"
    settings = SettingsRecorded({}, named, now=MARKETS, watched=StrategyWatched(first, 100))
    path.write_bytes(tape([settings, trade(0), ReplaceStrategy(second, 1, at(0)), trade(1)]))
    return path


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_what_a_recording_holds_is_trusted_or_not_run_like_the_file_that_it_names(
    way: tuple[str, ...], run: Run, tmp_path: Path, holding: Path, named: str
) -> None:
    assert_one_line(call(run, tmp_path, way, holding), f"names the strategy {named}, which would be run", "--trust")
    assert not has_run(tmp_path)
    outcome = call(run, tmp_path, way, holding, "--trust")
    assert outcome.code == 0
    assert f"running the strategy {named} as the recording {holding} holds it" in outcome.err
    assert has_run(tmp_path)
    assert (tmp_path / "mine.next").exists()


@pytest.mark.parametrize("trust", [(), ("--trust",)], ids=["", "trusted"])
def test_a_strategy_that_is_named_stays_for_the_whole_of_a_recording_that_replaces_its_own(
    trust: tuple[str, ...], run: Run, tmp_path: Path, holding: Path
) -> None:
    (tmp_path / "other.py").write_text(STRATEGY)
    outcome = call(run, tmp_path, WAYS[0], holding, "--strategy", f"{tmp_path / 'other.py'}:never", *trust)
    assert outcome.code == 0
    assert not has_run(tmp_path)
    assert not (tmp_path / "mine.next").exists()


def test_a_source_that_was_changed_in_the_recording_is_refused(run: Run, tmp_path: Path, holding: Path) -> None:
    lines = holding.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b".next", b".evil")
    holding.write_bytes(b"".join(lines))
    outcome = call(run, tmp_path, WAYS[0], holding, "--trust")
    assert outcome.code == 2
    assert "is damaged: it is not what its hash says" in outcome.err
    assert not (tmp_path / "mine.evil").exists()
