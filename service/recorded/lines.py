"""The lines of a tape's file, plain or compressed: read in chunks, each in bounded memory, whatever the file holds."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, TypeVar

from service import plain_text
from service.errors import UserError
from service.recorded.unlike import foreign

T = TypeVar("T")

CHUNK = 1 << 16  # bytes read at once; about 600 events
MOST_LINE = 1 << 24
"""Bytes of a line: an account with all its orders, or a book, is the longest that a recording holds."""
MOST_ROW = 1 << 16
"""Characters of a row of a CSV."""
MOST_RATIO = 500
"""So many times its compressed size is what a file may hold, beyond `FREE_BYTES`: a tape is 10 to 100 times."""
FREE_BYTES = 1 << 28

GZIP = b"\x1f\x8b"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second is of one that holds nothing


class Lines:
    """The lines of one file, without their ends, in batches; it is a context that closes the file.

    A byte order mark is passed over, UTF-16 and files of other kinds are refused. A compressed file that breaks off
    ends there, and is `cut`. Raises UserError for what cannot be read.
    """

    def __init__(self, path: Path, chunk: int = CHUNK, what: str = "tape") -> None:
        self.cut = False
        self.unfinished = False  # the last line has no end
        self.number = 0  # of the line before the batch that was given last
        self._path = path
        self._what = what  # it is, to people
        self._chunk = chunk
        self._given = 0
        self._inflated = 0  # bytes
        self._compressed = False
        self._rest: list[bytes] = []  # of a line whose end was not read yet
        self._stack = ExitStack()
        self._raw = self._stack.enter_context(open_raw(path))
        try:
            self._file = self._opened()
            self._pass_mark()
        except BaseException:
            self._stack.close()
            raise

    def _opened(self) -> io.BufferedReader:
        magic = guarded(self._path, lambda: self._raw.peek(16))
        if magic.startswith(GZIP) or self._path.suffix == ".gz":
            self._compressed = True
            return self._stack.enter_context(io.BufferedReader(_Inflated(self._raw, self), CHUNK))
        if kind := foreign(magic):
            raise UserError(f"the {self._what} {self._path} is none: it is {kind}")
        return self._raw

    def _pass_mark(self) -> None:
        try:
            self._file.read(plain_text.mark(guarded(self._path, lambda: self._file.peek(4))))
        except plain_text.NoText as error:
            raise UserError(f"the {self._what} {self._path} cannot be read: it is {error}") from None

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._raw.tell()

    def batch(self) -> list[bytes]:
        """Return the next lines; none at the end."""
        self.number = self._given
        held = sum(map(len, self._rest))
        while data := self._read():
            body, end, rest = data.rpartition(b"\n")
            if end:
                lines = b"".join((*self._rest, body)).split(b"\n")
                self._rest = [rest] if rest else []
                self._given += len(lines)
                return lines
            self._rest.append(data)
            held += len(data)
            if held > MOST_LINE:
                raise UserError(
                    f"the {self._what} {self._path} cannot be read: its line {self._given + 1} is longer than "
                    f"{MOST_LINE:,} bytes"
                )
        last, self._rest = b"".join(self._rest), []
        self.unfinished = bool(last)
        self._given += self.unfinished
        return [last] if last else []

    def filled(self) -> Iterator[tuple[int, bytes]]:
        """Give the lines that are not blank, each with its number."""
        while batch := self.batch():
            for number, line in enumerate(batch, self.number + 1):
                if line.strip():
                    yield number, line

    def _read(self) -> bytes:
        data = guarded(self._path, lambda: self._file.read(self._chunk))
        if self._compressed:
            self._inflated += len(data)
            check_ratio(self._path, self._inflated, self._raw.tell())
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stack.close()


class _Inflated(io.RawIOBase):
    """What a gzip stream holds. One that breaks off ends there, and its lines are `cut`; any other damage raises."""

    def __init__(self, raw: BinaryIO, lines: Lines) -> None:
        super().__init__()
        self._lines = lines
        self._stream = gzip.GzipFile(fileobj=raw)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read1(len(buffer))  # `read` would lose what it has when it finds the end missing
        except EOFError:
            self._lines.cut = True
            return 0
        buffer[: len(data)] = data
        return len(data)


def rows(path: Path, file: IO[bytes], compressed: int | None = None) -> Iterator[str]:
    """Give the rows of a CSV in ASCII, from a member of a zip if its `compressed` size is told. Raises UserError."""
    number, inflated = 0, 0
    while line := guarded(path, lambda: file.readline(MOST_ROW + 1)):
        number += 1
        inflated += len(line)
        if len(line) > MOST_ROW:
            raise UserError(f"the tape {path} cannot be read: row {number} of a CSV is longer than {MOST_ROW:,} bytes")
        if compressed is not None:
            check_ratio(path, inflated, compressed)
        try:
            yield (line[plain_text.mark(line) :] if number == 1 else line).decode("ascii")
        except ValueError as error:
            raise UserError(f"the tape {path} cannot be read: row {number} of a CSV is no text: {error}") from None


def check_ratio(path: Path, inflated: int, compressed: int) -> None:
    """Raise UserError for a file that holds absurdly more than its size."""
    if inflated > FREE_BYTES and inflated > MOST_RATIO * max(compressed, 1):
        raise UserError(
            f"the tape {path} cannot be read: {compressed:,} bytes of it hold more than {inflated - 1:,}; no tape "
            "is compressed that well"
        )


def open_raw(path: Path) -> io.BufferedReader:
    """Open a tape's file as it is. Raises UserError."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise UserError(f"there is no tape {path}") from None
    except OSError as error:
        raise UserError(f"the tape {path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UserError(f"the tape {path} cannot be read: it is a pipe or a device; save what it gives in a file")
    return file


def is_zip(path: Path) -> bool:
    """Whether a file is a zip, by its name or by its beginning."""
    if path.suffix == ".zip":
        return True
    with open_raw(path) as file:
        return guarded(path, lambda: file.read(4)) in ZIP


def guarded(path: Path, read: Callable[[], T]) -> T:
    """Read, saying plainly what is wrong with a damaged file (zipfile says RuntimeError of one with a password)."""
    try:
        return read()
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError, OverflowError) as error:
        raise UserError(f"the tape {path} cannot be read: {error}") from None
