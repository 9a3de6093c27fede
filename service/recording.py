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

    def __init__(self, path: Path, settings: CoreSettings, strategy: str | None) -> None:
        self.failed = ""  # why the recording stopped, if it did
        self._path = path
        self._encode = msgspec.json.Encoder().encode_lines
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            raw = path.open("wb")
        except OSError as error:
            raise UserError(f"--record {path} cannot be written: {error.strerror}") from None
        self._raw = raw
        self._file: IO[bytes] = gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) if path.suffix == ".gz" else raw  # type: ignore[assignment]
        self._waiting: list[Input | SettingsRecorded] = [
            SettingsRecorded(as_layer(settings), strategy, version("microbot"))
        ]

    def write(self, inputs: Sequence[Input]) -> None:
        """Take inputs that are about to be fed."""
        self._waiting += inputs

    def flush(self) -> None:
        """Write down what waits. A full disk ends the recording, not the trading; `failed` says so."""
        waiting, self._waiting = self._waiting, []
        if self.failed or not waiting:
            return
        try:
            self._file.write(self._encode(waiting))
            self._file.flush()
        except (OSError, OverflowError, ValueError) as error:
            self.failed = f"the recording {self._path} stopped: {getattr(error, 'strerror', None) or error}"

    def close(self) -> None:
        """Write what waits and close the file."""
        self.flush()
        try:
            self._file.close()
            self._raw.close()
        except OSError as error:
            self.failed = self.failed or f"the recording {self._path} was cut short: {error.strerror}"
