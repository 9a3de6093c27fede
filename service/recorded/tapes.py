"""Tapes as files: JSON Lines (plain or .gz), recordings of sessions, columns (Parquet), LOBSTER zips or CSV pairs."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from actors.engine.core import Input
from actors.messages import StrategySource
from pipeline.events import Clock, Quote, Refused, Trade
from pipeline.venues import lobster
from pipeline.venues.jsonl import JsonLines
from pipeline.venues.sale_prints import CONDITIONS, SalePrints, conditions_of
from pipeline.venues.units import other_unit
from service.errors import UserError
from service.recorded import columnar, lines as files
from service.recorded.lines import Lines
from service.recorded.unlike import EXPECTED, describe, shown
from service.settings import Layer

CHUNK = files.CHUNK
LOOKED_AT = 1000
"""Lines, without blank ones, by which it is judged whether a file is a tape."""
MOST_REFUSED = 9
"""So many times as many lines as are events may be refused among them."""
Progress = Callable[[int], None]
"""Told how many bytes of the file have been read so far."""
Say = Callable[[str], None]
"""Told, in one sentence, what a person has to know of a tape that is read all the same."""


MARKETS = "market data"
"""What moves `now` in a recording: trades, quotes and clocks."""


class StrategyWatched(msgspec.Struct, frozen=True):
    """The strategy that a session began with, which may be replaced: its file is another by then."""

    source: StrategySource
    kept: int  # trades and quotes that are kept to warm the next one up, at most


class SettingsRecorded(msgspec.Struct, frozen=True, tag="settings", tag_field="type"):
    """The first line of a recording: the effective settings, and what was traded how."""

    settings: Layer
    strategy: str | None = None  # FILE.py:NAME, where it was not the default
    version: str = ""
    book: str = ""  # what order ids begin with at a broker outside; empty where fills were simulated
    paper_book: str = ""  # what they begin with where fills are simulated, if that is not "paper"
    now: str = ""  # MARKETS: what moves `now`; in a recording that does not say, whatever has a time
    watched: StrategyWatched | msgspec.UnsetType = msgspec.UNSET  # where inputs may replace the strategy
    data_feed: str | msgspec.UnsetType = msgspec.UNSET  # of a venue that has several: "iex", "sip" ...


class SessionEnded(msgspec.Struct, frozen=True, tag="end", tag_field="type"):
    """The last line of a compressed recording that is whole."""

    inputs: int
    first_ts: int  # by the feed's time, ns; 0 if it told none
    last_ts: int


_ENDED = msgspec.json.Decoder(SessionEnded)
_GZIP = b"\x1f\x8b\x08"
_LAST_BYTES = 512  # in which a compressed last line has its place


def ended(path: Path) -> SessionEnded | None:
    """Return what the last line of a compressed recording says; None for one that is torn, or goes on."""
    with files.open_raw(path) as file:
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
    ("orders", "cap_by_account", False),  # what closed a position was for all of it, whatever the account had
    ("orders", "stop_patience_s", None),  # a stop that rested although its price was passed was left where it was
    ("limits", "flatten_late", False),  # hours that became known shortly before the close were those of the next
)
"""Settings that came later, and what stood for them until then."""

_SETTINGS = msgspec.json.Decoder(SettingsRecorded)


class Reader:
    """Decodes the lines of one tape, and remembers what it refused."""

    def __init__(self) -> None:
        self.refused = 0  # lines
        self.first = b""  # of them
        self.why = ""
        # Whatever may be fed is recorded, and comes back.
        self._decoder: JsonLines[Input] = JsonLines(Input, self._note)
        self.line = self._decoder.line
        self._prints = SalePrints()

    def lines(self, lines: Sequence[bytes]) -> list[Input]:
        """Decode lines in order; of prints with conditions, to what these leave of them."""
        text = b"".join(lines)
        # They are a list, and a tape without any has no bracket: to look for that costs 13 ns a line, for the word 45.
        if not self._prints.waiting and (b"[" not in text or CONDITIONS not in text):
            return self._decoder.lines(lines)
        return [event for line in lines for event in self._with_conditions(line)]

    def _with_conditions(self, line: bytes) -> Sequence[Input]:
        event = self._decoder.line(line)
        if not isinstance(event, Trade):
            return [] if event is None else [event]
        if CONDITIONS in line:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                return self._prints.take(event, *conditions_of(line))
        return [self._prints.whole(event)]

    def _note(self, reason: str, line: bytes) -> None:
        if not self.refused:
            self.first, self.why = line, reason
        self.refused += 1


def recorded_settings(path: Path) -> SettingsRecorded | None:
    """Return what the first line of a recording says, blank ones aside; None for any other tape.

    Raises UserError for a recording's first line that cannot be read: other settings would decide otherwise.
    """
    if columnar.is_parquet(path):
        first = columnar.first_line(path)
        return None if first is None else _settings(path, first)
    if _is_lobster(path):
        return None
    with Lines(path, CHUNK) as source:
        for _, line in source.filled():
            return _settings(path, line, torn=source.unfinished)
    return None


def _settings(path: Path, line: bytes, *, torn: bool = False) -> SettingsRecorded | None:
    try:
        found = _SETTINGS.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _BEGINNING.match(line) and not torn:
            raise UserError(f"the settings in the first line of {path} cannot be read: {error}") from None
        return None
    # What a recording does not know, its session did not do: it decides as it did then.
    for section, key, then in _BEFORE:
        found.settings.setdefault(section, {}).setdefault(key, then)
    return found


_BEGINNING = re.compile(rb'\s*\{\s*"type"\s*:\s*"settings"')


def check(path: Path) -> None:
    """Raise UserError, and say what was found, if a file is no tape; its first thousand lines tell.

    It is none if none of its lines is an event, if more than nine times as many are refused as are events, or if all
    their times are of another unit than nanoseconds. A recording is one by its first line, and so is an empty file.
    """
    size(path)  # a missing one is said before anything is read
    if columnar.is_parquet(path):
        columnar.info(path)
        return
    if _is_lobster(path):
        with ExitStack() as stack:
            _lobster(stack, path)
        return
    reader = Reader()
    events = looked_at = 0
    units: set[str] = set()
    first: tuple[int, bytes] | None = None  # line that is no event; its number
    timed: tuple[int, int] | None = None  # first time, and the number of its line
    with Lines(path, CHUNK) as source:
        for number, line in islice(source.filled(), LOOKED_AT):
            if not looked_at and _settings(path, line, torn=source.unfinished) is not None:
                return
            looked_at += 1
            before, event = reader.refused, reader.line(line)
            if event is None or reader.refused > before:
                if first is None or (event is not None and reader.refused == 1):
                    first = number, line
                continue
            events += 1
            if isinstance(event, Trade | Quote | Clock):
                timed = timed or (event.ts, number)
                units.add(other_unit(event.ts))
    whole = looked_at < LOOKED_AT
    if first is not None and (reader.refused > MOST_REFUSED * events or (whole and not events)):
        raise UserError(_none(path, *first, events, reader.refused))
    if timed is not None and len(units) == 1 and "" not in units:
        raise UserError(
            f"the tape {path} has its times in {units.pop()} (line {timed[1]}: {timed[0]}): they must be nanoseconds "
            "since 1970, UTC, with 19 digits"
        )


def _none(path: Path, number: int, line: bytes, events: int, refused: int) -> str:
    many = f"; {events} of its lines are events, {refused} are none" if events else ""
    return f"the tape {path} is none: line {number} is {describe(line)} ({shown(line)}){many}; {EXPECTED}"


def read(path: Path, progress: Progress = lambda _: None, say: Say = lambda _: None) -> Iterator[list[Input]]:
    """Read a tape in batches of events, in their order. Raises UserError if it cannot be read.

    One that breaks off, as the recording of a bot that was killed, is read up to its last whole line, and said to. So
    is how many lines were refused, with the first of them.
    """
    if columnar.is_parquet(path):
        return columnar.events(path, progress)
    return _read_lobster(path, progress) if _is_lobster(path) else _read_lines(path, progress, say)


def files_of(path: Path) -> list[Path]:
    """Return the files that a tape is made of, the named one first: of LOBSTER's pairs the other half too.

    What knows a tape by its content, or copies it, wants all of them.
    """
    if not _is_lobster(path) or files.is_zip(path):
        return [path]
    return [path, *(half for half in _both(path) if half != path and half.is_file())]


def size(path: Path) -> int:
    """Size of the file in bytes, as `progress` counts them. Raises UserError if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        raise UserError(f"there is no tape {path}") from None


