"""Files that tell of the same: the same content twice, or the same symbol over the same time.

A tape that holds trades twice, or two venues' under one name, looks sound and decides what never was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from pipeline.events import SECOND
from research.importing import rows
from research.importing.notes import Notes
from research.importing.rows import QUOTE, TRADE, Numbers
from research.importing.sources import Source
from service.errors import UserError

EDGE = 60 * SECOND
"""So long two files may overlap at their edges: files of a day are often cut by another clock than that of the rows."""

SHARE = 0.1
"""... and no more than that of the shorter one."""

_CHUNK = 1 << 20  # bytes
_Key = tuple[str, bool]  # symbol, and whether it is quotes


def refuse_same(sources: Sequence[Source]) -> None:
    """Raise UserError for two files that hold the same, however they are compressed.

    Only those that begin alike are read whole.
    """
    alike: dict[bytes, list[Source]] = {}
    for source in sources:
        if source.head.rstrip().count(b"\n"):  # else it is a header at most, which files of quiet days share
            alike.setdefault(hashlib.sha256(source.head).digest(), []).append(source)
    for group in alike.values():
        found: dict[bytes, Source] = {}
        for source in group if len(group) > 1 else ():
            before = found.setdefault(_digest(source), source)
            if before is not source:
                raise UserError(f"{before.label} and {source.label} hold the same: leave one of them out")


def _digest(source: Source) -> bytes:
    made = hashlib.sha256()
    with source.opened() as file:
        while data := source._guarded(lambda: file.read(_CHUNK)):
            made.update(data)
    source.position = 0
    return made.digest()


class Overlaps:
    """Follows, by file, from when to when there are trades and quotes of each symbol."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._spans: dict[_Key, dict[str, tuple[int, int]]] = {}

    def watched(self, tables: Iterator[pa.Table], label: str) -> Iterator[pa.Table]:
        """Give a file's rows. Raises UserError as soon as it is sure that another one tells of the same."""
        for table in tables:
            for key, first, last in _spans(table):
                mine = self._spans.setdefault(key, {})
                before = mine.get(label)
                mine[label] = (min(first, before[0]), max(last, before[1])) if before else (first, last)
                for other, span in mine.items():
                    if other != label and _common(span, mine[label]) > EDGE:
                        raise UserError(_sentence(key, other, label, span, mine[label]))
            yield table

    def finish(self) -> None:
        """Look at what is short, once all is read. Raises UserError."""
        for key, by_label in self._spans.items():
            in_order = sorted(by_label.items(), key=lambda item: item[1])
            for place, (label, span) in enumerate(in_order):
                for other, later in in_order[place + 1 :]:
                    if later[0] > span[1]:
                        break
                    self._pair(key, label, other, span, later)

    def _pair(self, key: _Key, label: str, other: str, span: tuple[int, int], later: tuple[int, int]) -> None:
        common = _common(span, later)
        shorter = min(span[1] - span[0], later[1] - later[0])
        within = span[0] < later[0] and later[1] < span[1]
        if span == later or within or common > SHARE * shorter:
            raise UserError(_sentence(key, label, other, span, later))
        if common > 0:
            self._notes.say(
                f"{label} and {other} overlap by {common / SECOND:.3g} s of {_what(key)}: do their edges hold "
                "the same twice?"
            )


def _common(one: tuple[int, int], other: tuple[int, int]) -> int:
    return min(one[1], other[1]) - max(one[0], other[0])


def _what(key: _Key) -> str:
    return f"{'quotes' if key[1] else 'trades'} of {key[0]}"


def _sentence(key: _Key, label: str, other: str, span: tuple[int, int], later: tuple[int, int]) -> str:
    start = datetime.fromtimestamp(max(span[0], later[0]) // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return (
        f"{label} and {other} both hold {_what(key)} from {start} UTC on: together they would count twice, or be two "
        "markets in one; import one of them, or each into a tape of its own"
    )


def _spans(table: pa.Table) -> Iterator[tuple[_Key, int, int]]:
    """Give when trades, and quotes, of each symbol begin and end in a table."""
    if not len(table):
        return
    kind, ts = rows.numbers(table, "kind"), rows.numbers(table, "ts")
    codes, names = rows.codes(table)
    market = ((kind == TRADE) | (kind == QUOTE)) & (codes >= 0)
    if not market.any():
        return
    place = (codes.astype(np.int64) * 2 + (kind == QUOTE))[market]
    first, last = _edges(place, ts[market], 2 * len(names))
    for found in np.flatnonzero(last >= 0).tolist():
        yield (names[found // 2], bool(found % 2)), int(first[found]), int(last[found])


def _edges(place: Numbers, ts: Numbers, count: int) -> tuple[Numbers, Numbers]:
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, -1, np.int64)
    if (place == place[0]).all():
        first[place[0]], last[place[0]] = ts.min(), ts.max()
    else:
        np.minimum.at(first, place, ts)
        np.maximum.at(last, place, ts)
    return first, last
