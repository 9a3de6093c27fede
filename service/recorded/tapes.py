"""Tapes as files: JSON Lines (plain or .gz), recordings of sessions, and LOBSTER zips or CSV pairs."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeVar

import msgspec

from actors.core import Input
from pipeline.events import Refused
from pipeline.venues import lobster
from pipeline.venues.jsonl import JsonLines
from service.errors import UserError
from service.settings import Layer

T = TypeVar("T")

CHUNK = 1 << 16  # bytes read at once; about 600 events
Progress = Callable[[int], None]
"""Told how many bytes of the file have been read so far."""
Say = Callable[[str], None]
"""Told, in one sentence, what a person has to know of a tape that is read all the same."""


MARKETS = "market data"
"""What moves `now` in a recording: trades, quotes and clocks."""


class SettingsRecorded(msgspec.Struct, frozen=True, tag="settings", tag_field="type"):
    """The first line of a recording: the effective settings, and what was traded how."""

    settings: Layer
    strategy: str | None = None  # FILE.py:NAME, where it was not the default
    version: str = ""
    book: str = ""  # what order ids begin with at a broker outside; empty where fills were simulated
    paper_book: str = ""  # what they begin with where fills are simulated, if that is not "paper"
    now: str = ""  # MARKETS: what moves `now`; in a recording that does not say, whatever has a time


class SessionEnded(msgspec.Struct, frozen=True, tag="end", tag_field="type"):
    """The last line of a compressed recording that is whole."""

    inputs: int
    first_ts: int  # venue time, ns; 0 if no input told any
    last_ts: int


_ENDED = msgspec.json.Decoder(SessionEnded)
_GZIP = b"\x1f\x8b\x08"
_LAST_BYTES = 512  # in which a compressed last line has its place


def ended(path: Path) -> SessionEnded | None:
    """Return what the last line of a compressed recording says; None for one that is torn, or goes on."""
    with _open_raw(path) as file:
        file.seek(max(0, size(path) - _LAST_BYTES))
        tail = file.read()
    try:
        return _ENDED.decode(gzip.decompress(tail[tail.rindex(_GZIP) :]))
    except (ValueError, EOFError, OSError, zlib.error, msgspec.MsgspecError):
        return None


_BEFORE: tuple[tuple[str, str, Any], ...] = (
    ("chains", "restarts", 0),  # a strategy that failed stayed so
    ("chains", "counts", "elapsed"),  # its warm-up counted as time without failure
    ("risk", "fallback_stop", None),  # nothing stood under a position whose exits were silent
    ("risk", "fallback_hold_s", None),
)
"""Settings that came later, and what stood for them until then."""

_EVENTS: JsonLines[Input] = JsonLines(Input)  # whatever may be fed is recorded, and comes back
_SETTINGS = msgspec.json.Decoder(SettingsRecorded)


def recorded_settings(path: Path) -> SettingsRecorded | None:
    """Return what the first line of a recording says; None for any other tape."""
    if _is_lobster(path):
        return None
    with ExitStack() as stack:
        file, _ = _inflated(stack, path, _open_raw(path))
        return _settings(_guarded(path, lambda: file.readline(1 << 20)))


def _settings(line: bytes) -> SettingsRecorded | None:
    try:
        found = _SETTINGS.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # What a recording does not know, its session did not do: it decides as it did then.
    for section, key, then in _BEFORE:
        found.settings.setdefault(section, {}).setdefault(key, then)
    return found


def read(path: Path, progress: Progress = lambda _: None, say: Say = lambda _: None) -> Iterator[list[Input]]:
    """Read a tape in batches of events, in their order. Raises UserError if it is none.

    One that breaks off, as the recording of a bot that was killed, is read up to its last whole line, and said to.
    """
    return _read_lobster(path, progress) if _is_lobster(path) else _read_lines(path, progress, say)


def size(path: Path) -> int:
    """Size of the file in bytes, as `progress` counts them. Raises UserError if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        raise UserError(f"there is no tape {path}") from None


