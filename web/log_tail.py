"""The bot's structured log, read from its end: the newest lines that match, and what is written after them.

A place in the log is a file and an offset in it, `INODE:OFFSET`. A file that was rotated meanwhile is found again among
those beside it, and read to its end before the new one. What is read at a time, and what is answered, is bounded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

MOST_LINES = 300
"""Of an answer."""

_MOST_BACK = 16 << 20  # bytes that are looked through, from the end on, for lines that match
_MOST_AHEAD = 1 << 20  # bytes that are read on at a time
_BLOCK = 1 << 18
_MOST_LINE = 64 << 10  # bytes of a line; a longer one is left out

Line = dict[str, Any]


class Wanted(msgspec.Struct, frozen=True):
    """Which lines are looked for; what is empty rules none out."""

    level: str = ""  # this one, or a graver one
    event: str = ""  # `trade.closed`, or all of a kind: `trade`
    symbol: str = ""
    text: str = ""  # anywhere in the line, in any case

    def has(self, line: Line, raw: bytes) -> bool:
        """Whether a line is looked for; `raw` is how it stands in the file."""
        if self.level and _gravity(line.get("level")) < _gravity(self.level):
            return False
        if self.event:
            name = str(line.get("event"))
            if name != self.event and not name.startswith(f"{self.event.removesuffix('.')}."):
                return False
        if self.symbol and self.symbol != line.get("symbol") and self.symbol not in _of(line, "symbols"):
            return False
        return not self.text or self.text.casefold() in raw.decode(errors="replace").casefold()


def _gravity(level: object) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _of(line: Line, name: str) -> list[Any]:
    found = line.get(name)
    return found if isinstance(found, list) else []


class Page(NamedTuple):
    """Lines, the oldest first, and where to read on."""

    lines: list[Line]
    place: str
    missed: bool = False  # something between these lines and those before them is not there any more


class LogTail:
    """Reads one log. Its methods wait for a disk: call them on another thread than the loop's."""

    def __init__(self, path: Path, most_back: int = _MOST_BACK) -> None:
        self._path = path
        self._most_back = most_back

    def newest(self, wanted: Wanted) -> Page:
        """Return the newest lines that are wanted, as far back as is looked."""
        found: list[Line] = []
        place, left = "", self._most_back
        for path in (self._path, *reversed(self._rotated())):
            try:
                with path.open("rb") as file:
                    end = _end_of_lines(file.fileno())
                    place = place or _place(os.fstat(file.fileno()).st_ino, end)
                    for raw in _backwards(file.fileno(), end, max(0, end - left)):
                        if (line := _decoded(raw)) is not None and wanted.has(line, raw):
                            found.append(line)
                        if len(found) == MOST_LINES:
                            return Page(found[::-1], place)
                    left -= end
            except OSError:
                continue  # it was rotated away just now, or is not there yet
            if left <= 0:
                break
        return Page(found[::-1], place)

    def after(self, place: str, wanted: Wanted) -> Page:
        """Return the lines behind a place; of a file that is not there any more, those of the newest."""
        inode, _, text = place.partition(":")
        offset = int(text) if text.isdecimal() else 0
        found: list[Line] = []
        missed = True
        following = False
        for path in (*self._rotated(), self._path):
            try:
                with path.open("rb") as file:
                    own = os.fstat(file.fileno())
                    if not following and str(own.st_ino) != inode:
                        continue
                    if not following:
                        missed, following = own.st_size < offset, True  # cut, as logrotate's copytruncate does
                        offset = 0 if missed else offset
                    offset = self._read_on(file.fileno(), offset, wanted, found)
                    place = _place(own.st_ino, offset)
                    if offset < _end_of_lines(file.fileno()) or len(found) >= MOST_LINES:
                        return Page(found, place, missed)
                    offset = 0
            except OSError:
                continue
        if following:
            return Page(found, place, missed)
        newest = self.newest(wanted)
        return Page(newest.lines, newest.place, bool(inode))

    @staticmethod
    def _read_on(fd: int, offset: int, wanted: Wanted, found: list[Line]) -> int:
        """Add the wanted lines from an offset on; return the offset behind the last line that was looked at."""
        data = os.pread(fd, _MOST_AHEAD, offset)
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == _MOST_AHEAD:
            return offset + len(data)  # within a line that is longer than any of ours
        for raw in data[:whole].splitlines(keepends=True):
            offset += len(raw)
            if (line := _decoded(raw)) is not None and wanted.has(line, raw):
                found.append(line)
            if len(found) >= MOST_LINES:
                break
        return offset

    def _rotated(self) -> list[Path]:
        """Return the files that were rotated, the oldest first: their names have the time."""
        stem, suffix = self._path.stem, self._path.suffix
        return sorted(path for path in self._path.parent.glob(f"{stem}.*{suffix}") if path != self._path)


def _place(inode: int, offset: int) -> str:
    return f"{inode}:{offset}"


def _end_of_lines(fd: int) -> int:
    """Return the offset behind the last whole line."""
    end = os.fstat(fd).st_size
    while end:
        start = max(0, end - _BLOCK)
        if (found := os.pread(fd, end - start, start).rfind(b"\n")) >= 0:
            return start + found + 1
        end = start
    return 0


def _backwards(fd: int, end: int, first: int) -> Iterator[bytes]:
    """Yield the lines that end before `end`, the last first, as far back as `first`."""
    held = b""
    while end > first:
        start = max(first, end - _BLOCK)
        parts = (os.pread(fd, end - start, start) + held).split(b"\n")
        end = start
        held = parts[0]
        yield from (part for part in reversed(parts[1:]) if part)
        if len(held) > _MOST_LINE:
            held = b""
    if first == 0 and held:
        yield held


def _decoded(raw: bytes) -> Line | None:
    if not raw.strip() or len(raw) > _MOST_LINE:
        return None
    try:
        return msgspec.json.decode(raw, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a line cut short by a crash
        return None
