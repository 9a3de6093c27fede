"""CSV and Parquet of any kind: a map from our names of columns to theirs, or names that speak for themselves."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from research.importing import rows, times
from research.importing.csv_rows import (
    Form,
    Piece,
    floats,
    pieces,
    sound,
    without_symbol,
    wrong_quotes,
    wrong_trades,
)
from research.importing.notes import SKIPPED, Notes, Options, Unit
from research.importing.rows import QUOTE, TRADE, Numbers
from research.importing.sources import BLOCK, Block, Source
from service.errors import UserError

OURS = ("ts", "price", "size", "symbol", "bid", "ask", "bid_size", "ask_size", "id", "conditions")
"""What a column may be to a tape."""

_TEXTS = ("symbol", "id", "conditions")
_NAMES: dict[str, tuple[str, ...]] = {
    "ts": (
        "ts",
        "timestamp",
        "time",
        "datetime",
        "date_time",
        "ts_event",
        "t",
        "participant_timestamp",
        "sip_timestamp",
    ),
    "price": ("price", "px", "last", "last_price", "trade_price", "p"),
    "size": ("size", "qty", "quantity", "volume", "amount", "vol", "last_size", "sz", "trade_size", "q", "v"),
    "symbol": ("symbol", "ticker", "sym", "instrument", "sym_root", "s"),
    "bid": ("bid", "bid_price", "best_bid", "bid_px", "bidprice", "best_bid_price"),
    "ask": ("ask", "ask_price", "best_ask", "ask_px", "askprice", "offer", "best_ask_price"),
    "bid_size": ("bid_size", "bidsize", "bid_qty", "bid_sz", "bid_amount", "best_bid_size", "best_bid_qty"),
    "ask_size": ("ask_size", "asksize", "ask_qty", "ask_sz", "ask_amount", "best_ask_size", "best_ask_qty"),
    "id": ("id", "trade_id", "tradeid"),
    "conditions": ("conditions", "condition", "sale_condition"),
}
"""What columns are called, in small letters: the first that is there is taken."""

_TIMES = (
    pa.types.is_timestamp,
    pa.types.is_date,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
)
_BYTES_OF_ROW = 32  # about
_LOOKED_AT = 200  # rows by which the form of times is told
_NUMERIC = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


def guessed(names: Sequence[str]) -> dict[str, str]:
    """Return which of a file's columns is which of ours, by their names."""
    theirs = {name.strip().strip('"').lower().replace(" ", "_"): name for name in reversed(names)}
    return {
        ours: theirs[name] for ours, known in _NAMES.items() if (name := next((n for n in known if n in theirs), ""))
    }


def suffices(columns: Mapping[str, str]) -> bool:
    """Whether columns make trades or quotes."""
    return "ts" in columns and ({"price", "size"} <= columns.keys() or {"bid", "ask"} <= columns.keys())


def delimiter_of(line: str) -> str:
    """Return what parts the fields of a row; empty for a line that is no row."""
    counts = {mark: line.count(mark) for mark in ",;\t|"}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else ""


def fields(line: str, delimiter: str) -> list[str]:
    """Return the fields of a row."""
    return next(csv.reader(io.StringIO(line), delimiter=delimiter), [])


def has_header(first: Sequence[str]) -> bool:
    """Whether a first row names columns: none of its fields is a number."""
    return bool(first) and not any(_NUMERIC.fullmatch(field) for field in first) and any(f.strip() for f in first)


