"""The log's file: rotated at its size, opened again where it was moved away, and silent about a full disk."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from service.errors import make_folder

_write = os.write
_DAY_S = 86_400.0
_AT = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d{6}"  # the time in the name of a rotated file
_TRY_EVERY_S = 1.0  # real seconds between two tries to write to a file that takes nothing


class LogFile:
    """Appends whole lines to a file. `write` raises nothing, and never writes half a line before another one.

    A file that was moved or removed, as logrotate does, is opened again under its name. One that cannot be written is
    tried again every second; what comes meanwhile is lost, and counted. `tell` hears of it once when that begins, and
    once when it is over. Rotated files keep the name with a time in it, and the oldest beyond `keep` are removed.
    """

    def __init__(
        self,
        path: Path,
        most_bytes: int,
        keep: int,
        tell: Callable[[str], None],
        monotonic: Callable[[], float],
        keep_days: float | None = None,
    ) -> None:
        self.lost = 0  # lines since it cannot be written
        self._path = path
        self._most_bytes = most_bytes
        self._keep = keep
        self._keep_days = keep_days
        self._tell = tell
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._fd = -1
        self._torn = False  # the file ends within a line
        self._try_at = 0.0
        self._open()
        self._remove_old()

    def write(self, text: str) -> None:
        """Append a line, which ends with a line break."""
        data = text.encode("utf-8", "backslashreplace")
        with self._lock:
            if self.lost and self._monotonic() < self._try_at:
                self.lost += 1
                return
            try:
                self._make_room(len(data))
                self._put(data)
            except OSError as error:
                news = self._miss(error)
            else:
                news = self._back() if self.lost else ""
        if news:
            self._tell(news)

    def stop(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _miss(self, error: OSError) -> str:
        """Count a line that is lost; return what is to be said of it: only of the first."""
        self.lost += 1
        self._try_at = self._monotonic() + _TRY_EVERY_S
        return f"the log {self._path} cannot be written: {error.strerror}; the bot goes on" if self.lost == 1 else ""

    def _back(self) -> str:
        lost, self.lost = self.lost, 0
        return f"the log {self._path} is written again: {lost:,} lines are not in it"

    def _put(self, data: bytes) -> None:
        if self._torn:
            data = b"\n" + data
        while data:
            done = _write(self._fd, data)
            data = data[done:]
            self._torn = bool(data)  # should the next one fail

    def _make_room(self, size: int) -> None:
        """See to it that the file under the name is open, and takes so many more bytes."""
        if self._fd < 0 or is_elsewhere(self._path, self._fd):
            self._close()
            self._open()
        if (held := os.fstat(self._fd).st_size) and held + size > self._most_bytes:
            self._rotate()

    def _open(self) -> None:
        make_folder(self._path.parent)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        size = os.fstat(self._fd).st_size
        self._torn = bool(size) and _last_byte(self._fd, size) != b"\n"  # of a bot that was killed

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _rotate(self) -> None:
        self._close()
        stem, suffix = self._path.stem, self._path.suffix
        self._path.rename(self._path.with_name(f"{stem}.{datetime.now(UTC):%Y-%m-%d_%H-%M-%S_%f}{suffix}"))
        self._open()
        self._remove_old()

    def _remove_old(self) -> None:
        """Remove the rotated files beyond those that are kept, and those that are too old."""
        stem, suffix = self._path.stem, self._path.suffix
        named = re.compile(f"{re.escape(stem)}\\.{_AT}{re.escape(suffix)}")  # any other file is none of ours
        rotated = sorted(path for path in self._path.parent.iterdir() if named.fullmatch(path.name))
        oldest = datetime.now(UTC).timestamp() - self._keep_days * _DAY_S if self._keep_days is not None else 0.0
        for path in rotated:
            with contextlib.suppress(OSError):
                if path in rotated[: -self._keep] or path.stat().st_mtime < oldest:
                    path.unlink()


def is_elsewhere(path: Path, fd: int) -> bool:
    """Whether an open file is not the one under its name any more: it was moved, removed or replaced."""
    try:
        return not os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return True


def _last_byte(fd: int, size: int) -> bytes:
    os.lseek(fd, size - 1, os.SEEK_SET)
    return os.read(fd, 1)