def _read_lines(path: Path, progress: Progress, say: Say) -> Iterator[list[Input]]:
    reader = Reader()
    first_refused = 0  # number of its line
    recording: bool | None = None
    torn = False
    with Lines(path, CHUNK) as source:
        while lines := source.batch():
            if recording is None:
                first = next((line for line in lines if line.strip()), None)
                if first is not None:
                    recording = _settings(path, first, torn=source.unfinished) is not None
            if source.unfinished and (recording or source.cut):
                # It is the last one. A recorder ends every line: what cannot be read here was being written.
                torn = isinstance(Reader().line(lines[-1]), Refused)
                lines = lines[:-1] if torn else lines
            before = reader.refused
            yield reader.lines(lines)
            if reader.refused and not before:
                first_refused = source.number + lines.index(reader.first) + 1
            progress(source.position)
        cut = torn or source.cut
    if cut:
        if recording is None:
            raise UserError(f"the tape {path} cannot be read: it breaks off before its first line")
        say(f"the tape {path} ends in mid-stream, as after a kill: it is read up to its last whole line")
    if reader.refused:
        count = "1 line was" if reader.refused == 1 else f"{reader.refused:,} lines were"
        example = f"line {first_refused} is {describe(reader.first)} ({shown(reader.first)})"
        say(f"of the tape {path}, {count} refused; {'it' if reader.refused == 1 else 'the first'}: {example}")


