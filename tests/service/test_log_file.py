"""The log's file: opened again where it was moved away, whole lines only, and silent about a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from service import log_file
from service.log_file import LogFile


class Disk:
    """Stands before `os.write`: takes so many bytes, and no more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.tries = 0  # in vain

    def write(self, fd: int, data: bytes) -> int:
        self.tries += not self.room
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = data[: self.room]
        self.room -= len(part)
        return os.pwrite(fd, part, 0)  # appends, whatever the place


class Log:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str] = []
        self.now = 0.0
        self.file = LogFile(path, 1_000_000, 3, self.told.append, lambda: self.now)

    def write(self, *lines: str) -> None:
        for line in lines:
            self.file.write(line + "\n")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "logs" / "microbot.jsonl")


def test_a_log_that_was_moved_or_removed_is_opened_again_under_its_name(log: Log) -> None:
    log.write("1")
    moved = log.path.with_suffix(".old")
    log.path.rename(moved)
    log.write("2")
    assert (moved.read_text(), log.path.read_text()) == ("1\n", "2\n")
    log.path.unlink()
    log.write("3")
    assert log.path.read_text() == "3\n"
    log.path.unlink()
    log.path.parent.rmdir() if not moved.exists() else moved.unlink()
    log.write("4")
    assert log.path.read_text() == "4\n"
    assert log.told == []


def test_a_log_that_was_cut_to_nothing_goes_on_at_its_beginning(log: Log) -> None:
    log.write("1", "2")
    os.truncate(log.path, 0)
    log.write("3")
    assert log.path.read_bytes() == b"3\n"


def test_a_full_disk_is_told_once_and_so_is_its_end(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(6)
    monkeypatch.setattr(log_file, "_write", disk.write)
    log.write("one", "two")  # half of the second
    for _ in range(5_000):
        log.write("lost")
        log.now += 0.01
    assert len(log.told) == 1
    assert 40 < disk.tries < 60  # one a second
    disk.room = 1_000
    log.now += 1.0
    log.write("three")
    assert len(log.told) == 2
    assert "5,001 lines" in log.told[1]
    assert log.path.read_text().splitlines() == ["one", "tw", "three"]


def test_a_line_that_a_kill_cut_short_is_not_gone_on_with(log: Log) -> None:
    log.path.write_bytes(b'{"ts":1}\n{"ts":')
    Log(log.path).write("{}")
    assert log.path.read_bytes() == b'{"ts":1}\n{"ts":\n{}\n'


def test_what_no_encoding_has_is_written_all_the_same(log: Log) -> None:
    log.write("\udcff")
    assert log.path.read_bytes() == b"\\udcff\n"


def test_rotated_files_that_are_too_old_are_removed_at_the_start_and_the_log_itself_is_not(tmp_path: Path) -> None:
    names = (".2025-01-01_00-00-00_000000", ".2025-01-02_00-00-00_000000", "", ".before-the-crash")
    old, young, own, kept = (tmp_path / f"microbot{name}.jsonl" for name in names)
    for path in (old, young, own, kept):
        path.write_text("{}\n", "utf-8")
    for path in (old, own, kept):
        os.utime(path, (1, 1))
    LogFile(own, 1_000_000, 3, print, lambda: 0.0).stop()
    assert old.exists()  # by default age alone removes none
    LogFile(own, 1_000_000, 3, print, lambda: 0.0, keep_days=1).stop()
    assert (old.exists(), young.exists(), own.exists()) == (False, True, True)
    assert kept.exists()  # a copy of the user's own
