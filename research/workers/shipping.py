"""Files for machines that do not see this one's disk: copied once to each, kept there under their digest."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from service.errors import UserError

CHUNK = 32 * 2**20
"""Bytes of a file that travel as one object."""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits. Raises UserError if it cannot be read."""
    with _reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, CHUNK at a time. Raises UserError if it cannot be read."""
    with _reading(path), path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None


def cache_folder() -> Path:
    """Return where copies are kept: `microbot/tapes` in $XDG_CACHE_HOME, or in `~/.cache`. It may be deleted."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "microbot" / "tapes"


class Copied:
    """A file as objects of a cluster; a machine that asks for its path gets a copy of it."""

    def __init__(self, name: str, digest: str, chunks: Sequence[object], fetch: Callable[[object], bytes]) -> None:
        self._name = name
        self._digest = digest
        self._chunks = chunks
        self._fetch = fetch

    def path(self) -> Path:
        """Return the copy, which is made if this machine has none. Raises UserError if it cannot be written.

        It keeps its name, since formats are told by it. Workers of one machine wait for the first of them.
        """
        kept = cache_folder() / self._digest / self._name
        if kept.is_file():
            return kept
        try:
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _alone(kept.parent / ".lock"):
                if not kept.is_file():
                    self._copy(kept)
        except OSError as error:
            raise UserError(f"{kept} cannot be written: {error.strerror or error}") from None
        return kept

    def _copy(self, kept: Path) -> None:
        found = hashlib.sha256()
        folder = Path(tempfile.mkdtemp(dir=kept.parent))
        try:
            with (folder / self._name).open("wb") as file:
                for chunk in self._chunks:
                    data = self._fetch(chunk)
                    found.update(data)
                    file.write(data)
            if found.hexdigest() != self._digest:
                raise UserError(f"{self._name} changed while it was copied to the workers: begin again")
            (folder / self._name).replace(kept)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process of this machine is here; the system lets go of it when this one dies."""
    import fcntl  # what Ray's Linux and macOS workers have

    with lock.open("wb") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield
