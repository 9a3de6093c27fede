"""`microbot backup` and `microbot prune`: a copy of the journal, and the removal of what is old."""

from __future__ import annotations

import shutil
from pathlib import Path

from actors.gateway.sqlite_journal import JournalUnusable
from service.data_folder import JOURNAL, SESSIONS
from service.data_folder.bot_id import BOT_ID
from service.errors import UserError, said_plainly, writing
from service.journal_views import journal_upkeep


class Old(journal_upkeep.Pruned, frozen=True):
    """What is old in a data folder, or was removed from it."""

    recordings: int
    recording_bytes: int

    def __bool__(self) -> bool:
        return bool(self.runs or self.recordings)

    def __str__(self) -> str:
        megabytes = self.recording_bytes / 1e6
        text = f"{self.runs} runs with {self.facts:,} facts, {self.recordings} recordings ({megabytes:,.1f} MB)"
        if self.kept_for_positions:
            text += f"; {self.kept_for_positions} older runs stay: they tell of positions that are still open"
        return text


def back_up(data_dir: Path, copy: Path) -> str:
    """Copy the journal, also while a bot writes it; return what to say of it. Raises UserError."""
    with writing(copy), said_plainly(JournalUnusable):
        try:
            size = journal_upkeep.back_up(data_dir / JOURNAL, copy)
        except FileExistsError:
            raise UserError(f"{copy} is there already: choose another name, or remove it") from None
    said = f"{copy}: {size / 1e6:,.1f} MB, checked"
    known = data_dir / BOT_ID
    return f"{said}; keep {known} with it: by it the bot knows its orders again" if known.is_file() else said


def prune(data_dir: Path, before: int, *, remove: bool = True) -> Old:
    """Remove what is older than a time (wall clock, ns), or only look for it. Raises UserError."""
    with said_plainly(JournalUnusable):
        journal = journal_upkeep.prune(data_dir / JOURNAL, before, remove=remove)
    recordings = _old_recordings(data_dir / SESSIONS, before)
    size = sum(_size(path) for path in recordings)
    try:
        for path in recordings if remove else ():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise UserError(f"{error.filename} cannot be removed: {error.strerror}") from None
    return Old(journal.runs, journal.facts, journal.kept_for_positions, len(recordings), size)


def _old_recordings(folder: Path, before: int) -> list[Path]:
    """Return the recordings, whole ones only, to which nothing was written since."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if max(map(_written, _files(path)), default=before) < before)


def _files(path: Path) -> list[Path]:
    return [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]


def _written(path: Path) -> int:
    return path.lstat().st_mtime_ns


def _size(path: Path) -> int:
    return sum(file.lstat().st_size for file in _files(path) if not file.is_dir())
