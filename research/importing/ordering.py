"""Rows of several files in one order, in bounded memory.

What is sorted by time, or nearly, is merged as it is read. What is not, as the pages of a history that come symbol by
symbol, is sorted in runs of a million rows, which are kept beside the tape until they are merged.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from research.importing import rows
from research.importing.notes import Notes
from research.importing.rows import Numbers

RUN = 1_000_000
"""Rows of a sorted run."""

_BATCH = 4096  # rows of a run that can be read apart
MOST_OPEN = 200
"""Files that are read at once; of more, the rows are sorted apart."""

_HELD = 1 << 19  # rows of all runs together that are held at once, at least

Tables = Iterator[pa.Table]


class Disordered(Exception):
    """Rows lie further apart from their place than can be mended while they are read: they have to be sorted apart."""


class Keyed(NamedTuple):
    """Rows, and by which time each is merged; the times only grow."""

    rows: pa.Table
    key: Numbers


class Stream(NamedTuple):
    """A sequence of rows that is merged with others. Of equal times, those of the lower rank come first."""

    rank: tuple[int, ...]
    first: int  # ns, of its first row
    open: Callable[[], Iterator[Keyed]]


def kept(tables: Tables) -> Iterator[Keyed]:
    """Key rows whose order is a fact, as that of a recording: each by the latest time up to it."""
    latest = 0
    for table in tables:
        if not len(table):
            continue
        key = np.maximum.accumulate(np.maximum(rows.numbers(table, "ts"), latest))
        latest = int(key[-1])
        yield Keyed(table, key)


def in_order(tables: Tables, notes: Notes) -> Iterator[Keyed]:
    """Give rows by time; those that are a little out of it are put in their place, and counted.

    Raises Disordered for rows that are further away than the rows that are read at once.
    """
    held: Keyed | None = None
    given = latest = -1
    for table in tables:
        if not len(table):
            continue
        ts = rows.numbers(table, "ts")
        before, latest = latest, max(latest, int(ts.max()))
        if ts[0] >= before and _sorted(ts):
            if held is not None:
                yield held
                given = int(held.key[-1])
            held = Keyed(table, ts)
            continue
        notes.unordered += int((ts < np.maximum.accumulate(np.maximum(ts, before))).sum())
        whole = by_time(rows.joined([held.rows, table]) if held is not None else table)
        if whole.key[0] < given:
            raise Disordered
        half = len(whole.key) // 2
        if half:
            yield Keyed(whole.rows.slice(0, half), whole.key[:half])
            given = int(whole.key[half - 1])
        held = Keyed(whole.rows.slice(half), whole.key[half:])
    if held is not None:
        yield held


def _sorted(ts: Numbers) -> bool:
    return bool((ts[1:] >= ts[:-1]).all())


def by_time(table: pa.Table) -> Keyed:
    """Sort rows by time; equal ones stay in their order."""
    ts = rows.numbers(table, "ts")
    if _sorted(ts):
        return Keyed(table, ts)
    order = np.argsort(ts, kind="stable")
    return Keyed(table.take(pa.array(order)), ts[order])


# ------------------------------------------------------------------------------------------------- sorted apart


def runs(files: Iterable[Tables], folder: Path, rank: tuple[int, ...], notes: Notes) -> Iterator[Stream]:
    """Sort the rows of files in runs that are kept in `folder`, and give a stream of each.

    Small files share a run: of equal times, rows stay in the order of the files.
    """
    waiting: list[pa.Table] = []
    count = number = 0
    for table in (table for tables in files for table in _counted(tables, notes)):
        waiting.append(table)
        count += len(table)
        if count >= RUN:
            yield _run(waiting, folder, (*rank, number))
            waiting, count, number = [], 0, number + 1
    if waiting:
        yield _run(waiting, folder, (*rank, number))


def _counted(tables: Tables, notes: Notes) -> Tables:
    """Count the rows that stand behind later ones of their file."""
    latest = 0
    for table in tables:
        if not len(table):
            continue
        ts = rows.numbers(table, "ts")
        notes.unordered += int((ts < np.maximum.accumulate(np.maximum(ts, latest))).sum())
        latest = max(latest, int(ts.max()))
        yield table


def _run(tables: list[pa.Table], folder: Path, rank: tuple[int, ...]) -> Stream:
    whole = by_time(rows.joined(tables))
    path = folder / ("-".join(map(str, rank)) + ".arrow")
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, whole.rows.schema, options=options) as writer:
        writer.write_table(whole.rows, _BATCH)
    return Stream(rank, int(whole.key[0]), lambda: _read_run(path))


def _read_run(path: Path) -> Iterator[Keyed]:
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            table = pa.Table.from_batches([reader.get_batch(number)])
            yield Keyed(table, rows.numbers(table, "ts"))


# ------------------------------------------------------------------------------------------------------ merged


class _Open:
    """A stream that is being merged, and what of it waits."""

    def __init__(self, stream: Stream, held: int) -> None:
        self.rank = stream.rank
        self._rest = stream.open()
        self._held = held  # rows
        self.rows: list[pa.Table] = []
        self.keys: list[Numbers] = []
        self.ended = False

    @property
    def last(self) -> tuple[int, tuple[int, ...]]:
        return int(self.keys[-1][-1]), self.rank

    def fill(self) -> None:
        while not self.ended and sum(map(len, self.keys)) < self._held:
            found = next(self._rest, None)
            if found is None:
                self.ended = True
            else:
                self.rows.append(found.rows)
                self.keys.append(found.key)

    def take(self, bound: int, inclusive: bool) -> list[Keyed]:
        """Take what is before a time, or at it."""
        taken: list[Keyed] = []
        while self.keys:
            key = self.keys[0]
            count = int(np.searchsorted(key, bound, "right" if inclusive else "left"))
            if not count:
                break
            if count == len(key):
                taken.append(Keyed(self.rows.pop(0), self.keys.pop(0)))
                continue
            taken.append(Keyed(self.rows[0].slice(0, count), key[:count]))
            self.rows[0], self.keys[0] = self.rows[0].slice(count), key[count:]
        return taken


def merged(streams: list[Stream], most: int = sys.maxsize) -> Tables:
    """Merge streams by time. One that begins later is opened when its time has come: a file a day costs one at once.

    Raises Disordered where one begins before it said, and later ones were given by then; and where more than `most`
    are to be open at once.
    """
    if len(streams) == 1:
        yield from (found.rows for found in streams[0].open())
        return
    waiting = [(stream.first, stream.rank, place) for place, stream in enumerate(streams)]
    heapify(waiting)
    held = max(1, _HELD // max(1, len(streams)))
    active: list[_Open] = []
    given = -1  # ns: the time up to which all were given
    while waiting or active:
        if not active:
            _activate(heappop(waiting), streams, active, held)
        if len(active) > most:
            raise Disordered
        for stream in active:
            stream.fill()
            if stream.keys and stream.keys[0][0] < given:
                raise Disordered
        active = sorted((stream for stream in active if stream.keys), key=lambda stream: stream.rank)
        if not active:
            continue
        bound, rank = min(stream.last for stream in active)
        if waiting and waiting[0][0] <= bound:
            while waiting and waiting[0][0] <= bound:
                _activate(heappop(waiting), streams, active, held)
            continue
        # What is at the bound itself may go on in what was not read yet: only those of a lower rank are complete.
        yield from _mixed([part for stream in active for part in stream.take(bound, stream.rank <= rank)])
        given = bound


def _activate(due: tuple[int, Any, int], streams: list[Stream], active: list[_Open], held: int) -> None:
    active.append(_Open(streams[due[2]], held))


def _mixed(parts: list[Keyed]) -> Tables:
    if not parts:
        return
    if len(parts) == 1:
        yield parts[0].rows
        return
    key = np.concatenate([part.key for part in parts])
    whole = rows.joined([part.rows for part in parts])
    yield whole if _sorted(key) else whole.take(pa.array(np.argsort(key, kind="stable")))
