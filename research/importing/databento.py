"""Databento's DBN: trades, and quotes of the schemas that have the best bid and ask, by columns.

Prices are integers of 1e-9. A trade's quote is the one before it, as Databento defines it. Source: databento.com/docs,
DBN encoding; field layouts are those of the package `databento-dbn`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any

import numpy as np
import pyarrow as pa

from pipeline.events import SECOND
from research.importing import rows
from research.importing.notes import NO_PRICE, NO_SIDES, Notes, Options
from research.importing.rows import QUOTE, TRADE, Numbers
from research.importing.sources import Source
from service.errors import UserError
from service.extras import needed

MAGIC = b"DBN"
SCALE = 1e9
_CHUNK = 1 << 23  # bytes
_NONE = 2**63 - 1  # a price that is none
_NO_TIME = 2**64 - 1
_BARS = ("OHLCV_1S", "OHLCV_1M", "OHLCV_1H", "OHLCV_1D", "OHLCV_EOD", "OHLCV_DEPRECATED")


def looks_like(source: Source) -> bool:
    """Whether a file begins as DBN does."""
    return source.head.startswith(MAGIC) and len(source.head) > 8 and source.head[3] < 16


def read(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read trades and quotes. Raises UserError for schemas without, and without the package."""
    with needed("Databento's files need"):
        import databento_dbn as dbn
    with source.opened() as file:
        head = _exactly(source, file, 8)
        metadata_bytes = head + _exactly(source, file, int.from_bytes(head[4:8], "little"))
        try:
            metadata = dbn.Metadata.decode(metadata_bytes)
        except Exception as error:
            raise UserError(f"{source.label} cannot be read: its beginning is no DBN ({error})") from None
        reader = _Reader(source, options, notes, dbn, metadata)
        rest = b""
        while data := source._guarded(lambda: file.read(source.block or _CHUNK)):
            table, rest = reader.take(rest + data)
            if table is not None:
                yield table
    if rest:
        raise UserError(f"{source.label} breaks off in the middle of a record: it was not copied whole; fetch it again")


def _exactly(source: Source, file: IO[bytes], count: int) -> bytes:
    data: bytes = source._guarded(lambda: file.read(count))
    if len(data) < count:
        raise UserError(f"{source.label} breaks off in its beginning: it was not copied whole; fetch it again")
    return data


