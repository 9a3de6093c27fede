"""The session's trades, quotes and bars by REST, in pages."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from mock_exchange.alpaca import ticks
from mock_exchange.alpaca.listing import moment, whole
from mock_exchange.alpaca.requests import Unreadable
from mock_exchange.alpaca.stamps import stamp
from mock_exchange.history import MINUTE, Bar, History, joined
from mock_exchange.venue.orders import Reason

DEFAULT_LIMIT = 1_000
MOST_LIMIT = 10_000

_SPAN = re.compile(r"([1-9][0-9]?)(Min|T|Hour|H|Day|D)")
_UNITS = {"M": MINUTE, "T": MINUTE, "H": 60 * MINUTE, "D": 24 * 60 * MINUTE}
_WRITERS: dict[str, Callable[[Any, Callable[[int], Any]], ticks.Json]] = {
    "trades": ticks.trade,
    "quotes": ticks.quote,
    "bars": ticks.bar,
}

Json = dict[str, Any]


def stocks(history: History, path: str, query: Mapping[str, str], now: int) -> Json:
    """Answer what comes after /v2/stocks/: trades, quotes, bars, each or .../latest, of several stocks or of one.

    Raises Unreadable.
    """
    parts = path.split("/")
    single = None if parts[0] in (*_WRITERS, "snapshots") else parts.pop(0).upper()
    symbols = [single] if single else _symbols(query)
    match parts:
        case [kind] if kind in _WRITERS:
            found, token = _page(history, kind, symbols, query, now)
            if single:
                return {kind: found.get(single, []), "symbol": single, "next_page_token": token}
            return {kind: found, "next_page_token": token}
        case [kind, "latest"] if kind in _WRITERS:
            latest = {symbol: _latest(history, kind, symbol) for symbol in symbols if symbol in history.trades}
            if single:
                return {"symbol": single, kind[:-1]: latest.get(single)}
            return {kind: {symbol: it for symbol, it in latest.items() if it is not None}}
        case ["snapshots"] | ["snapshot"]:
            shots = {symbol: _snapshot(history, symbol) for symbol in symbols if symbol in history.trades}
            return {"symbol": single, **shots.get(single, {})} if single else shots
    raise Unreadable(Reason.BAD_VALUE, f"there is no {path[:64]}: ask for trades, quotes or bars")


def _latest(history: History, kind: str, symbol: str) -> Json | None:
    series: Any = getattr(history, kind)[symbol]
    return None if series.latest is None else _WRITERS[kind](series.latest, stamp)


def _snapshot(history: History, symbol: str) -> Json:
    day = joined(history.bars[symbol].between(0, 1 << 63, 1 << 31, newest_first=False), _UNITS["D"])
    return {
        "latestTrade": _latest(history, "trades", symbol),
        "latestQuote": _latest(history, "quotes", symbol),
        "minuteBar": _latest(history, "bars", symbol),
        "dailyBar": ticks.bar(day[-1], stamp) if day else None,
        "prevDailyBar": ticks.bar(day[-2], stamp) if len(day) > 1 else None,
    }


def _page(
    history: History, kind: str, symbols: list[str], query: Mapping[str, str], now: int
) -> tuple[dict[str, list[Json]], str | None]:
    """Return a page: stock after stock, each by time, and where the next page begins."""
    limit = whole(query, "limit", DEFAULT_LIMIT, MOST_LIMIT)
    start, end = moment(query, "start", 0), min(now, moment(query, "end", now))
    newest_first = query.get("sort", "asc") == "desc"
    span = _span(query) if kind == "bars" else 0
    symbols = sorted(symbol for symbol in symbols if symbol in history.trades)
    if query.get("page_token"):
        symbol, ts = _read_token(query["page_token"])
        symbols = [it for it in symbols if it >= symbol]
    found: dict[str, list[Json]] = {}
    for place, symbol in enumerate(symbols):
        first, last = start, end
        if place == 0 and query.get("page_token"):
            first, last = (start, min(end, ts)) if newest_first else (max(start, ts), end)
        # One more than fits tells whether, and where, another page begins.
        items = _select(history, kind, symbol, first, last, limit + 1, newest_first, span)
        if items[:limit]:
            found[symbol] = [_WRITERS[kind](item, stamp) for item in items[:limit]]
        if len(items) > limit:
            return found, _token(symbol, items[limit].ts)
        limit -= len(items)
    return found, None


def _select(
    history: History, kind: str, symbol: str, start: int, end: int, limit: int, newest_first: bool, span: int
) -> list[Any]:
    series: Any = getattr(history, kind)[symbol]
    if kind != "bars" or span == MINUTE:
        return list(series.between(start, end, limit, newest_first=newest_first))
    minutes = series.between(start - start % span, end, 1 << 31, newest_first=False)
    bars: list[Bar] = [bar for bar in joined(minutes, span) if start <= bar.ts <= end]
    return (bars[::-1] if newest_first else bars)[:limit]


def _symbols(query: Mapping[str, str]) -> list[str]:
    symbols = list(dict.fromkeys(symbol.strip().upper() for symbol in query.get("symbols", "").split(",") if symbol))
    if not symbols:
        raise Unreadable(Reason.BAD_REQUEST, "symbols is required")
    return symbols


def _span(query: Mapping[str, str]) -> int:
    found = _SPAN.fullmatch(query.get("timeframe", "1Min"))
    if found is None:
        raise Unreadable(Reason.BAD_REQUEST, "invalid timeframe: name it like 1Min, 5Min, 1Hour or 1Day")
    return int(found[1]) * _UNITS[found[2][0]]


def _token(symbol: str, ts: int) -> str:
    return base64.urlsafe_b64encode(f"{symbol}|{ts}".encode()).decode()


def _read_token(token: str) -> tuple[str, int]:
    try:
        symbol, _, ts = base64.urlsafe_b64decode(token.encode()).decode().partition("|")
        return symbol, int(ts)
    except (binascii.Error, ValueError):
        raise Unreadable(Reason.BAD_REQUEST, "invalid page_token") from None
