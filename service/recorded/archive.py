"""The archive: the folder in which sessions are recorded, how much it may hold, and what is in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from service.settings import RecordSettings

_NAME = re.compile(r"(?P<start>\d{8}T\d{6}Z)-[a-z_]+(-\d+)?\.jsonl\.gz")
_DAY_S = 86_400.0
_START = "%Y%m%dT%H%M%SZ"


def new_path(folder: Path, venue: str, now: datetime) -> Path:
    """Return a name for a session that starts now."""
    of = re.sub("[^a-z]+", "_", venue.lower()).strip("_") or "feed"
    path = folder / f"{now.astimezone(UTC):{_START}}-{of}.jsonl.gz"
    return next_path(path, 2) if path.exists() else path


def next_path(path: Path, number: int) -> Path:
    """Return the name of the session that goes on from one whose name was chosen: name-2.jsonl.gz and so on."""
    stem, dot, suffixes = path.name.partition(".")
    found = path.with_name(f"{stem}-{number}{dot}{suffixes}")
    return next_path(path, number + 1) if found.exists() else found


def found_in(folder: Path) -> list[Path]:
    """Return the sessions in an archive, oldest first; other files are none of ours."""
    if not folder.is_dir():
        return []
    named = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_file()]
    return sorted(named, key=lambda path: (path.stat().st_mtime_ns, path.name))


def start_of(path: Path) -> datetime | None:
    """Return when a session began, by its name."""
    named = _NAME.fullmatch(path.name)
    return datetime.strptime(named["start"], _START).replace(tzinfo=UTC) if named else None


def prune(
    folder: Path, settings: RecordSettings, writing: Path | None, now_s: Callable[[], float] = time.time
) -> list[Path]:
    """Remove the oldest sessions, whole ones, until the archive is within its bounds; return them.

    The one that is being written stays, whatever its size. Raises OSError.
    """
    sessions = found_in(folder)
    sizes = {path: path.stat().st_size for path in sessions}
    oldest = now_s() - settings.keep_days * _DAY_S if settings.keep_days is not None else 0.0
    removed = []
    for path in sessions:
        within = len(sizes) <= settings.keep_sessions and sum(sizes.values()) <= settings.keep_bytes
        if within and path.stat().st_mtime >= oldest:
            break
        if writing is not None and path.resolve() == writing.resolve():
            continue
        path.unlink()
        removed.append(path)
        del sizes[path]
    return removed