class _Reader:
    """Makes rows of records, which come in runs of one layout."""

    def __init__(self, source: Source, options: Options, notes: Notes, dbn: Any, metadata: Any) -> None:
        self._source, self._notes = source, notes
        self._names = _Names(metadata, options.symbol, notes, source)
        self._quoted: dict[int, tuple[int, ...]] = {}  # by instrument: bid, ask and their sizes
        self._publisher: int | None = None
        self._layouts = _layouts(dbn)
        self._refusals = _without_ticks(dbn)

    def take(self, data: bytes) -> tuple[pa.Table | None, bytes]:
        """Return rows, and the bytes of a record that goes on."""
        raw = np.frombuffer(data, np.uint8)
        made: list[pa.Table] = []
        place = 0
        while place + 2 <= len(raw):
            size, rtype = int(raw[place]) * 4, int(raw[place + 1])
            if size < 16:
                raise UserError(f"{self._source.label} cannot be read: it is damaged; fetch it again")
            count = (len(raw) - place) // size
            if not count:
                break
            records = raw[place : place + count * size].reshape(count, size)
            other = np.flatnonzero((records[:, 0] != raw[place]) | (records[:, 1] != rtype))
            count = int(other[0]) if len(other) else count
            table = self._run(rtype, size, data[place : place + count * size])
            if table is not None and len(table):
                made.append(table)
            place += count * size
        return (rows.joined(made) if made else None), data[place:]

    def _run(self, rtype: int, size: int, data: bytes) -> pa.Table | None:
        if rtype in self._refusals:
            raise UserError(
                f"{self._source.label} holds {self._refusals[rtype]}, no ticks: ask Databento for trades, tbbo or mbp-1"
            )
        layout = self._layouts.get((rtype, size))
        if layout is None:
            return None  # what the gateway says, definitions, statistics
        records = np.frombuffer(data, layout)
        if "stype_out_symbol" in (layout.names or ()):
            self._names.learn(records)
            return None
        return self._market(records)

    def _market(self, records: Numbers) -> pa.Table:
        names = records.dtype.names or ()
        sampled = "action" not in names  # a quote at the end of each interval
        stamp = records["ts_recv"] if sampled else records["ts_event"]
        ts = np.where(stamp == _NO_TIME, records["ts_recv"], stamp).astype(np.int64)
        ids = records["instrument_id"]
        symbol = self._names.of(ids, ts)
        trades = np.zeros(len(records), bool) if sampled else records["action"] == b"T"
        columns: dict[str, Any] = {}
        quotes = np.zeros(len(records), bool)
        if "bid_px_00" in names:
            self._of_one_venue(records)
            bid, ask = _price(records["bid_px_00"]), _price(records["ask_px_00"])
            quotes = ~trades & self._changed(records, ids, ~trades)
            one_sided = quotes & ~((bid > 0) & (ask > 0))
            self._refuse(NO_SIDES, one_sided, records)
            quotes &= ~one_sided
            columns = {"bid": bid, "ask": ask}
            columns |= {
                name: np.where(quotes, records[theirs].astype(np.float64), np.nan)
                for name, theirs in (("bid_size", "bid_sz_00"), ("ask_size", "ask_sz_00"))
            }
        if not sampled:
            price = _price(records["price"])
            unpriced = trades & ~(price > 0)
            self._refuse(NO_PRICE, unpriced, records)
            trades &= ~unpriced
            columns["price"] = np.where(trades, price, np.nan)
            columns["size"] = np.where(trades, records["size"].astype(np.float64), np.nan)
        made = rows.table(np.where(trades, TRADE, QUOTE).astype(np.int8), symbol, ts, **columns)
        kept = trades | quotes
        return made if kept.all() else made.filter(pa.array(kept))

    def _of_one_venue(self, records: Numbers) -> None:
        """Raise UserError for books of several venues, each by itself: in one they would jump between them."""
        if "bid_pb_00" in (records.dtype.names or ()) or not len(records):
            return  # the best of all venues
        found = records["publisher_id"]
        self._publisher = int(found[0]) if self._publisher is None else self._publisher
        other = np.flatnonzero(found != self._publisher)
        if len(other):
            raise UserError(
                f"{self._source.label} holds the books of several venues (publishers {self._publisher} and "
                f"{int(found[other[0]])}), each by itself: ask Databento for the best of all, as cmbp-1, or one venue"
            )

    def _changed(self, records: Numbers, ids: Numbers, among: Numbers) -> Numbers:
        """Return which records, of those that are looked at, show another best bid or ask than the one before."""
        fields = ("bid_px_00", "ask_px_00", "bid_sz_00", "ask_sz_00")
        changed = np.zeros(len(records), bool)
        for instrument, mine in rows.groups(ids, among):
            shown = np.stack([records[field][mine].astype(np.int64) for field in fields])
            differs = np.ones(len(mine), bool)
            differs[1:] = (shown[:, 1:] != shown[:, :-1]).any(axis=0)
            differs[0] = tuple(shown[:, 0].tolist()) != self._quoted.get(instrument)
            self._quoted[instrument] = tuple(shown[:, -1].tolist())
            changed[mine] = differs
        return changed

    def _refuse(self, reason: str, which: Numbers, records: Numbers) -> None:
        if which.any():
            first = records[int(which.argmax())]
            self._notes.refuse(reason, int(which.sum()), self._source.label, 0, f"instrument {first['instrument_id']}")


def _price(raw: Numbers) -> Numbers:
    found: Numbers = np.where(raw == _NONE, np.nan, raw / SCALE)
    return found


