"""Our own tapes and recordings, LOBSTER's pairs, and tapes in columns: what the service reads itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
import pyarrow as pa

from actors.engine.core import Input
from pipeline.events import Clock, Gap, PriceBand, Prints, Quote, Refused, Trade, TradingStatus
from research.importing import rows
from research.importing.notes import UNITS, Notes, Options
from research.importing.rows import OTHER
from research.importing.sources import Source
from service.errors import UserError
from service.recorded import columnar, tapes

_AT_ONCE = 20_000  # events that become rows together
_MARKET = (Trade, Quote, Clock, Gap, Refused, TradingStatus, PriceBand, Prints)


def read_tape(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read a tape of JSON Lines, or a recording. Raises UserError for what is none."""
    scale = UNITS[options.unit or "ns"]
    plain = source.member is None and source.path.suffix != ".zst"
    if plain and scale == 1:
        try:
            tapes.check(source.path)
        except UserError as error:
            hints = (f"; --unit {unit} imports it" for unit, name in _NAMED.items() if f"in {name}" in str(error))
            raise UserError(f"{error}{next(hints, '')}") from None
        recorded = tapes.recorded_settings(source.path) is not None
        if recorded:
            yield from _settings(source)
        events = tapes.read(source.path, lambda done: setattr(source, "position", done), notes.say)
    else:
        events = _lines(source)
    for table in _tables(events, source, notes):
        yield table if scale == 1 else _scaled(table, scale)


_NAMED = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def _settings(source: Source) -> Iterator[pa.Table]:
    """Give the first line of a recording as a row: with it the tape is decided as its session was."""
    for _, lines in source.lines():
        first = next((line for line in lines if line.strip()), None)
        if first is not None:
            yield rows.of_events([first])
            return


def _lines(source: Source) -> Iterator[list[Input]]:
    reader = tapes.Reader()
    for _, lines in source.lines():
        yield reader.lines(lines)


def _tables(batches: Iterable[list[Input]], source: Source, notes: Notes) -> Iterator[pa.Table]:
    waiting: list[Input] = []
    for batch in batches:
        for event in batch:
            if isinstance(event, Refused):
                notes.refuse(event.reason, event.count, source.label)
        waiting += batch
        if len(waiting) >= _AT_ONCE:
            yield rows.of_events(waiting)
            waiting = []
    if waiting:
        yield rows.of_events(waiting)


def _scaled(table: pa.Table, scale: int) -> pa.Table:
    ts = pa.array(rows.numbers(table, "ts") * scale)
    return table.set_column(table.column_names.index("ts"), table.schema.field("ts"), ts)


def read_lobster(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read a LOBSTER recording: a zip, or either CSV of a pair."""
    yield from _tables(
        tapes.read(source.path, lambda done: setattr(source, "position", done), notes.say), source, notes
    )


def read_columnar(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read a tape in columns."""
    info = columnar.info(source.path)
    done = 0
    for batch in columnar.batches(source.path, rows=1 << 18):
        done += len(batch)
        source.position = source.size * done // max(1, info.rows)
        yield pa.Table.from_batches([batch])


def market_only(tables: Iterable[pa.Table], source: Source, notes: Notes) -> Iterator[pa.Table]:
    """Leave out what a session said to itself: its settings, its orders, its commands. They are of no other tape."""
    decoder = msgspec.json.Decoder(dict[str, object])
    wanted = {kind.__struct_config__.tag for kind in _MARKET}
    left_out = 0
    for table in tables:
        others = np.flatnonzero(rows.numbers(table, "kind") == OTHER)
        if len(others):
            lines = table.column("line").take(pa.array(others)).to_pylist()
            kept = np.ones(len(table), bool)
            kept[others] = [decoder.decode(line).get("type") in wanted for line in lines]
            left_out += int((~kept).sum())
            table = table.filter(pa.array(kept))
        yield table
    if left_out:
        notes.say(
            f"of {source.label}, {left_out:,} inputs of its session (settings, orders, commands) are left out: only a "
            "recording by itself is decided again as its session was"
        )