def parse_map(text: str) -> dict[str, str]:
    """Read ts=time,price=px. Raises UserError."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        ours, mark, theirs = part.partition("=")
        if not mark or not theirs.strip():
            raise UserError(f"--columns wants OURS=THEIRS, as ts=time,price=px,size=qty, not {part}")
        if ours.strip() not in OURS:
            raise UserError(f"--columns knows no column {ours.strip()}: those of a tape are {', '.join(OURS)}")
        found[ours.strip()] = theirs.strip()
    return found


def chosen(label: str, names: Sequence[str], options: Options, header: bool) -> dict[str, str]:
    """Return which column is which, as a person said or by their names. Raises UserError."""
    found = guessed(names) if header else {}
    for ours, theirs in options.columns.items():
        if theirs == "-" and theirs not in names:
            found.pop(ours, None)
            continue
        name = theirs
        if theirs not in names and theirs.isdecimal() and 0 < int(theirs) <= len(names):
            name = names[int(theirs) - 1]
        if name not in names:
            raise UserError(f"{label} has no column {theirs}: it has {', '.join(names)}")
        found[ours] = name
    for ours, theirs in found.items():
        if (twice := next((other for other in found if other != ours and found[other] == theirs), "")) != "":
            raise UserError(f"{label}: the column {theirs} cannot be {ours} and {twice}: name another one in --columns")
    if not suffices(found):
        has = f"its columns are {', '.join(names)}" if header else f"it has {len(names)} columns without names"
        what = "ts=NAME,price=NAME,size=NAME" if header else "ts=1,price=2,size=3, by their numbers"
        raise UserError(f"{label}: which columns are a trade's (or bid and ask a quote's)? say --columns {what}; {has}")
    if "symbol" not in found and not options.symbol:
        raise UserError(f"{label} does not say which symbol it is of: --symbol NAME, or --columns symbol=NAME")
    return found


def read_csv(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read CSV. Raises UserError where it cannot be told which column is which."""
    lines = [
        line for line in source.head.decode("utf-8", "replace").removeprefix("\ufeff").splitlines() if line.strip()
    ]
    if len(lines) > 1:
        lines = lines[: _LOOKED_AT if len(lines) > _LOOKED_AT else len(lines)]
    delimiter = delimiter_of(lines[0]) if lines else ""
    if not delimiter:
        raise UserError(f"{source.label} is no CSV: its first line has no comma, semicolon, tab or |")
    first = fields(lines[0], delimiter)
    header = has_header(first)
    names = [name.strip() for name in first] if header else [str(place) for place in range(1, len(first) + 1)]
    columns = chosen(source.label, names, options, header)
    sample = [fields(line, delimiter) for line in lines[header:]]
    place = names.index(columns["ts"])
    stamps = [row[place].strip() for row in sample if len(row) > place and row[place].strip()]
    example = next(iter(stamps), "")
    if not example:
        return
    try:
        kind = times.kind_of(example, stamps)
    except ValueError:
        raise UserError(
            f"{source.label}: the time {example} is none that is read: a number since 1970, or 2024-08-08T12:00:00.123Z"
        ) from None
    types: dict[str, Any] = {
        theirs: kind if ours == "ts" else pa.string() if ours in _TEXTS else pa.float64()
        for ours, theirs in columns.items()
    }
    convert = _Convert(source, options, notes, columns, kind, example)
    for piece in pieces(source, Form(names, types, header, delimiter), notes):
        yield convert(piece)


