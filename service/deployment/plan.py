"""What is to be deployed: a `microbot run` with its folders, as it would be started here, by this installation."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

STOP_S = 45
"""Real seconds that the bot has to end in order. It takes about 15 at most: orders taken back and positions closed at a
broker, the journal written, its other processes ended; and seven where its loop is stuck."""


class Plan(msgspec.Struct, frozen=True):
    """A run to deploy; every path is absolute."""

    name: str  # of the service
    run: tuple[str, ...]  # the words behind `microbot run`
    folder: Path  # where it runs: strategies and settings files are looked for there
    data_dir: Path
    log_dir: Path
    keys: Path  # the file with the variables of the environment that hold keys
    wants_keys: bool = False  # whether it has to be there
    watchdog_s: float = 30.0
    user: str | None = None  # that a system's service runs as; None: whose service manager starts it
    web_port: int = 8080
    web_is_local: bool = True  # the dashboard listens on loopback alone
    web_has_secret: bool = False


def command() -> tuple[str, ...]:
    """Return the words that start this installation's `microbot`, wherever they are called."""
    python = Path(sys.executable).absolute()  # not resolved: a virtual environment's is a link
    script = python.with_name("microbot")
    return (str(script),) if script.is_file() else (str(python), "-P", "-m", "microbot")
