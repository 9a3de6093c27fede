"""Rows on their way into a tape: tables of the columns of a tape, with what a print's conditions make of it beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from actors.engine.core import Input
from pipeline.events import Trade
from pipeline.venues.conditions import PrintKind, kind_of
from pipeline.venues.dialect import Event, VolumeOnly
from service.recorded import columnar
from service.recorded.columnar import CLOCK, OTHER, QUOTE, TRADE

Numbers = npt.NDArray[Any]
"""A column of numbers."""

PRINT = "print"
"""The column beside those of a tape: the place of a `PrintKind` in its list, or null where conditions say nothing."""

UNKNOWN = 16
"""Added to `PRINT` where one of the codes stands in no table."""

COUNTED = 32
"""Added to `PRINT` where a dialect has counted the print."""

PRINT_KINDS = tuple(PrintKind)

_TAQ = 4  # characters of a field of conditions, each a code


@cache
def schema() -> pa.Schema:
    """Return the columns of a tape, and PRINT."""
    return columnar.schema().append(pa.field(PRINT, pa.int8()))


def table(kind: int | Numbers, symbol: str | pa.Array | None, ts: Numbers | pa.Array, **columns: Any) -> pa.Table:
    """Make rows; `symbol` is one for all or one each, and columns that are not given are left out: they are null.

    `ts` is int64 in ns. NumPy's NaN becomes null.
    """
    count = len(ts)
    made: dict[str, Any] = {
        "kind": pa.array(np.full(count, kind, np.int8) if isinstance(kind, int) else kind, pa.int8()),
        "symbol": _symbols(symbol, count),
        "ts": ts if isinstance(ts, pa.Array | pa.ChunkedArray) else pa.array(ts, pa.int64()),
    }
    for field in schema():
        if field.name in made:
            continue
        if (value := columns.pop(field.name, None)) is not None:
            made[field.name] = _column(value, field.type)
    assert not any(value is not None for value in columns.values()), columns
    return pa.table(made)


def _column(value: Any, kind: pa.DataType) -> Any:
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value if value.type == kind else value.cast(kind)
    return pa.array(value, kind, from_pandas=bool(np.isnan(value).any()))


def _symbols(symbol: Any, count: int) -> Any:
    wanted = pa.dictionary(pa.int32(), pa.string())
    if symbol is None:
        return pa.nulls(count, wanted)
    if isinstance(symbol, str):
        return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([symbol], pa.string()))
    if isinstance(symbol, pa.ChunkedArray):
        symbol = symbol.combine_chunks()
        if isinstance(symbol, pa.ChunkedArray):
            symbol = pa.concat_arrays(symbol.chunks) if symbol.num_chunks else pa.array([], pa.string())
    return symbol if pa.types.is_dictionary(symbol.type) else symbol.cast(pa.string()).dictionary_encode()


def of_events(events: Iterable[Event | Input | bytes], *, prints: bool = False) -> pa.Table:
    """Make rows of events, in their order.

    With `prints`, a `VolumeOnly` is a print whose size is added to the next tick.
    """
    given = list(events)
    found: list[int | None] = []
    if prints:
        volume = PRINT_KINDS.index(PrintKind.VOLUME) + COUNTED
        found = [volume if isinstance(event, VolumeOnly) else None for event in given]
        given = [_as_print(event) if isinstance(event, VolumeOnly) else event for event in given]
    made = pa.Table.from_batches([columnar.rows_of(given)])  # type: ignore[arg-type]  # no Undone is among them
    return made.append_column(schema().field(PRINT), pa.array(found, pa.int8())) if prints else made


def _as_print(event: VolumeOnly) -> Any:
    return Trade(event.symbol, event.ts, 1.0, event.size, None, None, event.id)


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Put rows one behind the other, in one piece, whose symbols have one dictionary."""
    whole = pa.concat_tables(tables, promote_options="default") if len(tables) > 1 else tables[0]
    return whole.unify_dictionaries().combine_chunks()


def numbers(rows: pa.Table, name: str) -> Numbers:
    """Return a column as NumPy's; null is NaN in numbers, and 0 in whole ones. One that is missing is null."""
    if name not in rows.column_names:
        return np.full(len(rows), np.nan)
    column = rows.column(name)
    if pa.types.is_integer(column.type) and column.null_count:
        column = pc.fill_null(column, 0)
    found: Numbers = column.chunk(0).to_numpy(zero_copy_only=False) if column.num_chunks == 1 else column.to_numpy()
    return found


def codes(rows: pa.Table) -> tuple[Numbers, list[str]]:
    """Return each row's symbol as an index of the names beside them; -1 for none."""
    column = rows.column("symbol")
    if column.num_chunks > 1:
        column = column.unify_dictionaries()
    chunks = column.chunks
    if not chunks:
        return np.zeros(0, np.int32), []
    found = [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in chunks]
    return np.concatenate(found) if len(found) > 1 else found[0], chunks[0].dictionary.to_pylist()


def groups(codes: Numbers, among: Numbers | None = None) -> Iterator[tuple[int, Numbers]]:
    """Give each code with the places where it stands, in order; only of those that are `among`. O(n log n)."""
    places = np.arange(len(codes)) if among is None else np.flatnonzero(among)
    if not len(places):
        return
    chosen = codes[places]
    order = np.argsort(chosen, kind="stable")
    chosen, places = chosen[order], places[order]
    edges = np.flatnonzero(chosen[1:] != chosen[:-1]) + 1
    for start, end in pairwise([0, *edges.tolist(), len(chosen)]):
        yield int(chosen[start]), places[start:end]


def parted(text: str) -> list[str]:
    """Return the codes of a text.

    >>> parted("@,F"), parted("@F I"), parted("14 41")
    (['@', 'F'], ['@', 'F', 'I'], ['14', '41'])
    """
    codes = text.replace(",", " ").split()
    if "," in text or len(text) > _TAQ or any(character.isdigit() for character in text):
        return codes
    return [character for code in codes for character in code]


def kinds_of_prints(conditions: pa.Array, tape: str, translate: Any = None) -> tuple[pa.Array, pa.Array]:
    """Return what prints are by their conditions, and their codes joined by commas.

    Each distinct text is looked at once. `translate` makes a list of codes of a text; without it, codes are parted by
    commas or blanks, or are the characters of a field of up to four, as in TAQ. Null, and no codes, say nothing.
    """
    encoded = conditions.dictionary_encode() if not pa.types.is_dictionary(conditions.type) else conditions
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.chunk(0)
    made: list[int | None] = []
    texts: list[str | None] = []
    for text in encoded.dictionary.to_pylist():
        found = translate(text) if translate else parted(str(text))
        if not found:
            made.append(None)
            texts.append(None)
            continue
        kind, unknown = kind_of(tape, found)
        made.append(PRINT_KINDS.index(kind) + (UNKNOWN if unknown else 0))
        texts.append(",".join(found))
    return pa.array(made, pa.int8()).take(encoded.indices), pa.array(texts, pa.string()).take(encoded.indices)


__all__ = ["CLOCK", "OTHER", "QUOTE", "TRADE", "codes", "joined", "kinds_of_prints", "numbers", "of_events", "table"]
