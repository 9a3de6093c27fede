"""Import: files of any known format to one tape in columns, checked on the way."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import msgspec
import pyarrow as pa

from pipeline.venues import lobster
from research.importing import own, rows, strangers
from research.importing.checks import Checks
from research.importing.formats import FORMATS, KNOWN, Format, format_of
from research.importing.notes import Notes, Options
from research.importing.ordering import MOST_OPEN, Disordered, Keyed, Stream, Tables, in_order, kept, merged, runs
from research.importing.overlaps import Overlaps, refuse_same
from research.importing.prints import SalePrints
from research.importing.sources import BLOCK, HEAD, Source, files_of, found_in, sha256
from research.importing.times import zone_of
from service.errors import UserError, make_folder, writing
from service.recorded import columnar
from service.recorded.lines import is_zip

Progress = Callable[[int], None]
"""Told how many bytes of all files were read so far."""


_WHOLE = 4  # open files are read in blocks of the usual size; those that are opened beside them in smaller ones


class Piece(msgspec.Struct, frozen=True):
    """A file with its format."""

    source: Source
    format: Format


class Report(msgspec.Struct, frozen=True):
    """What came of an import."""

    pieces: Sequence[Piece]
    tape: Path | None  # None where files were only looked at
    info: columnar.TapeInfo
    checks: Checks
    notes: Notes
    prints: SalePrints


def pieces_of(paths: Sequence[Path], options: Options) -> tuple[list[Piece], list[str]]:
    """Return the files that are to be read, with their formats; and a sentence for each in a folder that is left out.

    Raises UserError for a file that was named and is of no known format, and where nothing is left.
    """
    if options.format and options.format not in FORMATS:
        raise UserError(f"there is no format {options.format}: there are {', '.join(FORMATS)}")
    found: list[Piece] = []
    said: list[str] = []
    strange = ""
    for path, named in files_of(paths):
        for source in _sources(path, found):
            known = FORMATS[options.format] if options.format else format_of(source)
            if known is not None:
                found.append(Piece(source, known))
                continue
            if named and source.member is None:
                raise UserError(strangers.sentence(source))
            strange = strange or strangers.sentence(source)
            said.append(f"{source.label} is left out: it is {strangers.what(source)}")
    if not found:
        raise UserError(strange or f"there is nothing to import; {KNOWN}")
    return found, said


def _sources(path: Path, before: Sequence[Piece]) -> list[Source]:
    """Return what a file holds; a LOBSTER recording is one, whichever of its files is named."""
    name = lobster.Name.of(path.name)
    if name is not None:
        twin = path.name.replace("_message_", "_orderbook_")
        taken = any(piece.source.path.name.replace("_message_", "_orderbook_") == twin for piece in before)
        return [] if taken else [Source(path)]
    if is_zip(path):
        found = found_in(path)
        return [Source(path)] if any(lobster.Name.of(source.name) for source in found) else found
    return [Source(path)]


def run(
    paths: Sequence[Path],
    out: Path | None,
    options: Options,
    show: Callable[[str, int], AbstractContextManager[Progress]] | None = None,
    *,
    replace: bool = False,
) -> Report:
    """Import files into `out`, or only look at them without it.

    Nothing is left behind where it ends early. Raises UserError.
    """
    if out is not None and out.exists() and not replace:
        raise UserError(f"--out {out} is there already: choose another name, or --force replaces it")
    if out is not None and out.suffix != ".parquet":
        raise UserError(f"--out {out}: a tape in columns is called NAME.parquet")
    if options.timezone:
        zone_of(options.timezone)
    pieces, left_out = pieces_of(paths, options)
    if out is not None and any(piece.source.path.resolve() == out.resolve() for piece in pieces):
        raise UserError(f"--out {out} is one of the files that are imported: choose another name")
    refuse_same([piece.source for piece in pieces if not piece.format.named])
    total = sum(piece.source.size for piece in pieces)
    with ExitStack() as stack:
        folder = _Folder(out, stack)
        for sort in (False, True):
            job = _Job(pieces, out, options, left_out, folder if sort else None)
            what = "sorting and importing" if sort else "importing"
            shown = show(f"{what} {_named(pieces)}", total) if show else nullcontext(lambda _: None)
            try:
                with shown as progress:
                    return job.run(progress)
            except Disordered:
                continue
    raise AssertionError("sorted rows are in order")


def _named(pieces: Sequence[Piece]) -> str:
    return pieces[0].source.name if len(pieces) == 1 else f"{len(pieces)} files"


class _Folder:
    """Where sorted runs are kept, beside the tape; made when it is needed, and removed at the end."""

    def __init__(self, out: Path | None, stack: ExitStack) -> None:
        self._beside = out.parent if out is not None else None
        self._stack = stack
        self._path: Path | None = None

    def path(self) -> Path:
        """Return the folder."""
        if self._path is None:
            with writing(f"the folder {self._beside or 'for temporary files'}"):
                if self._beside is not None:
                    make_folder(self._beside)
                self._path = Path(tempfile.mkdtemp(prefix=".import-", dir=self._beside))
            self._stack.callback(shutil.rmtree, self._path, ignore_errors=True)
        return self._path


class _Done:
    """How far it is, in bytes of the files: read and written at once, or first sorted (a half) and then written."""

    def __init__(self, pieces: Sequence[Piece], progress: Progress, *, twice: bool) -> None:
        self._pieces, self._progress, self._twice = pieces, progress, twice
        self._sorted = self._written = 0  # rows

    def sorting(self, tables: Tables) -> Tables:
        """Tell of rows that are read to be sorted."""
        for table in tables:
            yield table
            self._sorted += len(table)
            self._progress(self._read // 2)

    def written(self, rows: int) -> None:
        """Tell of rows that are written."""
        self._written += rows
        if self._twice and self._sorted:
            share = min(1.0, self._written / self._sorted)
            self._progress(round(self._read * (1 + share) / 2))
        else:
            self._progress(self._read)

    @property
    def _read(self) -> int:
        return sum(piece.source.position for piece in self._pieces)


class _Job:
    """One pass over the files."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        out: Path | None,
        options: Options,
        left_out: Sequence[str],
        folder: _Folder | None,
    ) -> None:
        self._pieces, self._out, self._options, self._folder = pieces, out, options, folder
        self._notes = Notes()
        for sentence in left_out:
            self._notes.say(sentence)
        self._checks = Checks()
        self._prints = SalePrints()
        self._overlaps = Overlaps(self._notes)

    def run(self, progress: Progress) -> Report:
        """Read, order and check; write if there is a place to."""
        info = self._info()
        if self._out is None:
            for _ in self._rows(progress):
                pass
            return self._report(self._looked_at(info))
        with writing(f"the tape {self._out}"):
            make_folder(self._out.parent)
        with columnar.TapeWriter(self._out, info) as writer:
            for table in self._rows(progress):
                writer.write(table)
            self._refuse_empty()
            return self._report(writer.finish(self._notes.counts))

    def _looked_at(self, info: columnar.TapeInfo) -> columnar.TapeInfo:
        """Return what a tape would say of itself."""
        found = self._checks.found
        counts = {"trade": sum(one.trades for one in found), "quote": sum(one.quotes for one in found)}
        return msgspec.structs.replace(
            info,
            symbols=tuple(one.symbol for one in found),
            counts=counts,
            first_ts=min((one.first_ts for one in found), default=0),
            last_ts=max((one.last_ts for one in found), default=0),
            refused=self._notes.counts,
        )

    def _report(self, info: columnar.TapeInfo) -> Report:
        self._refuse_empty()
        return Report(self._pieces, self._out, info, self._checks, self._notes, self._prints)

    def _refuse_empty(self) -> None:
        """Raise UserError where not one event was found: such a tape would say nothing."""
        if any(one.trades + one.quotes for one in self._checks.found):
            return
        first = next(iter(self._notes.refused.values()), None)
        why = f": {first.reason} ({first.file}, line {first.line}: {first.example})" if first else ""
        names = ", ".join(dict.fromkeys(piece.format.title for piece in self._pieces))
        raise UserError(f"{_named(self._pieces)} ({names}) holds no trade and no quote{why}")

    def _info(self) -> columnar.TapeInfo:
        zones = list(dict.fromkeys(piece.format.zone(piece.source) for piece in self._pieces))
        scales = {piece.format.scale(piece.source) for piece in self._pieces}
        files = dict.fromkeys(piece.source.path for piece in self._pieces) if self._out is not None else {}
        return columnar.TapeInfo(
            source=", ".join(dict.fromkeys(piece.format.name for piece in self._pieces)),
            files=tuple(columnar.Source(path.name, sha256(path)) for path in files),
            timezone=self._options.timezone or (zones[0] if len(zones) == 1 else "UTC"),
            price_scale=scales.pop() if len(scales) == 1 else 1.0,
        )

    def _rows(self, progress: Progress) -> Tables:
        done = _Done(self._pieces, progress, twice=self._folder is not None)
        for table in merged(list(self._streams(done)), MOST_OPEN if self._folder is None else sys.maxsize):
            made = self._prints.apply(table)
            self._checks.look(made)
            yield made
            done.written(len(table))
        self._overlaps.finish()
        self._checks.finish()
        rest = self._prints.rest()
        if rest is not None:
            yield rest

    def _streams(self, done: _Done) -> Iterator[Stream]:
        apart: tuple[list[Piece], list[Piece]] = ([], [])  # that are sorted: with trades, and quotes alone
        for place, piece in enumerate(self._pieces):
            first, quotes = self._first(piece)
            if self._folder is not None and not piece.format.keeps_order:
                apart[quotes].append(piece)
            else:
                yield Stream((int(quotes), place), first, lambda piece=piece: self._keyed(piece))  # type: ignore[misc]
        for kind, pieces in enumerate(apart):
            if self._folder is not None and pieces:
                place = self._pieces.index(pieces[0])
                files = (done.sorting(self._tables(piece)) for piece in pieces)
                yield from runs(files, self._folder.path(), (kind, place), self._notes)

    def _tables(self, piece: Piece) -> Tables:
        tables = piece.format.read(piece.source, self._options, self._notes)
        if len(self._pieces) == 1:
            return tables
        return self._overlaps.watched(own.market_only(tables, piece.source, self._notes), piece.source.label)

    def _keyed(self, piece: Piece) -> Iterator[Keyed]:
        self._open += 1
        if self._open > _WHOLE:
            piece.source.block = max(HEAD, _WHOLE * BLOCK // self._open)
        tables = self._tables(piece)
        yield from kept(tables) if piece.format.keeps_order else in_order(tables, self._notes)
        self._open -= 1

    _open = 0  # files

    def _first(self, piece: Piece) -> tuple[int, bool]:
        """Return when a file begins, so that it need not be opened before its time has come; and if it has but quotes.

        Of equal times, quotes come behind the trades of other files: a quote of the same millisecond may be later.
        """
        if len(self._pieces) == 1:
            return 0, False
        piece.source.block = HEAD
        tables = piece.format.read(piece.source, self._options, Notes())
        first = next((table for table in tables if len(table)), None)
        tables.close()  # type: ignore[attr-defined]  # it is a generator
        piece.source.block = piece.source.position = 0
        if first is None:
            return 0, False
        quotes = not piece.format.keeps_order and bool((rows.numbers(first, "kind") == rows.QUOTE).all())
        return int(pa.compute.min(first.column("ts")).as_py()), quotes