class _Names:
    """Instruments' symbols: as the file's beginning maps them, day by day, or as its records say."""

    def __init__(self, metadata: Any, given: str, notes: Notes, source: Source) -> None:
        self._given, self._notes, self._source = given, notes, source
        self._unnamed: set[int] = set()
        self._spans: dict[int, list[tuple[int, int, str]]] = {}  # ns from, ns before, symbol
        for asked, intervals in metadata.mappings.items():
            for interval in intervals:
                given = str(interval["symbol"])
                number, name = (given, asked) if given.isdecimal() else (asked, given)
                if number.isdecimal():
                    span = (_midnight(interval["start_date"]), _midnight(interval["end_date"]), str(name))
                    self._spans.setdefault(int(number), []).append(span)

    def learn(self, records: Numbers) -> None:
        """Take what records say of instruments."""
        for record in records:
            name = bytes(record["stype_out_symbol"]).rstrip(b"\0").decode("utf-8", "replace")
            self._spans[int(record["instrument_id"])] = [(0, _NONE, name)]

    def _unmapped(self, instrument: int) -> str:
        """Return what an instrument is called that the file does not name: as a person says, if it is the only one."""
        self._unnamed.add(instrument)
        if not self._given:
            self._notes.say(f"{self._source.label} does not say what instrument {instrument} is called")
            return str(instrument)
        if len(self._unnamed) > 1:
            numbers = " and ".join(map(str, sorted(self._unnamed)))
            raise UserError(
                f"{self._source.label} does not name its instruments {numbers}: one --symbol would make one of them; "
                "leave it out, or ask Databento for the file with its symbols"
            )
        return self._given

    def of(self, ids: Numbers, ts: Numbers) -> pa.Array:
        """Return the symbol of each."""
        names: dict[str, int] = {}
        codes = np.zeros(len(ids), np.int32)
        for instrument, mine in rows.groups(ids):
            spans = self._spans.get(instrument)
            if not spans:
                spans = [(0, _NONE, self._unmapped(instrument))]
            codes[mine] = names.setdefault(spans[0][2], len(names))
            for start, end, name in spans[1:]:
                codes[mine[(ts[mine] >= start) & (ts[mine] < end)]] = names.setdefault(name, len(names))
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(names), pa.string()))


def _midnight(date: Any) -> int:
    return int(datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp()) * SECOND


def _layouts(dbn: Any) -> dict[tuple[int, int], Any]:
    """Return the layouts of records, by their type and their size in bytes."""
    found: dict[tuple[int, int], Any] = {}
    kinds = {
        "TradeMsg": ("MBP_0",),
        "MBP1Msg": ("MBP_1",),
        "MBP10Msg": ("MBP_10",),
        "BBOMsg": ("BBO_1S", "BBO_1M"),
        "CMBP1Msg": ("CMBP_1", "TCBBO"),
        "CBBOMsg": ("CBBO_1S", "CBBO_1M"),
        "SymbolMappingMsg": ("SYMBOL_MAPPING",),
        "SymbolMappingMsgV1": ("SYMBOL_MAPPING",),
    }
    for message, rtypes in kinds.items():
        if (kind := getattr(dbn, message, None)) is None:
            continue
        plain = np.dtype(kind._dtypes)
        sent = np.dtype([*kind._dtypes, ("ts_out", "u8")])  # where a file was asked to have it
        for name in rtypes:
            if (rtype := getattr(dbn.RType, name, None)) is not None:
                found |= {(int(rtype.value), layout.itemsize): layout for layout in (plain, sent)}
    return found


def _without_ticks(dbn: Any) -> dict[int, str]:
    """Return what records are that hold no ticks, by their type."""
    names = {"MBO": "order by order (mbo)", **dict.fromkeys(_BARS, "bars")}
    return {
        int(rtype.value): what for name, what in names.items() if (rtype := getattr(dbn.RType, name, None)) is not None
    }
