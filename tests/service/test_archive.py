"""archive: where sessions are recorded, how they are listed, and which are removed when there are too many."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.engine.core import CoreSettings, Input
from pipeline.events import Clock
from service import outlet
from service.data_folder import SESSIONS
from service.errors import UserError
from service.recorded import archive, tapes
from service.recorded.recording import Recorder
from service.recorded.recordings import Recordings, WrittenBehind
from service.settings import RecordSettings
from tests.service.test_cli import Run
from tests.support.live import PATIENCE_S
from tests.support.market import START, at

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def session(folder: Path, hour: int, size: int = 100) -> Path:
    path = archive.new_path(folder, "simulated", NOON.replace(hour=hour))
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (hour, hour))
    return path


def test_a_session_is_named_by_its_start_and_venue_and_never_like_another(tmp_path: Path) -> None:
    first = archive.new_path(tmp_path, "alpaca", NOON)
    first.touch()
    second = archive.new_path(tmp_path, "alpaca", NOON)
    assert [path.name for path in (first, second)] == [
        "20260105T120000Z-alpaca.jsonl.gz",
        "20260105T120000Z-alpaca-2.jsonl.gz",
    ]
    second.touch()
    assert set(archive.found_in(tmp_path)) == {first, second}
    assert archive.start_of(second) == NOON


def test_a_session_that_goes_on_from_one_with_a_name_of_its_own_has_a_number(tmp_path: Path) -> None:
    (tmp_path / "r-2.jsonl.gz").touch()
    assert archive.next_path(tmp_path / "r.jsonl.gz", 2).name == "r-3.jsonl.gz"
    assert archive.next_path(tmp_path / "r.jsonl", 2).name == "r-2.jsonl"


def test_sessions_that_are_too_old_are_removed_but_never_the_one_that_is_written(tmp_path: Path) -> None:
    sessions = [session(tmp_path, hour) for hour in range(4)]  # last written in the first seconds of 1970
    settings = RecordSettings(keep_days=2 / 86_400)
    assert archive.prune(tmp_path, RecordSettings(), None, lambda: 1e9) == []  # by default age alone removes none
    removed = archive.prune(tmp_path, settings, sessions[0], lambda: 4.5)
    assert removed == [sessions[1], sessions[2]]
    assert archive.found_in(tmp_path) == [sessions[0], sessions[3]]


def test_the_oldest_sessions_are_removed_whole_and_nothing_else_is(tmp_path: Path) -> None:
    sessions = [session(tmp_path, hour) for hour in range(6)]
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "mine.jsonl.gz").write_text("mine")
    removed = archive.prune(tmp_path, RecordSettings(keep_sessions=4), sessions[-1])
    assert removed == sessions[:2]
    assert archive.found_in(tmp_path) == sessions[2:]
    by_size = RecordSettings(keep_bytes=1_000)
    for path in sessions[2:]:
        path.write_bytes(b"x" * 400)
        os.utime(path, (sessions.index(path), sessions.index(path)))
    assert archive.prune(tmp_path, by_size, sessions[-1]) == sessions[2:4]
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path / "mine.jsonl.gz").exists()


def test_the_session_that_is_written_is_never_removed(tmp_path: Path) -> None:
    sessions = [session(tmp_path, hour, 5_000) for hour in range(3)]
    archive.prune(tmp_path, RecordSettings(keep_bytes=1_000, keep_sessions=1), sessions[0])
    assert archive.found_in(tmp_path) == [sessions[0]]


def recordings(folder: Path, path: Path | None = None, **bounds: int) -> Recordings:
    return Recordings(
        folder, "simulated", path, RecordSettings(**bounds), lambda at, book: Recorder(at, CoreSettings(), None)
    )


def test_a_run_records_one_session_after_the_other_and_keeps_the_archive_in_bounds(tmp_path: Path) -> None:
    old = [session(tmp_path, hour) for hour in range(3)]
    made = recordings(tmp_path, keep_sessions=2)
    for number in range(3):
        made.start("paper").write([Clock(at(number))])
        made.flush()
        assert made.close() == ""
    assert not any(path.exists() for path in (*old, made.paths[0]))
    assert archive.found_in(tmp_path) == sorted(made.paths[1:], key=lambda path: path.stat().st_mtime_ns)
    assert [tapes.ended(path) for path in made.paths[1:]] == [
        tapes.SessionEnded(1, at(1), at(1)),
        tapes.SessionEnded(1, at(2), at(2)),
    ]


def test_a_recording_of_its_own_name_leaves_the_archive_alone(tmp_path: Path) -> None:
    made = recordings(tmp_path / "sessions", tmp_path / "r.jsonl.gz")
    for _ in range(2):
        made.start("paper")
        made.close()
    assert [path.name for path in made.paths] == ["r.jsonl.gz", "r-2.jsonl.gz"]
    assert not (tmp_path / "sessions").exists()


def test_a_session_that_did_not_start_leaves_no_file(tmp_path: Path) -> None:
    made = recordings(tmp_path)
    made.start("paper")
    made.end(UserError, None)
    assert archive.found_in(tmp_path) == []


class Slow(Recorder):
    """A recorder on a disk that has stopped, until it is let go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, CoreSettings(), None)
        self.go = threading.Event()

    def write(self, inputs: Sequence[Input]) -> None:
        assert self.go.wait(PATIENCE_S)
        super().write(inputs)


