"""Cells of a sweep: what one choice of settings decides on one tape, as numbers in columns, kept in Parquet."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import actors
import pipeline
import research.engine as engines
from research.engine.decided import COUNTS, TRADE_FIELDS, Decided, of_outcomes
from research.engine.port import Engine, InColumns
from research.workers.shipping import digest_of
from service import settings as settings_
from service.errors import UserError, make_folder, writing
from service.locking import try_lock
from service.recorded import tapes
from service.settings import Settings
from service.version import VERSION

if TYPE_CHECKING:
    import pyarrow as pa

_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_PART = "part-"


class Task(msgspec.Struct, frozen=True):
    """A part of a sweep that a worker does: a tape and some of the settings, each with its cell's key."""

    tape: Any  # a Path, or what `Workers.ship` made of one
    engine: Engine
    settings: tuple[Settings, ...]
    keys: tuple[str, ...]


def decided(task: Task) -> Cells:
    """Decide a task; this is what runs in a worker. Raises UserError as the engine does."""
    tape = task.tape if isinstance(task.tape, Path) else task.tape.path()
    if isinstance(task.engine, InColumns):
        parts = task.engine.decide_in_columns(tape, task.settings)
    else:
        parts = [of_outcomes(range(len(task.keys)), task.engine.decide(tape, task.settings))]
    found = Cells.joined(Cells.of([task.keys[at] for at in part.settings], part) for part in parts)
    return found.taken(task.keys)


class Cells:
    """Cells in columns: `cells` has a row each, `trades` the trades of all, in the order of the cells."""

    def __init__(self, cells: pa.Table, trades: pa.Table) -> None:
        self.cells = cells
        self.trades = trades

    @classmethod
    def of(cls, keys: Sequence[str], found: Decided) -> Cells:
        """Make cells of what was decided, with a key for each."""
        import pyarrow as pa

        cells = pa.table({"key": keys, **found.counts}, schema=cell_schema())
        return cls(cells, pa.table(found.trades, schema=trade_schema()))

    def by_key(self) -> Iterator[tuple[str, dict[str, Any], pa.Table]]:
        """Yield of each cell its key, its counts and its trades."""
        start = 0
        for row in self.cells.to_pylist():
            yield row["key"], row, self.trades.slice(start, row["trades"])
            start += row["trades"]

    @classmethod
    def joined(cls, parts: Iterable[Cells]) -> Cells:
        """Put parts together, in their order."""
        import pyarrow as pa

        found = list(parts)
        cells = pa.concat_tables([part.cells for part in found]) if found else cell_schema().empty_table()
        trades = pa.concat_tables([part.trades for part in found]) if found else trade_schema().empty_table()
        return cls(cells.combine_chunks(), trades.combine_chunks())

    def taken(self, keys: Sequence[str]) -> Cells:
        """Return the cells of these keys, in their order. Raises KeyError for one that is not here."""
        import numpy as np

        where = {key: row for row, key in enumerate(self.cells["key"].to_pylist())}
        rows = np.array([where[key] for key in keys], dtype=np.int64)
        counts = self.cells["trades"].to_numpy()
        if len(rows) == len(counts) and (rows == np.arange(len(rows))).all():
            return self
        starts = np.cumsum(counts) - counts
        mine = counts[rows]
        firsts = np.repeat(starts[rows] - (np.cumsum(mine) - mine), mine)
        return Cells(self.cells.take(rows), self.trades.take(firsts + np.arange(int(mine.sum()))))


@cache
def cell_schema() -> pa.Schema:
    """Return the columns of `Cells.cells`."""
    import pyarrow as pa

    counts = (*COUNTS, "trades", "open", "failures")
    return pa.schema([("key", pa.string()), *((name, pa.int64()) for name in counts)])


@cache
def trade_schema() -> pa.Schema:
    """Return the columns of `Cells.trades`: times in ns since 1970, UTC, money in the symbol's currency."""
    import pyarrow as pa

    words, times = {"symbol", "side", "exit_reason"}, {"entry_ts", "exit_ts"}
    kinds = {name: pa.string() if name in words else pa.int64() if name in times else pa.float64()
             for name in TRADE_FIELDS}  # fmt: skip
    return pa.schema(list(kinds.items()))


class Store:
    """The cells that a folder keeps, a pair of Parquet files a part, so that a sweep that was killed goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with writing(f"the folder {folder}"):
            make_folder(folder / "cells")
        self._next = 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only sweep that reads and keeps cells here. Raises UserError if another one is at it."""
        with ExitStack() as stack:
            with writing(f"the folder {self.folder}"):
                lock = stack.enter_context((self.folder / "cells" / "lock").open("ab"))
            if not try_lock(lock.fileno()):
                raise UserError(
                    f"another sweep is at work in {self.folder}: wait until it is done, or keep this one elsewhere "
                    "(--out DIR)"
                )
            yield

    def read(self) -> Cells:
        """Return all the cells that are there, each once.

        A part that was being written when the sweep was killed, one of another form, and one that is damaged or whose
        trades are not those of its cells, are passed over.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        parts, known = [], set()
        for path in sorted((self.folder / "cells").glob(f"{_PART}*.cells.parquet")):
            self._next = max(self._next, int(path.name.removeprefix(_PART).partition(".")[0]) + 1)
            try:
                part = Cells(pq.read_table(path), pq.read_table(_trades_of(path)))
            except (pa.ArrowException, OSError):
                continue
            if not (part.cells.schema.equals(cell_schema()) and part.trades.schema.equals(trade_schema())):
                continue
            if sum(part.cells["trades"].to_pylist()) != len(part.trades):
                continue
            fresh = [key for key in part.cells["key"].to_pylist() if key not in known]
            known |= set(fresh)
            parts.append(part.taken(fresh))
        return Cells.joined(parts)

    def add(self, cells: Cells) -> None:
        """Keep cells, whole or not at all. Raises UserError where the disk is full."""
        path = self.folder / "cells" / f"{_PART}{self._next:06}.cells.parquet"
        self._next += 1
        write_table(_trades_of(path), cells.trades)
        write_table(path, cells.cells)  # last: a part counts once this is there


def _trades_of(path: Path) -> Path:
    return path.with_name(path.name.replace(".cells.", ".trades."))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, whole or not at all: the same table gives the same bytes. Raises UserError."""
    import pyarrow.parquet as pq

    beside = path.with_name(path.name + ".tmp")
    with writing(f"the file {path}"):
        pq.write_table(table, beside, compression="zstd")
        os.replace(beside, path)


# --------------------------------------------------------------------------------------------------- keys


def tape_digest(tape: Path) -> str:
    """Return what a tape's content is, in hex: SHA-256 of its file, or of those of all its files."""
    digests = [digest_of(path) for path in tapes.files_of(tape)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


@cache
def code_digest() -> str:
    """Return a digest of the code that decides, so that cells of another version are never taken for this one's."""
    found = hashlib.sha256(VERSION.encode())
    for package in (pipeline, actors, engines):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            found.update(str(path.relative_to(root)).encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def base_key(tape: str, engine: str, strategy: str) -> str:
    """Return what all cells of a tape (by its digest) share, for `cell_key`."""
    return hashlib.sha256("\n".join((tape, engine, strategy, code_digest())).encode()).hexdigest()


def cell_key(base: str, settings: Settings) -> str:
    """Return a cell's key: tape, settings that decide, strategy's code, engine and version give it."""
    layer: Mapping[str, Any] = settings_.as_layer(settings.core)
    return hashlib.sha256(base.encode() + _encode(layer)).hexdigest()[:32]