def _read_lines(path: Path, progress: Progress, say: Say) -> Iterator[list[Input]]:
    with ExitStack() as stack:
        raw = _open_raw(path)
        file, inflated = _inflated(stack, path, raw)
        recording: bool | None = None
        torn = False
        while lines := _guarded(path, lambda: file.readlines(CHUNK)):
            if recording is None:
                recording = _settings(lines[0]) is not None
            if not lines[-1].endswith(b"\n") and (recording or (inflated is not None and inflated.cut)):
                # It is the last one. A recorder ends every line: what cannot be read here was being written.
                torn = isinstance(_EVENTS.line(lines[-1]), Refused)
                lines = lines[:-1] if torn else lines
            yield _EVENTS.lines(lines)
            progress(raw.tell())
        if torn or (inflated is not None and inflated.cut):
            if recording is None:
                raise UserError(f"the tape {path} cannot be read: it breaks off before its first line")
            say(f"the tape {path} ends in mid-stream, as after a kill: it is read up to its last whole line")


class _Inflated(io.RawIOBase):
    """What a gzip stream holds. One that breaks off ends there, and is `cut`; any other damage raises."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self.cut = False
        self._stream = gzip.GzipFile(fileobj=raw)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read1(len(buffer))  # `read` would lose what it has when it finds the end missing
        except EOFError:
            self.cut = True
            return 0
        buffer[: len(data)] = data
        return len(data)


def _inflated(stack: ExitStack, path: Path, raw: BinaryIO) -> tuple[BinaryIO, _Inflated | None]:
    """Return a file to read lines from, and what inflates it if it is compressed; the stack closes them."""
    stack.enter_context(raw)
    if path.suffix != ".gz":
        return raw, None
    inflated = _Inflated(raw)
    return stack.enter_context(io.BufferedReader(inflated, CHUNK)), inflated


def _read_lobster(path: Path, progress: Progress) -> Iterator[list[Input]]:
    with ExitStack() as stack:
        if path.suffix == ".zip":
            try:
                archive = stack.enter_context(zipfile.ZipFile(path))
            except (OSError, zipfile.BadZipFile) as error:
                raise UserError(f"the tape {path} cannot be read: {error}") from None
            names = archive.namelist()

            def open_member(name: str) -> IO[str]:
                return io.TextIOWrapper(stack.enter_context(archive.open(name)), "ascii")
        else:
            halves = {path.name.replace("_message_", "_orderbook_"), path.name.replace("_orderbook_", "_message_")}
            names = [str(p) for half in halves if (p := path.with_name(half)).is_file()]

            def open_member(name: str) -> IO[str]:
                return stack.enter_context(open(name, encoding="ascii"))

        pair = {found.kind: (found, name) for name in sorted(names) if (found := lobster.Name.of(name))}
        if pair.keys() != {"message", "orderbook"}:
            raise UserError(
                f"{path} is not a LOBSTER recording: it needs a message and an orderbook CSV, named "
                "SYMBOL_DATE_startms_endms_(message|orderbook)_LEVELS.csv"
            )
        name = pair["message"][0]
        halves_open = _guarded(path, lambda: [open_member(pair[kind][1]) for kind in ("message", "orderbook")])
        stream = lobster.events(name, *halves_open)
        while batch := _guarded(path, lambda: list(islice(stream, 1000))):
            yield list(batch)
        progress(size(path))


def _is_lobster(path: Path) -> bool:
    return path.suffix == ".zip" or lobster.Name.of(path.name) is not None


def _open_raw(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise UserError(f"there is no tape {path}") from None
    except OSError as error:
        raise UserError(f"the tape {path} cannot be read: {error.strerror}") from None


def _guarded(path: Path, read: Callable[[], T]) -> T:
    """Read, saying plainly what is wrong with a damaged file (zipfile says RuntimeError of one with a password)."""
    try:
        return read()
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        raise UserError(f"the tape {path} cannot be read: {error}") from None
