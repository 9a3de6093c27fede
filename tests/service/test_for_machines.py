"""What every listing and report prints where a program reads it: JSON, on each line or as a whole."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer.main

from actors.book import Book, Tally
from actors.messages import PositionClosed, TradingState
from actors.orders import AccountReport, HeldAtVenue
from actors.reconciliation.comparison import compare
from service.cli import app
from service.data_folder import SESSIONS
from service.doctor import examination
from service.doctor.findings import ok
from service.exit_codes import ExitCode
from service.journal_views import reconcile
from service.live import run as running_bot
from service.options import Outcome
from service.recorded import archive
from tests.service.test_cli import DAY, Run
from tests.service.test_explain import a_trade, write
from tests.support.at_broker import record
from tests.support.market import at

LINES, WHOLE = False, True
COMMANDS = {
    "replay": (WHOLE, ("DAY",)),
    "check": (LINES, ("FILTER", "--tape", "DAY")),
    "diff": (WHOLE, ("DAY", "--set", "strategy.profit_target=0.02")),
    "run": (WHOLE, ("--log-dir", "LOGS")),
    "sessions": (LINES, ()),
    "trades": (LINES, ()),
    "signals": (LINES, ()),
    "orders": (LINES, ()),
    "explain": (WHOLE, ("DECISION",)),
    "logs": (LINES, ("--log-dir", "LOGS")),
    "doctor": (LINES, ()),
    "status": (WHOLE, ()),
    "reconcile": (WHOLE, ()),
    "backup": (WHOLE, ("COPY",)),
    "config": (WHOLE, ()),
    "prune": (WHOLE, ("--before", "2026-01-01", "--yes")),
    "import": (WHOLE, ("DAY",)),
    "sweep": (WHOLE, ("DAY", "--param", "strategy.profit_target=0.001,0.002", "--jobs", "1", "--engine", "exact")),
    "calibrate": (WHOLE, ("AT_BROKER",)),
}
"""Whether a command prints one object or one a line, and what else it is given."""
_EXPECTED = (0, ExitCode.FAILED, ExitCode.NO_BOT)


def with_json() -> set[str]:
    """Return the commands that have --json and --text; `report` writes a page, and says what it comes to in words."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # of a group
    return {name for name, command in commands.items() if any("--text" in p.secondary_opts for p in command.params)}


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Fill a data folder, and stand in for what would need a venue; return what the words above mean."""
    data = tmp_path / "data"
    (data / SESSIONS).mkdir(parents=True)
    session = a_trade()
    (done,) = session.of(PositionClosed)
    write(data, ("paper", session))
    archive.new_path(data / SESSIONS, "simulated", datetime(2026, 1, 5, tzinfo=UTC)).write_bytes(b"")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "microbot.jsonl").write_text('{"ts":1,"level":"INFO","message":"hello"}\n' * 2)
    account = AccountReport(
        at(9), "PA1", Decimal(9), Decimal(9), Decimal(9), (HeldAtVenue("A", Decimal(7), Decimal(1)),), ()
    )
    book = Book(
        at(1),
        Tally(Decimal(9), Decimal(9), Decimal(9), Decimal(0), 0.0, 0),
        "",
        TradingState.ACTIVE,
        "",
        False,
        {},
        (),
        (),
        "mb-s0",
    )
    monkeypatch.setattr(reconcile, "check_traded", lambda data_dir: None)
    monkeypatch.setattr(reconcile, "look", lambda *_: (book, compare(book, account, {}, "mb-")))
    monkeypatch.setattr(examination, "findings", lambda *_: [ok("a", "well"), ok("b", "well")])
    summary: dict[str, Any] = {"failed": {}, "failures": {"count": 0}, "equity": 1.5}
    monkeypatch.setattr(running_bot, "run", lambda *_: Outcome(summary, (), None))
    return {
        "DAY": str(DAY),
        "FILTER": f"{DAY.parents[2] / 'examples' / 'vwap_filter.py'}:strategy",
        "DECISION": done.decision,
        "COPY": str(tmp_path / "copy.db"),
        "LOGS": str(tmp_path / "logs"),
        "AT_BROKER": str(record(tmp_path / "at-broker.jsonl.gz", seconds=20)),
    }


def test_every_command_that_can_print_json_is_looked_at_here() -> None:
    assert with_json() == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_program_reads_is_json_without_being_asked_for(
    command: str, words: dict[str, str], tmp_path: Path, run: Run
) -> None:
    whole, options = COMMANDS[command]
    given = [words.get(option, option) for option in options]
    folder = ["--data-dir", tmp_path / "data"] if command not in ("logs", "check", "import") else []
    piped = run(command, *given, *folder)
    assert piped.code in _EXPECTED, piped.err
    told = [json.loads(piped.out)] if whole else [json.loads(line) for line in piped.out.splitlines()]
    assert told
    assert all(isinstance(each, dict) for each in told)
    if command == "backup":
        Path(words["COPY"]).unlink()
    asked = run(command, *given, *folder, "--json")
    measured = re.compile(r"[\d.]+ us")  # it takes another time each time
    assert measured.sub("", asked.out) == measured.sub("", piped.out)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_gets_the_text_that_is_asked_for(command: str, words: dict[str, str], tmp_path: Path, run: Run) -> None:
    given = [words.get(option, option) for option in COMMANDS[command][1]]
    folder = ["--data-dir", tmp_path / "data"] if command not in ("logs", "check", "import") else []
    told = run(command, *given, *folder, "--text")
    assert told.code in _EXPECTED, told.err
    assert told.out
    assert not told.out.startswith("{")
