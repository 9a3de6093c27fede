"""Tardis.dev's CSV: trades, quotes, and snapshots of the book, in microseconds, with a header.

Source: docs.tardis.dev, downloadable CSV files.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from research.importing import rows, times
from research.importing.csv_rows import Form, floats, pieces, sound, without_symbol, wrong_quotes, wrong_trades
from research.importing.notes import Notes, Options
from research.importing.rows import QUOTE, TRADE
from research.importing.sources import Source
from service.errors import UserError

_BEGIN = ["exchange", "symbol", "timestamp", "local_timestamp"]
_TRADES = {"price": "price", "amount": "size", "id": "id"}
_QUOTES = {"bid_price": "bid", "ask_price": "ask", "bid_amount": "bid_size", "ask_amount": "ask_size"}
_BOOKS = {
    "bids[0].price": "bid",
    "asks[0].price": "ask",
    "bids[0].amount": "bid_size",
    "asks[0].amount": "ask_size",
}


def _header(source: Source) -> list[str]:
    return source.head.split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")


def looks_like(source: Source) -> bool:
    """Whether the header is one of theirs."""
    return _header(source)[: len(_BEGIN)] == _BEGIN


def read(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read trades, quotes or snapshots. Raises UserError for what holds neither."""
    names = _header(source)
    columns = next((known for known in (_QUOTES, _BOOKS, _TRADES) if known.keys() <= set(names)), None)
    if columns is None or "is_snapshot" in names or "liquidations" in source.name.lower():
        raise UserError(
            f"{source.label} holds neither trades nor quotes of Tardis ({', '.join(names[4:])}): take trades, quotes, "
            "book_ticker or book_snapshot_5"
        )
    types = {"symbol": pa.string(), "timestamp": pa.int64(), "local_timestamp": pa.int64()}
    types |= {theirs: pa.string() if ours == "id" else pa.float64() for theirs, ours in columns.items()}
    for piece in pieces(source, Form(names, types, header=True), notes):
        stamps = [piece.column(name).fill_null(0).to_numpy() for name in ("timestamp", "local_timestamp")]
        ts = times.scaled(np.where(stamps[0] > 0, *stamps), "us")
        given = {ours: floats(piece.column(theirs)) for theirs, ours in columns.items() if ours != "id"}
        symbol = piece.column("symbol")
        if columns is _TRADES:
            made = rows.table(TRADE, symbol, ts, **given, id=piece.column("id"))
            wrong = wrong_trades(ts, given["price"], given["size"])
        else:
            made = rows.table(QUOTE, symbol, ts, **given)
            wrong = wrong_quotes(ts, given["bid"], given["ask"])
        kept = sound(source, piece, notes, wrong | without_symbol(symbol))
        yield made if kept is None else made.filter(pa.array(kept))