def _read_lobster(path: Path, progress: Progress) -> Iterator[list[Input]]:
    with ExitStack() as stack:
        stream = lobster.events(*_lobster(stack, path))
        while batch := files.guarded(path, lambda: list(islice(stream, 1000))):
            yield list(batch)
        progress(size(path))


_Rows = Callable[[str], Iterator[str]]
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others inflate as much as they like at once


def _lobster(stack: ExitStack, path: Path) -> tuple[lobster.Name, Iterator[str], Iterator[str]]:
    names, rows = _members(stack, path) if files.is_zip(path) else _halves(stack, path)
    pair = _pair(path, names)
    return pair["message"][0], rows(pair["message"][1]), rows(pair["orderbook"][1])


def _members(stack: ExitStack, path: Path) -> tuple[list[str], _Rows]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UserError(f"the tape {path} cannot be read: {error}") from None

    def rows(name: str) -> Iterator[str]:
        member = archive.getinfo(name)
        if member.compress_type not in _METHODS:
            raise UserError(f"the tape {path} cannot be read: {name} is not compressed by deflate")
        file = stack.enter_context(files.guarded(path, lambda: archive.open(member)))
        return files.rows(path, file, min(member.compress_size, size(path)))

    return archive.namelist(), rows


def _halves(stack: ExitStack, path: Path) -> tuple[list[str], _Rows]:
    names = [str(half) for half in _both(path) if half.is_file()]
    return names, lambda name: files.rows(path, stack.enter_context(files.open_raw(Path(name))))


def _both(path: Path) -> list[Path]:
    both = {path.name.replace("_message_", "_orderbook_"), path.name.replace("_orderbook_", "_message_")}
    return sorted(path.with_name(half) for half in both)


def _pair(path: Path, names: list[str]) -> dict[str, tuple[lobster.Name, str]]:
    """Choose the two files of a recording. Raises UserError without them, and for more than one recording."""
    found = [(name, file) for file in sorted(names) if (name := lobster.Name.of(file))]
    pair = {name.kind: (name, file) for name, file in found}
    if pair.keys() != {"message", "orderbook"}:
        raise UserError(
            f"{path} is not a LOBSTER recording: it needs a message and an orderbook CSV, named "
            f"SYMBOL_DATE_startms_endms_(message|orderbook)_LEVELS.csv, and has {', '.join(names[:3]) or 'nothing'}"
        )
    if len(found) > len(pair):
        raise UserError(
            f"{path} holds more than one LOBSTER recording ({', '.join(f for _, f in found[:4])}): part them"
        )
    return pair


def _is_lobster(path: Path) -> bool:
    return lobster.Name.of(path.name) is not None or files.is_zip(path)
