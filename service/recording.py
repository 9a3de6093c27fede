"""Recording: the inputs of a session, in their order, as a tape that replays it."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import IO

import msgspec

from actors.core import CoreSettings, Input
from service.errors import UserError
from service.settings import as_layer
from service.tapes import SettingsRecorded


class Recorder:
    """Writes the effective settings first, then every input, before it is fed to the core.

    It is JSON Lines, compressed if the name ends in .gz. Lines wait in memory for `flush`, which is called a few times
    a second: off the tick path, and soon enough for whoever reads along. What was flushed is with the system, also of
    a compressed one, so that a bot that is killed loses no more than what waits.
    """

    def __init__(self, path: Path, settings: CoreSettings, strategy: str | None, book: str = "") -> None:
        self.failed = ""  # why the recording stopped, if it did
        self.written = 0  # inputs that are in the file for certain
        self.lost = 0  # inputs that came after that
        self._path = path
        self._encode = msgspec.json.Encoder().encode_lines
        first = SettingsRecorded(as_layer(settings), strategy, version("microbot"), book)
        self._waiting: list[Input] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._raw = create(path, "--record")
        except OSError as error:
            raise UserError(f"--record {path} cannot be written: {error.strerror}") from None
        self._file: IO[bytes] = self._raw
        if path.suffix == ".gz":
            self._file = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=1)  # type: ignore[assignment]
        try:
            self._put([first])
        except OSError as error:
            self.discard()
            raise UserError(f"--record {path} cannot be written: {error.strerror}") from None

    def write(self, inputs: Sequence[Input]) -> None:
        """Take inputs that are about to be fed."""
        self._waiting += inputs

    def take_back(self, count: int) -> None:
        """Forget the newest inputs, which were not fed after all; they were written since the last flush."""
        if count:
            del self._waiting[-count:]

    def flush(self) -> None:
        """Write down what waits. A full disk ends the recording, not the trading; `failed` says so."""
        waiting, self._waiting = self._waiting, []
        if waiting and not self.failed:
            try:
                self._put(waiting)
            except (OSError, OverflowError, ValueError) as error:
                why = getattr(error, "strerror", None) or error
                self.failed = f"the recording {self._path} stopped after {self.written:,} inputs: {why}"
            else:
                self.written += len(waiting)
                return
        self.lost += len(waiting)

    def _put(self, lines: Sequence[Input | SettingsRecorded]) -> None:
        self._file.write(self._encode(lines))
        self._file.flush()

    def close(self) -> None:
        """Write what waits and close the file."""
        if self._raw.closed:
            return
        self.flush()
        for file in (self._file, self._raw):
            try:
                file.close()
            except OSError as error:
                self.failed = self.failed or f"the recording {self._path} was cut short: {error.strerror}"

    def discard(self) -> None:
        """Close and remove the file: the session that it was to record did not even start."""
        self.close()
        if self._path.is_file():
            self._path.unlink()


def create(path: Path, option: str) -> IO[bytes]:
    """Open a new file to write; a device or a pipe may be there. Raises UserError for a file that is, and OSError."""
    try:
        return path.open("xb")
    except FileExistsError:
        if path.is_file():
            raise UserError(f"{option} {path} is there already: choose another name, or remove it") from None
        return path.open("wb")