def test_a_disk_that_cannot_keep_up_ends_the_recording_where_it_is_whole(tmp_path: Path) -> None:
    slow = Slow(tmp_path / "r.jsonl.gz")
    behind = WrittenBehind(slow, limit=1_000)
    events = [Clock(at(number)) for number in range(1_300)]
    for start in range(0, 1_300, 100):
        behind.write(events[start : start + 100])
        behind.flush()
    assert "more than 1,000 inputs waited" in behind.failed
    assert behind.lost == 300
    slow.go.set()
    behind.close()
    assert [event for batch in tapes.read(tmp_path / "r.jsonl.gz") for event in batch] == events[:1_000]


def test_what_is_written_behind_is_all_there_at_the_close(tmp_path: Path) -> None:
    behind = WrittenBehind(Recorder(tmp_path / "r.jsonl.gz", CoreSettings(), None), 10_000)
    events = [Clock(at(number)) for number in range(3_000)]
    for event in events:
        behind.write([event])
        if event.ts % 7 == 0:
            behind.flush()
    behind.close()
    assert [event for batch in tapes.read(tmp_path / "r.jsonl.gz") for event in batch] == events
    assert tapes.ended(tmp_path / "r.jsonl.gz") == tapes.SessionEnded(3_000, at(0), at(2_999))


def test_a_recording_that_is_torn_or_goes_on_has_no_last_line(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r.jsonl.gz", CoreSettings(), None)
    recorder.write([Clock(START)])
    assert tapes.ended(tmp_path / "r.jsonl.gz") is None
    recorder.close()
    assert tapes.ended(tmp_path / "r.jsonl.gz") == tapes.SessionEnded(1, START, START)
    whole = (tmp_path / "r.jsonl.gz").read_bytes()
    (tmp_path / "r.jsonl.gz").write_bytes(whole[:-5])
    assert tapes.ended(tmp_path / "r.jsonl.gz") is None


def test_sessions_are_listed_with_what_is_known_of_each(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("sessions", "--data-dir", tmp_path).out == ""
    folder = tmp_path / SESSIONS
    whole, torn = (archive.new_path(folder, "simulated", NOON.replace(hour=hour)) for hour in (1, 2))
    for path in (whole, torn):
        recorder = Recorder(path, CoreSettings(), "mine.py:strategy")
        recorder.write([Clock(at(0)), Clock(at(90))])
        if path is whole:
            recorder.close()
    listed = [json.loads(line) for line in run("sessions", "--json", "--data-dir", tmp_path).out.splitlines()]
    by_file = {row["file"]: row for row in listed}
    assert by_file[str(whole)] == {
        "started": "2026-01-05T01:00:00+00:00",
        "seconds": 90.0,
        "inputs": 2,
        "bytes": whole.stat().st_size,
        "venue": "simulated",
        "data_feed": None,
        "strategy": "mine.py:strategy",
        "state": "whole",
        "file": str(whole),
    }
    assert (by_file[str(torn)]["state"], by_file[str(torn)]["inputs"]) == ("torn", None)
    piped = run("sessions", "--data-dir", tmp_path).out
    assert [json.loads(line) for line in piped.splitlines()] == listed
    monkeypatch.setattr(outlet, "for_machines", lambda as_json: as_json)
    assert "whole" in run("sessions", "--data-dir", tmp_path).out
    recorder.close()


def test_to_record_somewhere_and_nowhere_is_refused(run: Run) -> None:
    refused = run("run", "--record", "r.jsonl", "--no-record")
    assert (refused.code, refused.out) == (2, "")
    assert "--record and --no-record exclude each other" in refused.err


@pytest.mark.parametrize("key", ["session_bytes", "keep_bytes", "keep_sessions"])
def test_nobody_can_keep_nothing(key: str, run: Run) -> None:
    assert run("run", "--set", f"record.{key}=0").code == 2


def test_a_recording_that_the_disk_does_not_take_in_time_is_told_as_one_with_a_loss(tmp_path: Path) -> None:
    """Its thread dies with the process: what it holds would be missing, and nothing would say so."""
    disk = threading.Event()

    class Slow(Recorder):
        def write(self, inputs: Sequence[Input]) -> None:
            disk.wait()
            super().write(inputs)

    behind = WrittenBehind(Slow(tmp_path / "r.jsonl", CoreSettings(), None), 1_000, close_s=0.01)
    behind.write([Clock(at(1)), Clock(at(2))])
    behind.close()
    assert "was not written to its end" in behind.failed
    assert behind.lost == 2
    disk.set()
