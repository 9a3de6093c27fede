"""Binance: the dumps of spot and futures (data.binance.vision), and frames as they came off the socket.

Dumps are CSV in a zip, with a header since 2022 where they are of futures, and in microseconds since 2025 where they
are of spot; both are told by looking. Source: github.com/binance/binance-public-data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.events import Quote, Trade
from pipeline.venues.binance import BinanceDialect
from pipeline.venues.dialect import UNDECODABLE, Taken, number
from research.importing import rows, times
from research.importing.csv_rows import Form, Piece, floats, pieces, sound, wrong_quotes, wrong_trades
from research.importing.notes import UNITS, Notes, Options, Unit
from research.importing.rows import QUOTE, TRADE
from research.importing.sources import Source
from service.errors import UserError

_NAME = re.compile(r"(?P<symbol>[A-Z0-9_]+)-(?P<kind>trades|aggTrades|bookTicker)-\d{4}-\d{2}(-\d{2})?\.csv", re.I)
_SPOT = ("id", "price", "size", "quote_size", "time", "maker", "best")
_FUTURES = _SPOT[:6]
_SPOT_AGGREGATE = ("id", "price", "size", "first", "last", "time", "maker", "best")
_FUTURES_AGGREGATE = _SPOT_AGGREGATE[:7]
_BOOK = ("update", "bid", "bid_size", "ask", "ask_size", "time", "event_time")
_KLINES = 12  # columns
_HEADERS = {
    ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker"): _FUTURES,
    ("id", "price", "qty", "base_qty", "time", "is_buyer_maker"): _FUTURES,
    ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"): _SPOT,
    (
        *("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time"),
        "is_buyer_maker",
    ): _FUTURES_AGGREGATE,
    (
        *("update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty"),
        *("transaction_time", "event_time"),
    ): _BOOK,
}
_BOOLEAN = frozenset(("true", "false"))


def layout(first: Sequence[str], name: str) -> tuple[tuple[str, ...], bool] | None:
    """Return what the columns of a dump are, and whether its first row names them; None for other CSV."""
    fields = tuple(field.strip().lower() for field in first)
    if fields in _HEADERS:
        return _HEADERS[fields], True
    booleans = [place for place, field in enumerate(fields) if field in _BOOLEAN]
    shapes = {(7, 5, 6): _SPOT, (6, 5): _FUTURES, (8, 6, 7): _SPOT_AGGREGATE, (7, 6): _FUTURES_AGGREGATE}
    found = shapes.get((len(fields), *booleans))
    if found is None and len(fields) == len(_BOOK) and not booleans and "bookticker" in name.lower():
        found = _BOOK
    return (found, False) if found is not None else None


def _first(source: Source) -> list[str]:
    return source.head.split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")


def looks_like_dump(source: Source) -> bool:
    """Whether a file is a dump, by its first row; one of candles is, so that it can be said."""
    return layout(_first(source), source.name) is not None or _is_klines(source)


def _is_klines(source: Source) -> bool:
    first = _first(source)
    named = re.search(r"-\d+[smhdwo]+-\d{4}", source.name) is not None
    return len(first) == _KLINES and (first[0] == "open_time" or named)


def read_dump(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read a dump. Raises UserError for candles, and where no name says the symbol."""
    found = layout(_first(source), source.name)
    if found is None:
        what = "Binance's candles" if _is_klines(source) else f"no dump of Binance ({len(_first(source))} columns)"
        raise UserError(f"{source.label} holds {what}: take trades, aggTrades or bookTicker, which are ticks")
    names, header = found
    name = _NAME.fullmatch(source.name)
    symbol = name["symbol"].upper() if name else options.symbol
    if not symbol:
        raise UserError(f"{source.label} does not say which symbol it is of: --symbol BTCUSDT")
    wanted = ("time", "bid", "bid_size", "ask", "ask_size") if names is _BOOK else ("id", "price", "size", "time")
    types = {name: pa.int64() if name in ("id", "time") else pa.float64() for name in wanted}
    unit: Unit | None = None
    for piece in pieces(source, Form(names, types, header), notes):
        time = piece.column("time").fill_null(0).to_numpy()
        if unit is None:
            given = time[time > 0]
            unit = times.unit_of(int(given[0]), options.unit, source.label) if len(given) else None
        yield _rows(source, piece, symbol, times.scaled(time, unit or "ns"), notes)


def _rows(source: Source, piece: Piece, symbol: str, ts: rows.Numbers, notes: Notes) -> pa.Table:
    given = {name: floats(piece.column(name)) for name in piece.rows.column_names if name not in ("id", "time")}
    if "bid" in given:
        made = rows.table(QUOTE, symbol, ts, **given)
        kept = sound(source, piece, notes, wrong_quotes(ts, given["bid"], given["ask"]))
    else:
        made = rows.table(TRADE, symbol, ts, **given, id=piece.column("id").cast(pa.string()))
        kept = sound(source, piece, notes, wrong_trades(ts, given["price"], given["size"]))
    return made if kept is None else made.filter(pa.array(kept))


# ------------------------------------------------------------------------------------------------------ frames


class FramesDialect(BinanceDialect):
    """As spoken live; and futures' quotes, which have a time, and their trades where there are only aggregates."""

    def __init__(self, aggregates: bool) -> None:
        super().__init__()
        self._aggregates = aggregates

    def _take(self, data: bytes, taken: Taken) -> None:
        if b'"bookTicker"' not in data and not (self._aggregates and b'"aggTrade"' in data):
            super()._take(data, taken)
            return
        try:
            payload = self._wrapped(data).data or self._raw(data)
        except UNDECODABLE:
            super()._take(data, taken)
            return
        ts = payload.T * UNITS["ms"]
        if payload.e == "bookTicker" and isinstance(payload.b, str) and isinstance(payload.a, str) and ts:
            self._ts = max(self._ts, ts)
            sizes = (number(size) if isinstance(size, str) else None for size in (payload.B, payload.A))
            taken.events.append(Quote(payload.s, ts, number(payload.b), number(payload.a), *sizes))
        elif payload.e == "aggTrade" and payload.s:
            self._ts = ts
            made = payload.a if isinstance(payload.a, int) else None
            taken.events.append(Trade(payload.s, ts, number(payload.p), number(payload.q), None, None, made))
        else:
            super()._take(data, taken)