def read_parquet(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read Parquet of any columns. Raises UserError where it cannot be told which column is which."""
    try:
        file = pa.parquet.ParquetFile(source.path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{source.path} cannot be read: it is damaged, or not whole ({error})") from None
    with file:
        columns = chosen(source.label, file.schema_arrow.names, options, header=True)
        convert: _Convert | None = None
        done = 0
        for batch in _batches(source, file, list(dict.fromkeys(columns.values()))):
            table = pa.Table.from_batches([batch])
            table = pa.table({name: _plain(table.column(name)) for name in table.column_names})
            if convert is None:
                times_ = table.column(columns["ts"]).drop_null()
                if not len(times_):
                    continue
                example = str(times_[0].as_py())
                table = _timed(table, columns["ts"], example, source)
                convert = _Convert(source, options, notes, columns, table.column(columns["ts"]).type, example)
            else:
                table = _timed(table, columns["ts"], "", source)
            done += len(batch)
            source.position = source.size * done // max(1, file.metadata.num_rows)
            yield convert(_Rows(table, done - len(batch)))


def _batches(source: Source, file: Any, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    batches = file.iter_batches((source.block or BLOCK) // _BYTES_OF_ROW, columns=names)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{source.path} cannot be read: it is damaged, or not whole ({reason}); fetch it again"
            ) from None
        if batch is None:
            return
        yield batch


class _Rows(Piece):
    """Rows of a file without lines: what is told of one is its number and its values."""

    def __init__(self, table: pa.Table, before: int) -> None:
        super().__init__(table, Block(b"", 0))
        self._before = before

    def where(self, row: int) -> tuple[int, bytes]:
        values = self.rows.slice(row, 1).to_pylist()[0]
        return self._before + row + 1, ",".join(map(str, values.values())).encode()


def _plain(column: Any) -> Any:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _timed(table: pa.Table, name: str, example: str, source: Source) -> pa.Table:
    """Read times that are texts."""
    column = table.column(name)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return table
    try:
        stamps = column.drop_null()[:_LOOKED_AT].to_pylist()
        column = column.cast(times.kind_of(example or stamps[0], stamps))
    except (ValueError, pa.ArrowException, IndexError):
        raise UserError(
            f"{source.label}: its times cannot be read ({example}): numbers, or 2024-08-08T12:00:00Z"
        ) from None
    return table.set_column(table.column_names.index(name), name, column)


class _Convert:
    """Makes rows of a tape of those of a file."""

    def __init__(
        self,
        source: Source,
        options: Options,
        notes: Notes,
        columns: Mapping[str, str],
        kind: pa.DataType,
        example: str,
    ) -> None:
        self._source, self._options, self._notes, self._columns = source, options, notes, columns
        self._unit: Unit = "ns"
        self._zone = options.timezone or "UTC"
        if not any(test(kind) for test in _TIMES):
            raise UserError(
                f"{source.label}: its column {columns['ts']} holds {kind} ({example}), no dates: name another "
                "one (--columns ts=NAME)"
            )
        if pa.types.is_timestamp(kind):
            if kind.tz is None and not options.timezone:
                notes.say(
                    f"the times of {source.label} have no zone ({example}): they are taken for UTC; "
                    "--timezone America/New_York names another"
                )
        elif not pa.types.is_date(kind):
            self._unit = times.unit_of(example, options.unit, source.label)

    def __call__(self, piece: Piece) -> pa.Table:
        """Convert; what is wrong with a row is noted, and it is left out. Raises UserError."""
        try:
            return self._converted(piece)
        except pa.ArrowException as error:
            has = ", ".join(f"{theirs} ({piece.column(theirs).type})" for theirs in self._columns.values())
            reason = (str(error).splitlines() or [""])[0]
            raise UserError(
                f"{self._source.label}: its columns hold no trades or quotes: {reason}; they are {has}; name others "
                "(--columns OURS=NAME, and conditions=- for none)"
            ) from None

    def _converted(self, piece: Piece) -> pa.Table:
        column = piece.column(self._columns["ts"])
        ts = times.ns(column, self._unit, self._zone)
        given = {
            name: floats(piece.column(theirs)) for name, theirs in self._columns.items() if name not in (*_TEXTS, "ts")
        }
        texts = {name: piece.column(self._columns[name]).cast(pa.string()) for name in _TEXTS if name in self._columns}
        kind, wrong = self._kinds(ts, given)
        is_local = pa.types.is_timestamp(column.type) and column.type.tz is None
        if is_local and times.has_changes(column, self._zone):
            self._tell_of_twice(column)
            wrong = {SKIPPED: times.skipped(column, self._zone)} | wrong
        if "symbol" in texts:
            wrong |= without_symbol(texts["symbol"])
        prints = None
        if "conditions" in texts:
            prints, texts["conditions"] = rows.kinds_of_prints(texts["conditions"], "")
            self._look_at(prints, texts["conditions"])
        symbol = texts.pop("symbol", self._options.symbol)
        made = rows.table(kind, symbol, ts, **given, **texts, print=prints)
        kept = sound(self._source, piece, self._notes, wrong)
        return made if kept is None else made.filter(pa.array(kept))

    def _tell_of_twice(self, column: Any) -> None:
        """Say of times without an offset that they may be of either of two hours."""
        if not self._twice_told and (first := times.twice(column, self._zone)) is not None:
            self._twice_told = True
            self._notes.say(
                f"{self._source.label} has times of the hour that {self._zone} has twice, as clocks are put back "
                f"({first}): all of them are taken for the first of both, so that the second one's are an hour early; "
                "take times with their offset, or in UTC"
            )

    _twice_told = False

    def _look_at(self, prints: pa.Array, conditions: pa.Array) -> None:
        """Raise UserError where conditions are of another form than codes: no print of the file would be a tick."""
        said = conditions.drop_null()
        if self._conditions_known or not len(said):
            return
        self._conditions_known = True
        unknown = np.asarray(prints.drop_null()) & rows.UNKNOWN > 0
        numeric = pa.compute.match_substring_regex(said, "^[0-9]+(,[0-9]+)*$")
        if 2 * int(unknown.sum()) > len(unknown) or pa.compute.all(numeric).as_py():
            raise UserError(
                f"{self._source.label}: its conditions are of a form that is not known ({said[0]}): those of the tapes "
                "are letters, as @ and F I; --columns conditions=- leaves them out, and every print is a tick"
            )

    _conditions_known = False

    def _kinds(self, ts: Numbers, given: dict[str, Numbers]) -> tuple[int | Numbers, dict[str, Numbers]]:
        """Return what rows are, and what is wrong with them: a row without a price is a quote, if it may be one."""
        if "price" not in given:
            return QUOTE, wrong_quotes(ts, given["bid"], given["ask"])
        if not {"bid", "ask"} <= given.keys():
            return TRADE, wrong_trades(ts, given["price"], given["size"])
        quotes = np.isnan(given["price"])
        if not quotes.any():
            for name in ("bid_size", "ask_size"):
                given.pop(name, None)
            return TRADE, wrong_trades(ts, given["price"], given["size"])
        wrong = {reason: rows_ & ~quotes for reason, rows_ in wrong_trades(ts, given["price"], given["size"]).items()}
        for reason, rows_ in wrong_quotes(ts, given["bid"], given["ask"]).items():
            wrong[reason] = wrong.get(reason, np.zeros(len(ts), bool)) | (rows_ & quotes)
        for name in ("bid_size", "ask_size"):
            if name in given:
                given[name] = np.where(quotes, given[name], np.nan)
        return np.where(quotes, QUOTE, TRADE).astype(np.int8), wrong
