"""How the log looks where standard error goes: a terminal, with colors and without, a pipe, and systemd's journal."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from service import logs
from service.settings import LogSettings
from tests.support.live import loguru_restored


@contextlib.contextmanager
def logging_to(terminal: Any, folder: Path) -> Iterator[None]:
    with loguru_restored():
        logs.configure(LogSettings(dir=str(folder)), terminal=terminal)
        yield


def say(folder: Path, terminal: Any) -> None:
    with logging_to(terminal, folder):
        logger.bind(logger="microbot.risk", event="x").warning("HALTED <red>{}</red>")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM", "JOURNAL_STREAM"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("terminal", "variables", "is_colored"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"NO_COLOR": ""}, True),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {"GITHUB_ACTIONS": "1", "CI": "1", "TERM": "xterm"}, False),
    ],
)
def test_colors_are_for_terminals_whose_users_want_them(
    terminal: type[io.StringIO],
    variables: dict[str, str],
    is_colored: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shown = terminal()
    say(tmp_path, shown)
    assert ("\x1b[" in shown.getvalue()) is is_colored
    assert "HALTED <red>{}</red>" in shown.getvalue()


def test_the_journal_gets_priorities_in_place_of_times_and_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w+") as journal:
        found = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        with logging_to(journal, tmp_path):
            said = logger.bind(logger="microbot.risk", event="x")
            said.info("two\nlines")
            said.warning("HALTED")
            with contextlib.suppress(ZeroDivisionError), logger.catch(reraise=True, message="it failed"):
                _ = 1 / 0
        journal.seek(0)
        lines = journal.read().splitlines()
    assert lines[:2] == ["<6>microbot.risk - two\\nlines", "<4>microbot.risk - HALTED"]
    assert lines[2] == "<3>microbot - it failed"
    assert all(line.startswith("<3>  ") for line in lines[3:])
    assert lines[-1] == "<3>  ZeroDivisionError: division by zero"


@pytest.mark.parametrize("stream", ["", "1:2", "none"])
def test_what_is_not_the_journal_keeps_its_times(stream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a child, or of a command that is started in a service's shell: the variable is there, the stream is not."""
    monkeypatch.setenv("JOURNAL_STREAM", stream)
    with (tmp_path / "piped").open("w+") as piped:
        say(tmp_path, piped)
        piped.seek(0)
        assert re.match(r"\[\d\d:\d\d:\d\d\.\d{3} UTC\] - microbot\.risk - WARNING - HALTED", piped.read())


def test_a_stream_without_a_file_is_no_journal() -> None:
    assert not logs.is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal, os.fdopen(master):
        assert not logs.is_journal(terminal, {})
