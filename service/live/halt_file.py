"""The halt files: they stand for a pulled kill switch in the data folder, so that it stays pulled whatever comes."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from actors.gateway.kill_switch import FLATTEN, HALT, KillSwitch
from actors.messages import Command

MOST_REASON = 300
"""Characters."""


def file_of(folder: Path, name: str) -> Path:
    """Return the file of a data folder that stands for a pull of the kill switch."""
    return folder / name.upper()


def keep(folder: Path, name: str, reason: str) -> str:
    """Write down that the switch was pulled, so that it survives whatever comes; return why that failed, if it did."""
    path = file_of(folder, name)
    try:
        with path.open("w", encoding="utf-8") as file:
            file.write(reason + "\n")
            file.flush()
            os.fsync(file.fileno())
        if sys.platform != "win32":
            directory = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
    except OSError as error:
        return "" if path.exists() else f"{path}: {error.strerror}"  # that it is there says enough
    return ""


def reason_of(folder: Path, name: str, unsaid: str = "put there by hand") -> str | None:
    """Return why the switch was pulled, by its file, or what it means if that is `unsaid`; None without one."""
    path = file_of(folder, name)
    if not path.exists():
        return None
    said = ""
    with contextlib.suppress(OSError):
        said = path.read_bytes()[:MOST_REASON].decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in said).split()) or unsaid


def remove(folder: Path) -> str:
    """Remove the files; return why that failed, if it did."""
    for name in (HALT, FLATTEN):
        try:
            file_of(folder, name).unlink(missing_ok=True)
        except OSError as error:
            return f"{file_of(folder, name)} cannot be removed ({error.strerror}): nothing is resumed"
    return ""


class HaltFile:
    """The files of one bot, and its switch: they are kept alike."""

    def __init__(self, folder: Path, switch: KillSwitch) -> None:
        self._folder = folder
        self._switch = switch

    def block_entries(self) -> None:
        """Block entries, at the start, if a file says so."""
        for name in (HALT, FLATTEN):
            if (reason := reason_of(self._folder, name)) is not None:
                self._switch.block_entries(name, reason)
                break

    def pending_command(self) -> Command | None:
        """Return the command that the core is to be given at the start, for the file that was found."""
        name = self._switch.pulled
        if not name:
            return None
        return Command(name, 0, f"the file {name.upper()}", reason_of(self._folder, name) or name)

    def hold(self, name: str, reason: str) -> str:
        """Block entries and write that down, before the core is given the command; return why that failed, if so."""
        if name not in (HALT, FLATTEN):
            return ""
        if not (self._switch.pulled == HALT and name == FLATTEN):
            self._switch.block_entries(name, reason or name)
        lost = keep(self._folder, name, reason or name)
        return f"NOT written down ({lost}): it will not survive a restart" if lost else ""

    def lift(self) -> str:
        """Unblock entries and remove the files; return why that is refused, if it is."""
        if self._switch.gate.halted is not None:
            return f"the gate stays halted until the bot is started again: {self._switch.gate.halted}"
        if refused := remove(self._folder):
            return refused
        self._switch.lift()
        return ""
