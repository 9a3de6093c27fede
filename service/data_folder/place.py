"""Where a bot's data and logs are, unless a command is told: the one place that decides it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from service.data_folder import JOURNAL

VARIABLE = "MICROBOT_DATA_DIR"
LOCAL, LOCAL_LOGS = Path("data"), Path("logs")  # of the folder that we are in
_SOURCE = Path(__file__).resolve().parents[2]


class Place(NamedTuple):
    """A data folder, and why it is this one."""

    data: Path
    why: str


def usual() -> Place:
    """Return the data folder of a command that is told none.

    The environment says which; else it is `data` where that holds a journal, or where we are in microbot's own
    checkout; else the folder that the system keeps for a program's data.
    """
    if told := os.environ.get(VARIABLE):
        return Place(Path(told), f"{VARIABLE} says so")
    if (LOCAL / JOURNAL).is_file():
        return Place(LOCAL, f"there is a journal in {LOCAL.absolute()}")
    if Path.cwd() == _SOURCE and (_SOURCE / "pyproject.toml").is_file():
        return Place(LOCAL, "this is microbot's own checkout")
    return Place(_of_system().data, "the system keeps it for this user's programs")


def folder(told: str | os.PathLike[str] | None) -> Path:
    """Return the data folder that is told, or else the usual one."""
    return Path(told) if told is not None else usual().data


def logs_of(data_dir: Path) -> Path:
    """Return where the logs of a data folder's bot go: the system's folder for logs beside its folder for data."""
    return _of_system().logs if is_system_s(data_dir) else LOCAL_LOGS


def is_system_s(data_dir: Path) -> bool:
    """Whether that is the folder which the system keeps for microbot's data."""
    return data_dir.is_absolute() and data_dir == _of_system().data


class _System(NamedTuple):
    data: Path
    logs: Path


def _of_system() -> _System:
    import platformdirs  # not where nothing needs it: every command starts here

    app = platformdirs.PlatformDirs("microbot", appauthor=False)
    return _System(app.user_data_path, app.user_log_path)
