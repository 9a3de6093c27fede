"""CSV in blocks of whole lines, converted by pyarrow; where a block has a line that is none, one by one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from research.importing.notes import NO_PRICE, NO_ROW, NO_SIDES, NO_SIZE, NO_SYMBOL, NO_TIME, Notes
from research.importing.rows import Numbers
from research.importing.sources import Block, Source

_PARSED_AT_ONCE = 1 << 20  # bytes; blocks of a file are several, so that all cores have some
_NULLS = ["", "null", "NULL", "None", "nan", "NaN", "NA", "N/A"]


class Form(msgspec.Struct, frozen=True):
    """How the rows of a file are laid out."""

    names: Sequence[str]  # of all columns, in order
    types: Mapping[str, Any]  # pyarrow's, of those that are wanted
    header: bool = False
    delimiter: str = ","


class Piece:
    """Rows that were read together, and where in the file each stood."""

    def __init__(self, rows: pa.Table, block: Block, lines: Numbers | None = None) -> None:
        self.rows = rows
        self._block = block
        self._lines = lines

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def column(self, name: str) -> Any:
        """Return a column by its name."""
        return self.rows.column(name)

    def where(self, row: int) -> tuple[int, bytes]:
        """Return the number of a row's line in the file, and its text."""
        texts = self._block.data.split(b"\n")
        if self._lines is not None:
            number = int(self._lines[row])
            return number, texts[number - self._block.line]
        filled = [place for place, text in enumerate(texts) if text.strip()]
        return self._block.line + filled[row], texts[filled[row]]


def pieces(source: Source, form: Form, notes: Notes) -> Iterator[Piece]:
    """Give a file's rows; what is no row of the form is refused, with its line."""
    header = form.header
    for block in source.blocks():
        if header:
            header = False
            block = _behind_header(block)
        if block.data.strip():
            yield _piece(source, block, form, notes)


def _behind_header(block: Block) -> Block:
    rest, line = block.data, block.line
    while rest:
        first, _, rest = rest.partition(b"\n")
        line += 1
        if first.strip():
            break
    return Block(rest, line)


def _piece(source: Source, block: Block, form: Form, notes: Notes) -> Piece:
    try:
        rows = pa.csv.read_csv(
            pa.BufferReader(block.data),
            pa.csv.ReadOptions(column_names=list(form.names), block_size=_PARSED_AT_ONCE),
            pa.csv.ParseOptions(delimiter=form.delimiter),
            pa.csv.ConvertOptions(
                column_types=dict(form.types),
                include_columns=list(form.types),
                null_values=_NULLS,
                strings_can_be_null=False,  # NA is a symbol
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return _one_by_one(source, block, form, notes)
    rows = rows.combine_chunks()
    for place, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            text = rows.column(place)
            text = pc.utf8_trim_whitespace(text) if b" " in block.data or b"\t" in block.data else text
            rows = rows.set_column(place, field, pc.if_else(pc.equal(text, ""), None, text))
    return Piece(rows, block)


def _one_by_one(source: Source, block: Block, form: Form, notes: Notes) -> Piece:
    """Convert a block that has something in it that does not fit: what does not is refused, and the rest is kept."""
    convert = {name: _converter(kind) for name, kind in form.types.items()}
    places = {name: form.names.index(name) for name in form.types}
    made: dict[str, list[Any]] = {name: [] for name in form.types}
    lines: list[int] = []
    for number, line in enumerate(block.data.split(b"\n"), block.line):
        if not line.strip():
            continue
        try:
            [fields] = csv.reader(io.StringIO(line.decode()), delimiter=form.delimiter)
            if len(fields) != len(form.names):
                raise ValueError
            row = {name: convert[name](fields[place].strip()) for name, place in places.items()}
        except (ValueError, csv.Error, pa.ArrowException):
            notes.refuse(NO_ROW, 1, source.label, number, line)
            continue
        lines.append(number)
        for name, value in row.items():
            made[name].append(value)
    rows = pa.table({name: pa.array(values, form.types[name]) for name, values in made.items()})
    return Piece(rows, block, np.array(lines, np.int64))


def _converter(kind: pa.DataType) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        if pa.types.is_string(kind):
            return text or None
        if text in _NULLS:
            return None
        return pa.array([text]).cast(kind)[0].as_py() if not pa.types.is_timestamp(kind) else _timestamp(text, kind)

    return convert


def _timestamp(text: str, kind: pa.DataType) -> Any:
    return pa.array([text]).cast(kind).cast(pa.int64())[0].as_py()


# ---------------------------------------------------------------------------------------------- what is sound


def sound(source: Source, piece: Piece, notes: Notes, wrong: Mapping[str, Numbers]) -> Numbers | None:
    """Return which rows may be taken, or None for all; the others are refused for the first reason that they have.

    `wrong` says by reason in which rows it is.
    """
    left: Numbers | None = None
    for reason, rows in wrong.items():
        bad = rows if left is None else rows & left
        if not bad.any():
            continue
        count = int(bad.sum())
        notes.refuse(reason, count, source.label, *piece.where(int(bad.argmax())))
        left = ~bad if left is None else left & ~bad
    return left


def wrong_trades(ts: Numbers, price: Numbers, size: Numbers) -> dict[str, Numbers]:
    """Say of trades what is wrong with them, by reason."""
    with np.errstate(invalid="ignore"):
        return {
            NO_TIME: ts <= 0,
            NO_PRICE: ~((price > 0) & (price < np.inf)),
            NO_SIZE: ~((size >= 0) & (size < np.inf)),
        }


def wrong_quotes(ts: Numbers, bid: Numbers, ask: Numbers) -> dict[str, Numbers]:
    """Say of quotes what is wrong with them, by reason. One that is crossed is none of that: it is of the venue."""
    with np.errstate(invalid="ignore"):
        return {NO_TIME: ts <= 0, NO_SIDES: ~((bid > 0) & (ask > 0) & (bid < np.inf) & (ask < np.inf))}


def without_symbol(column: Any) -> dict[str, Numbers]:
    """Say which rows have no symbol."""
    missing = pc.or_kleene(pc.is_null(column), pc.equal(column, ""))
    found: Numbers = np.asarray(pc.fill_null(missing, True))
    return {NO_SYMBOL: found}


def floats(column: Any) -> Numbers:
    """Return a column of numbers; NaN where there is none."""
    column = column.cast(pa.float64())
    found: Numbers = column.chunk(0).to_numpy(zero_copy_only=False) if column.num_chunks == 1 else column.to_numpy()
    return found
