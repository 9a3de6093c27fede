"""A journal that cannot be written or trusted: what is said, what goes on, and that nothing is lost."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from service.data_folder import JOURNAL
from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, PATIENT, Log, at
from tests.support.exchange import ExchangeServer
from tests.support.faults import guarded
from tests.support.live import MICROBOT, PATIENCE_S, Bot, alive, environment, microbot, wait_until

SPEED = 20
RUN = ("run", "--port", "0", "--exchange-port", "0")

# --------------------------------------------------------------------------------------------------- while it runs


def fill_the_disk(bot: Bot) -> None:
    """Let no file of the bot grow beyond what its journal has: as if the disk were full."""
    size = (bot.folder / "data" / f"{JOURNAL}-wal").stat().st_size
    resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (size, size))


def test_on_a_full_disk_entries_stop_exits_leave_and_the_next_start_knows_of_them(tmp_path: Path) -> None:
    with ExchangeServer("--speed", SPEED) as exchange:
        with at(exchange, tmp_path, SPEED, *EAGER, *PATIENT, *ORDERS_IN_A_HURRY) as bot:
            wait_until(lambda: guarded(exchange))
            entered = exchange.orders
            fill_the_disk(bot)
            bot.command("pause")  # whatever is to be written next
            exchange.until_flat()
            state = bot.until(lambda state: state["state"]["state"] == "HALTED" and state["metrics"]["trades"] == 2)
            assert state["state"]["reason"].startswith("journal: the journal cannot be written")
            assert Log(bot).of("gate.journal")
            assert "until the bot is started again" in bot.command("resume").stdout
            assert exchange.open_orders == []
            exits = exchange.orders[len(entered) :]
            assert {order["client_order_id"].rsplit(".", 2)[1] for order in exits} == {"exit"}
            bot.process.send_signal(signal.SIGKILL)
            bot.process.wait()
        with at(exchange, tmp_path, SPEED, *EAGER, *PATIENT, *ORDERS_IN_A_HURRY) as bot:
            state = bot.until(lambda state: state["metrics"]["trades"] == 2)
            bot.until(lambda state: len(state["positions"]) == 2)  # it trades again, and has found no difference
            wait_until(lambda: guarded(exchange))
            assert bot.state["state"]["state"] == "ACTIVE"
            bot.stop()


def test_asked_to_stop_with_an_order_in_flight_it_ends_and_leaves_no_process(tmp_path: Path) -> None:
    with ExchangeServer("--speed", SPEED) as exchange:
        with at(exchange, tmp_path, SPEED, *EAGER, *PATIENT, *ORDERS_IN_A_HURRY) as bot:
            bot.until(lambda state: state["feed"]["state"] == "LIVE" and not state["positions"])
            exchange.strike("latency:700")
            wait_until(lambda: bool(Log(bot).of("signal.approved")))
            children = list(bot.children.values())
            assert children
            bot.stop()
            assert not any(alive(child) for child in children)
        exchange.strike()
        with at(exchange, tmp_path, SPEED, *EAGER, *PATIENT, *ORDERS_IN_A_HURRY) as bot:
            bot.until(lambda state: len(state["positions"]) == 2)
            assert bot.state["state"]["state"] == "ACTIVE"
            wait_until(lambda: guarded(exchange))
            bot.stop()


# --------------------------------------------------------------------------------------------------- at the start


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a bot leaves that is killed while it holds two positions."""
    folder = tmp_path_factory.mktemp("killed")
    with Bot(folder, *EAGER, *PATIENT) as bot:
        bot.until(lambda state: len(state["positions"]) == 2)
        bot.process.send_signal(signal.SIGKILL)
        bot.process.wait()
    return folder / "data"


@pytest.fixture
def journal(killed: Path, tmp_path: Path) -> Path:
    """A journal with two positions, for one test to spoil."""
    return shutil.copytree(killed, tmp_path / "data") / JOURNAL


def merge_the_log(journal: Path) -> None:
    """Put everything into the file itself, as an orderly end does."""
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not journal.with_name(f"{JOURNAL}-wal").exists()


def spoil_the_last_page(journal: Path) -> None:
    merge_the_log(journal)
    with journal.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xa5" * 4096)


def cut_it_off(journal: Path) -> None:
    merge_the_log(journal)
    os.truncate(journal, journal.stat().st_size - 4096)


def spoil_the_log(journal: Path) -> None:
    with journal.with_name(f"{JOURNAL}-wal").open("r+b") as file:
        file.seek(32 + 24 + 1000)
        file.write(b"\xa5" * 100)


def make_it_newer(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("PRAGMA user_version=999")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_the_last_page, "microbot.db is damaged ("),
        (cut_it_off, "microbot.db is damaged ("),
        (spoil_the_log, "microbot.db is damaged (the log beside it, microbot.db-wal: its frame 1 is damaged"),
        (make_it_newer, "was written by a newer microbot (version 999"),
    ],
)
def test_a_journal_that_cannot_be_trusted_stops_the_start_and_stays_as_it_is(
    spoil: Callable[[Path], None], said: str, journal: Path, tmp_path: Path
) -> None:
    spoil(journal)
    files = [journal, journal.with_name(f"{JOURNAL}-wal")]
    before = [path.read_bytes() if path.exists() else b"" for path in files]
    for options in ((), ("--fresh",)):  # a new book in a file that is damaged is none
        refused = microbot(*RUN, *options, cwd=tmp_path)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    after = [path.read_bytes() if path.exists() else b"" for path in files]
    assert [len(content) for content in after] == [len(content) for content in before]
    assert after == before


WITHOUT_PRIVILEGES = """
import ctypes, os, sys
for capability in (1, 2):  # to write and to read whatever one likes, which root may
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def refused_without_privileges(folder: Path) -> str:
    command = [sys.executable, "-c", WITHOUT_PRIVILEGES, str(MICROBOT), *RUN]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    [sentence] = done.stderr.splitlines()
    return sentence


@pytest.mark.parametrize("merged", [True, False])
def test_a_folder_that_may_only_be_read_is_said_and_nothing_is_lost(
    merged: bool, journal: Path, tmp_path: Path
) -> None:
    if merged:
        merge_the_log(journal)
    folder = journal.parent
    folder.chmod(0o555)
    try:
        assert "--data-dir data cannot be written: Permission denied" in refused_without_privileges(tmp_path)
    finally:
        folder.chmod(0o755)
    with Bot(tmp_path, *EAGER) as bot:
        assert bot.line("resumed: ") in ("AAPL, MSFT", "MSFT, AAPL")


def test_a_journal_that_may_only_be_read_is_said(journal: Path, tmp_path: Path) -> None:
    merge_the_log(journal)
    journal.chmod(0o444)
    sentence = refused_without_privileges(tmp_path)
    assert "microbot.db cannot be written (attempt to write a readonly database): let this user write it" in sentence
    journal.chmod(0o644)
    with Bot(tmp_path, *EAGER) as bot:
        assert bot.line("resumed: ") in ("AAPL, MSFT", "MSFT, AAPL")


def test_a_second_bot_on_the_same_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with Bot(tmp_path) as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 0)
        (tmp_path / "alias").symlink_to("data")
        for folder in ("data", "alias"):
            refused = microbot(*RUN, "--data-dir", folder, cwd=tmp_path)
            assert refused.returncode == 1
            assert f"another bot runs on {folder} (process {bot.process.pid}, {bot.dashboard})" in refused.stderr
        before = bot.state["metrics"]["ticks"]
        bot.until(lambda state: state["metrics"]["ticks"] > before)
        assert bot.command("halt").returncode == 0
        bot.stop()
