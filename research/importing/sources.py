"""The files that are imported: one by one, out of folders and archives, inflated as they are read."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa

from service.errors import UserError
from service.recorded.lines import check_ratio, is_zip, open_raw

HEAD = 1 << 16
"""Bytes of a file that its format is told by."""

BLOCK = 1 << 23
"""Bytes of text that are read and converted at once."""

MOST_LINE = 1 << 26
"""Bytes of one line: a page of a venue's history is the longest."""

_PACKED = (".gz", ".zst", ".bz2", ".xz")
_DAMAGE = (
    OSError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    lzma.LZMAError,
    RuntimeError,
    ValueError,
    pa.ArrowException,
)


class Block(NamedTuple):
    """Whole lines of a text."""

    data: bytes
    line: int  # number of the first, from 1


class Source:
    """One file, or one member of an archive; what it holds is inflated while it is read.

    `name` is that of the content: without the folder, and without the suffix of a compression.
    """

    def __init__(self, path: Path, member: zipfile.ZipInfo | None = None, siblings: bool = False) -> None:
        self.path = path
        self.member = member
        self.siblings = siblings  # other members are there
        self.block = 0  # bytes of text that are read at once; 0: BLOCK
        self.position = 0  # bytes of the file that were read
        inner = member.filename if member else path.name
        self.name = Path(inner.removesuffix("/")).name
        for suffix in _PACKED:
            self.name = self.name.removesuffix(suffix)

    @property
    def label(self) -> str:
        """What it is called to people."""
        return f"{self.path}, {self.member.filename}" if self.member and self.siblings else str(self.path)

    @cached_property
    def members(self) -> list[str]:
        """The names of what a zip holds; none of any other file."""
        if self.member or not is_zip(self.path):
            return []
        with _archive(self.path) as archive:
            return archive.namelist()

    @cached_property
    def size(self) -> int:
        """Bytes on the disk, as `position` counts them."""
        return self.member.compress_size if self.member else self.path.stat().st_size

    @cached_property
    def head(self) -> bytes:
        """The first bytes of what it holds. Raises UserError."""
        with self.opened() as file:
            found: bytes = self._guarded(lambda: file.read(HEAD))
        self.position = 0
        return found

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open what it holds. Raises UserError, also where what is read is damaged."""
        self.position = 0
        with ExitStack() as stack:
            raw: Any
            if self.member:
                archive = stack.enter_context(_archive(self.path))
                member = self.member
                raw = stack.enter_context(self._guarded(lambda: archive.open(member)))
            else:
                raw = stack.enter_context(open_raw(self.path))
            file = io.BufferedReader(_Counted(raw, self), HEAD)
            yield self._inflated(file, stack)

    def _inflated(self, file: Any, stack: ExitStack) -> IO[bytes]:
        magic = self._guarded(lambda: file.peek(6)[:6])
        if magic.startswith(b"\x1f\x8b"):
            inner: Any = gzip.GzipFile(fileobj=file)
        elif magic.startswith(b"\x28\xb5\x2f\xfd"):
            inner = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
        elif magic.startswith(b"BZh"):
            inner = bz2.BZ2File(file)
        elif magic.startswith(b"\xfd7zXZ\x00"):
            inner = lzma.LZMAFile(file)  # noqa: SIM115 - the stack closes it
        else:
            plain: IO[bytes] = file
            return plain
        opened: IO[bytes] = stack.enter_context(inner)
        return opened

    def blocks(self, size: int | None = None) -> Iterator[Block]:
        """Give the text in blocks of whole lines, without a byte order mark; the last line may have no end."""
        number, rest, inflated, most = 1, b"", 0, size or self.block or BLOCK
        with self.opened() as file:
            while True:
                data = self._guarded(lambda: file.read(most))
                if not data:
                    break
                if not inflated:
                    data = data.removeprefix(b"\xef\xbb\xbf")
                inflated += len(data)
                check_ratio(self.path, inflated, self.size)
                end = data.rfind(b"\n") + 1
                if not end:
                    rest += data
                    if len(rest) > MOST_LINE:
                        raise UserError(
                            f"{self.label} cannot be read: its line {number} is longer than {MOST_LINE:,} bytes"
                        )
                    continue
                whole, rest = b"".join((rest, memoryview(data)[:end])), data[end:]
                yield Block(whole, number)
                number += whole.count(b"\n")
        if rest:
            yield Block(rest, number)

    def lines(self) -> Iterator[tuple[int, list[bytes]]]:
        """Give the lines in lists, each with the number of its first."""
        for block in self.blocks(1 << 20):
            yield block.line, block.data.removesuffix(b"\n").split(b"\n")

    def _guarded(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except _DAMAGE as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise UserError(
                f"{self.label} cannot be read: it is damaged, or was not copied whole ({reason}); fetch it again"
            ) from None


class _Counted(io.RawIOBase):
    """A file that tells its source how much of it was read."""

    def __init__(self, raw: Any, source: Source) -> None:
        super().__init__()
        self._raw = raw
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._raw.readinto(buffer)
        source = self._source
        left = getattr(self._raw, "_compress_left", None)  # of a zip's member, which is inflated
        source.position = source.size - left if left is not None else source.position + count
        return count


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} cannot be read: {error}; fetch it again") from None
    with archive:
        yield archive


def found_in(path: Path) -> list[Source]:
    """Return what a file holds: itself, or the members of a zip. Raises UserError for an empty one."""
    if not is_zip(path):
        return [Source(path)]
    with _archive(path) as archive:
        members = [
            member
            for member in archive.infolist()
            if not member.is_dir() and not member.filename.startswith("__MACOSX/") and member.file_size
        ]
    if not members:
        raise UserError(f"{path} is an empty zip: there is nothing to import in it; fetch it again")
    return [Source(path, member, len(members) > 1) for member in members]


def files_of(paths: Sequence[Path]) -> list[tuple[Path, bool]]:
    """Return files, and those in folders, sorted; each with whether a person named it. Raises UserError."""
    found: dict[Path, bool] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            if not inside:
                raise UserError(f"the folder {path} holds no files: there is nothing to import")
            for file in inside:
                found.setdefault(file, False)
        elif path.exists():
            found[path] = True
        else:
            raise UserError(f"there is no file {path}")
    return list(found.items())


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
