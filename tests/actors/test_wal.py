"""SQLite's write-ahead log: what SQLite would drop in silence is found, and what a crash leaves is no damage."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from actors.gateway.wal import damage

PAGE = 4096
FRAME = 24 + PAGE


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Twenty commits that no checkpoint has merged."""
    path = tmp_path_factory.mktemp("wal") / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        for number in range(19):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
        return path.with_name("x.db-wal").read_bytes()


def spoilt(log: bytes, at: int) -> bytes:
    return log[:at] + bytes([log[at] ^ 1]) + log[at + 1 :]


def test_a_whole_log_and_none_are_sound(log: bytes) -> None:
    assert damage(log) == ""
    assert damage(b"") == ""


def test_a_frame_that_went_bad_hides_the_commits_behind_it(log: bytes) -> None:
    frames = (len(log) - 32) // FRAME
    for number in (1, 5):
        for place in (3, 9, 17, 24, FRAME - 1):  # its number, salt, checksum and page
            assert damage(spoilt(log, 32 + (number - 1) * FRAME + place)).startswith(f"its frame {number} is damaged")
    assert frames >= 20


def test_a_header_that_went_bad_hides_all(log: bytes) -> None:
    for place in (0, 9, 17, 25):
        assert damage(spoilt(log, place)) == "its header is damaged"
    assert damage(log[:20]) == "its header is cut off"


def test_what_was_being_written_when_the_machine_stopped_is_no_damage(log: bytes) -> None:
    for left in (1, 24, 100, FRAME - 1):
        assert damage(log[: len(log) - FRAME + left]) == ""
    assert damage(spoilt(log, len(log) - 1)) == ""


def test_an_older_log_behind_the_newest_commit_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        for number in range(20):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("INSERT INTO t VALUES (99)")  # over the first of the old frames
        log = path.with_name("x.db-wal").read_bytes()
    assert len(log) > 20 * FRAME
    assert damage(log) == ""


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_log_of_ours(content: bytes) -> None:
    assert damage(content) in ("", "its header is cut off", "its header is damaged")
