"""Files that go while they are written: noticed within seconds, HALTED with the reason, and no good end."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from service.data_folder import JOURNAL, SESSIONS
from service.recorded.archive import found_in
from tests.support.bots import EAGER, PATIENT
from tests.support.live import PATIENCE_S, Bot, wait_until


def remove_the_folder(data: Path) -> None:
    shutil.rmtree(data)


def put_a_copy_in_place_of_the_journal(data: Path) -> None:
    with (
        closing(sqlite3.connect(data / JOURNAL)) as source,
        closing(sqlite3.connect(data / "copy.db")) as copy,
    ):
        source.backup(copy)
    (data / "copy.db").replace(data / JOURNAL)


def remove_the_log_beside_the_journal(data: Path) -> None:
    (data / f"{JOURNAL}-wal").unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (remove_the_folder, "was removed while it was written"),
        (put_a_copy_in_place_of_the_journal, "was replaced by another file while it was written"),
        (remove_the_log_beside_the_journal, f"{JOURNAL}-wal was removed while it was written"),
    ],
)
def test_a_journal_that_goes_halts_the_bot_which_ends_with_its_failure(
    harm: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with Bot(tmp_path, *EAGER, *PATIENT) as bot:
        bot.until(lambda state: len(state["positions"]) == 2)
        harm(data)
        state = bot.until(lambda state: state["state"]["state"] == "HALTED" and not state["positions"])
        assert said in state["state"]["reason"]
        bot.process.send_signal(signal.SIGTERM)
        assert bot.process.wait(PATIENCE_S) == 1
        bot.line("microbot: the journal does not hold all of this session: ")
        gone = not data.exists() or not found_in(data / SESSIONS)
        assert any(line.startswith("recorded: ") for line in bot.said) is not gone


def test_a_recording_that_goes_is_not_said_to_be_recorded(tmp_path: Path) -> None:
    with Bot(tmp_path, *EAGER, *PATIENT) as bot:
        bot.until(lambda state: len(state["positions"]) == 2)
        (recording,) = found_in(tmp_path / "data" / SESSIONS)
        recording.unlink()
        bot.process.send_signal(signal.SIGINT)
        assert bot.process.wait(PATIENCE_S) == 1
        wait_until(lambda: any("was removed while it was written (" in line for line in bot.said))
        assert not any(line.startswith("recorded: ") for line in bot.said)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="file sizes cannot be bounded here")
def test_a_journal_on_a_full_disk_ends_with_its_failure(tmp_path: Path) -> None:
    import resource

    with Bot(tmp_path, *EAGER, *PATIENT, "--no-record") as bot:
        bot.until(lambda state: len(state["positions"]) == 2)
        size = (tmp_path / "data" / f"{JOURNAL}-wal").stat().st_size
        resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (size, size))
        bot.command("flatten")
        bot.until(lambda state: state["state"]["state"] == "HALTED")
        bot.process.send_signal(signal.SIGTERM)
        assert bot.process.wait(PATIENCE_S) == 1
        bot.line("microbot: the journal does not hold all of this session: the journal cannot be written")
    older = "may be older than what was done"
    with Bot(tmp_path, *EAGER, *PATIENT, "--no-record") as bot:
        bot.until(lambda state: state["metrics"]["trades"] >= 2)  # it closes again what the last one had closed
        assert sum(older in line for line in bot.said) == 1
        bot.stop()
    with Bot(tmp_path, *EAGER, *PATIENT, "--no-record") as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 0)
        assert not any(older in line for line in bot.said)  # the book is that session's
        bot.stop()
