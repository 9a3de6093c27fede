"""The journal on disk: what was appended is there, also for a reader, a later version, and after a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from actors.gateway.gate import Batch, Gate, Trouble
from actors.gateway.journal import Run
from actors.gateway.sqlite_journal import JournalUnusable, SqliteJournal, read
from actors.messages import BurstBlocked, Fact
from actors.orders import OrderRejected
from pipeline.events import Side
from tests.support.live import ROOT, environment, wait_until
from tests.support.market import START, at, trade
from tests.support.sessions import Session

RUN = Run(START, "1.0", "momentum_burst", "test", True, "paper", {"risk": {"position_size": 1.0}})


def journal(path: Path, book: str = "simulated", *, durable: bool = False) -> SqliteJournal:
    opened = SqliteJournal(path, book, durable=durable)
    opened.begin(RUN)
    return opened


def rejected(number: int) -> Fact:
    return OrderRejected(f"o{number}", "A", at(number), "no")


@pytest.mark.parametrize("durable", [False, True])
def test_facts_come_back_in_their_order_with_their_run(durable: bool, tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    for _ in range(2):
        opened = journal(path, durable=durable)
        opened.append(1, [rejected(1), rejected(2)])
        opened.append(2, [rejected(3)])
        opened.close()
    found = list(read(path, ["order_rejected"]))
    assert [(row["run"], row["order"]) for row in found] == [(r, f"o{n}") for r in (1, 2) for n in (1, 2, 3)]


def test_a_reader_sees_what_is_appended_while_it_is_written(tmp_path: Path) -> None:
    opened = journal(tmp_path / "j.db")
    opened.append(1, [rejected(1)])
    assert len(list(read(tmp_path / "j.db", ["order_rejected"]))) == 1
    opened.append(2, [rejected(2)])
    assert [row["order"] for row in read(tmp_path / "j.db", ["order_rejected"], since=at(2))] == ["o2"]
    opened.close()


def test_what_is_told_by_the_thousand_is_left_out(tmp_path: Path) -> None:
    opened = journal(tmp_path / "j.db")
    opened.append(1, [BurstBlocked("A", Side.LONG, 3, "NO_VOLUME_SPIKE", START)])
    assert list(read(tmp_path / "j.db", ["burst_blocked"])) == []
    opened.close()


def test_the_book_comes_back_as_it_was_written_last_and_each_venue_has_its_own(tmp_path: Path) -> None:
    session = Session().feed(trade(0, 100, says="LONG"))
    first, other = journal(tmp_path / "j.db"), journal(tmp_path / "j.db", "alpaca paper")
    assert first.last_book() is None
    first.append(1, [], session.core.book())
    session.feed(trade(1, 102))
    first.append(2, session.facts, session.core.book())
    assert first.last_book() == session.core.book()
    assert other.last_book() is None
    first.close()
    other.close()


def test_a_journal_of_a_newer_version_is_refused_politely(tmp_path: Path) -> None:
    journal(tmp_path / "j.db").close()
    with sqlite3.connect(tmp_path / "j.db") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    for use in (
        lambda: SqliteJournal(tmp_path / "j.db", "simulated", durable=False),
        lambda: list(read(tmp_path / "j.db", ["signal"])),
    ):
        with pytest.raises(JournalUnusable, match=r"newer microbot \(version 99"):
            use()


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_text("my diary\n" * 200)
    with pytest.raises(JournalUnusable, match="move it away, or restore it"):
        SqliteJournal(tmp_path / "j.db", "simulated", durable=False)
    assert (tmp_path / "j.db").read_text().startswith("my diary")
    with pytest.raises(JournalUnusable, match="there is no journal"):
        list(read(tmp_path / "none.db", ["signal"]))


def test_a_full_disk_is_an_error_that_halts_the_gate(tmp_path: Path) -> None:
    opened = journal(tmp_path / "j.db")
    opened._connection.execute("PRAGMA max_page_count=12")
    troubles: list[Trouble] = []
    gate = Gate(opened, None, troubles.append)
    gate.start()
    for number in range(200):
        gate.submit(Batch(number, [rejected(number)] * 20))
    wait_until(lambda: bool(gate.halted))
    gate.stop()
    assert "the journal cannot be written" in str(gate.halted)
    assert [trouble.kind for trouble in troubles] == ["journal"]


def test_what_append_returned_from_survives_a_kill(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.actors.test_sqlite_journal import *\n"
        "opened = journal(Path(sys.argv[1]))\n"
        "for number in range(1, 100_000):\n"
        "    opened.append(number, [rejected(number % 1000 + 1)]); print(number, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "j.db")],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as said:
        for _ in range(50):
            last = int(said.readline())
        os.kill(process.pid, signal.SIGKILL)
        last = max([last, *(int(line) for line in said if line.endswith("\n"))])
    process.wait()
    assert len(list(read(tmp_path / "j.db", ["order_rejected"]))) >= last


@pytest.mark.parametrize("name", ["j.db", "j.db-wal"])
def test_a_journal_says_which_of_its_files_is_gone(name: str, tmp_path: Path) -> None:
    opened = journal(tmp_path / "j.db")
    assert opened.look() == ""
    opened.append(1, [rejected(1)])
    assert opened.look() == ""
    (tmp_path / name).unlink()
    assert opened.look() == f"the journal {tmp_path / name} was removed while it was written"
    opened.close()
