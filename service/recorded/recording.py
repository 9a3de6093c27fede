"""Recording: the inputs of a session, in their order, as a tape that replays it."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec
from msgspec import UNSET, UnsetType

from actors.engine.core import CoreSettings, Input
from actors.gateway.file_watch import FileWatch
from pipeline.events import Clock, Quote, Trade
from service.errors import UserError, make_folder, writing
from service.recorded.tapes import MARKETS, SessionEnded, SettingsRecorded, StrategyWatched
from service.settings import as_layer
from service.version import VERSION

_LINES_AT_ONCE = 500  # that are encoded in one go, and so hold up what runs beside it: for some 0.1 ms
_BY_FEED_TIME = (Trade, Quote, Clock)  # the broker's time is another one where the feed is delayed


class Recorder:
    """Writes the effective settings first, then every input: JSON Lines, compressed if the name ends in .gz.

    What was written is with the system, also of a compressed one, so that it can be read along, and a bot that is
    killed loses nothing of it.
    """

    def __init__(
        self,
        path: Path,
        settings: CoreSettings,
        strategy: str | None,
        book: str = "",
        paper_book: str = "",
        watched: StrategyWatched | UnsetType = UNSET,
        data_feed: str | UnsetType = UNSET,
    ) -> None:
        self.failed = ""  # why the recording stopped, if it did
        self.written = 0  # inputs that are in the file for certain
        self.lost = 0  # inputs that came after that
        self.path = path
        self.size = 0  # bytes of the file so far
        self._first_ts = self._last_ts = 0  # of the market data in the file, ns
        self._encode = msgspec.json.Encoder().encode_lines
        first = SettingsRecorded(as_layer(settings), strategy, VERSION, book, paper_book, MARKETS, watched, data_feed)
        with writing(f"--record {path}"):
            make_folder(path.parent)
            self._raw = create(path, "--record")
        self._file: IO[bytes] = self._raw
        self._watch = FileWatch(path)
        if path.suffix == ".gz":
            self._file = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=1)  # type: ignore[assignment]
        with writing(f"--record {path}"):
            try:
                self._put([first])
            except OSError:
                self.discard()
                raise

    def write(self, inputs: Sequence[Input]) -> None:
        """Write inputs down. A full disk ends the recording, not the trading; `failed` says so."""
        if not self.failed:
            try:
                self._put(inputs)
            except (OSError, OverflowError, ValueError) as error:
                why = getattr(error, "strerror", None) or error
                self.failed = f"the recording {self.path} stopped after {self.written:,} inputs: {why}"
            else:
                self.written += len(inputs)
                self._note_times(inputs)
                self._look()
                return
        self.lost += len(inputs)

    def _look(self) -> None:
        """End the recording if its file is gone: nothing of it is left."""
        if not self.failed and (happened := self._watch.look()):
            self.failed = f"the recording {self.path} {happened}"
            self.lost, self.written = self.lost + self.written, 0

    def _put(self, lines: Sequence[Input | SettingsRecorded]) -> None:
        for start in range(0, len(lines), _LINES_AT_ONCE):
            self._file.write(self._encode(lines[start : start + _LINES_AT_ONCE]))
        self._file.flush()
        self.size = self._raw.tell() if self._raw.seekable() else 0

    def _note_times(self, inputs: Sequence[Input]) -> None:
        if not self._first_ts:
            self._first_ts = next((event.ts for event in inputs if isinstance(event, _BY_FEED_TIME)), 0)
        newest = (event.ts for event in reversed(inputs) if isinstance(event, _BY_FEED_TIME))
        self._last_ts = next(newest, self._last_ts)

    def close(self) -> None:
        """Close the file."""
        if self._raw.closed:
            return
        self._look()
        for close in (self._end_stream, self._raw.close):
            try:
                close()
            except OSError as error:
                self.failed = self.failed or f"the recording {self.path} was cut short: {error.strerror}"

    def _end_stream(self) -> None:
        """End a compressed stream; the last record of a whole one is a stream of its own, and read without the rest."""
        if self._file is self._raw:
            return
        self._file.close()
        if not self.failed:
            ended = SessionEnded(self.written, self._first_ts, self._last_ts)
            self._raw.write(gzip.compress(msgspec.json.encode(ended) + b"\n"))

    def discard(self) -> None:
        """Close and remove the file: the session that it was to record did not even start."""
        self.close()
        if self.path.is_file():
            self.path.unlink()


def create(path: Path, option: str) -> IO[bytes]:
    """Open a new file to write; a device or a pipe may be there. Raises UserError for a file that is, and OSError."""
    try:
        return path.open("xb")
    except FileExistsError:
        if path.is_file():
            raise UserError(f"{option} {path} is there already: choose another name, or remove it") from None
        return path.open("wb")
