"""Our own tapes and recordings, LOBSTER's pairs, and tapes in columns: what the service reads itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from actors.engine.core import Input
from pipeline.events import Clock, Gap, PriceBand, Prints, Quote, Refused, Trade, TradingStatus
from research.importing import rows, times
from research.importing.notes import NO_TIME, UNITS, Notes, Options, Unit
from research.importing.rows import OTHER
from research.importing.sources import Source
from service.errors import UserError
from service.recorded import columnar, tapes
from service.recorded.lines import GZIP

_AT_ONCE = 20_000  # events that become rows together
_MARKET = (Trade, Quote, Clock, Gap, Refused, TradingStatus, PriceBand, Prints)


def read_tape(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read a tape of JSON Lines, or a recording. Raises UserError for what is none."""
    unit = options.unit or "ns"
    first = _first_line(source)
    recorded = first is not None and _is_settings(first)
    if recorded and unit != "ns":
        raise UserError(f"{source.label} is a recording, whose times are in nanoseconds: leave out --unit {unit}")
    if unit == "ns" and _is_read_by_the_service(source):
        try:
            tapes.check(source.path)
        except UserError as error:
            hints = (f"; --unit {unit} imports it" for unit, name in _NAMED.items() if f"in {name}" in str(error))
            raise UserError(f"{error}{next(hints, '')}") from None
        recorded = tapes.recorded_settings(source.path) is not None
        events = tapes.read(source.path, lambda done: setattr(source, "position", done), notes.say)
    else:
        events = _lines(source, unit, skip=recorded)
    if recorded and first is not None:  # with it the tape is decided as its session was
        yield rows.of_events([first])
    for table in _tables(events, source, notes):
        yield table if unit == "ns" else _scaled(table, unit, source, notes)


_NAMED = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def _is_read_by_the_service(source: Source) -> bool:
    """Whether it is as it is, or in gzip."""
    if source.member is not None:
        return False
    with source.path.open("rb") as file:
        start = file.read(6)
    return start.startswith(GZIP) or source.head.startswith(start)


def _first_line(source: Source) -> bytes | None:
    for _, lines in source.lines():
        first = next((line for line in lines if line.strip()), None)
        if first is not None:
            return first
    return None


class _Typed(msgspec.Struct):
    type: str = ""


def _is_settings(line: bytes) -> bool:
    try:
        return msgspec.json.decode(line, type=_Typed).type == "settings"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _lines(source: Source, unit: Unit, *, skip: bool) -> Iterator[list[Input]]:
    """Decode lines; times of what is a line on the tape too are scaled in it. With `skip`, without the first."""
    reader = tapes.Reader()
    for _, given in source.lines():
        lines = given
        if skip and (place := next((n for n, line in enumerate(given) if line.strip()), None)) is not None:
            lines, skip = given[place + 1 :], False
        events = reader.lines(lines)
        if unit == "ns":
            yield events
            continue
        yield [event if isinstance(event, _IN_COLUMNS) else _scaled_event(event, UNITS[unit]) for event in events]


_IN_COLUMNS = (Trade, Quote, Clock)


def _scaled_event(event: Any, scale: int) -> Any:
    given = {name: getattr(event, name, None) for name in ("ts", "print_ts")}
    changes = {name: ts * scale for name, ts in given.items() if isinstance(ts, int)}
    return msgspec.structs.replace(event, **changes) if changes else event


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


def _scaled(table: pa.Table, unit: Unit, source: Source, notes: Notes) -> pa.Table:
    """Put times into ns. What is none of this century in the unit is refused; other kinds are scaled already."""
    given, others = rows.numbers(table, "ts"), rows.numbers(table, "kind") == OTHER
    ts = np.where(others, given, times.scaled(given, unit))
    place = table.column_names.index("ts")
    table = table.set_column(place, table.schema.field("ts"), pa.array(ts, pa.int64()))
    kept = others | (ts > 0)
    if not kept.all():
        first = int(np.flatnonzero(~kept)[0])
        notes.refuse(NO_TIME, int((~kept).sum()), source.label, 0, str(given[first]))
        table = table.filter(pa.array(kept))
    return table


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
