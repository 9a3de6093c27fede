"""The session's trades, quotes and bars by REST, in pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from mock_exchange.alpaca import data_schema
from mock_exchange.alpaca.listing import moment, whole
from mock_exchange.alpaca.requests import Unreadable
from mock_exchange.alpaca.spans import Span, span
from mock_exchange.alpaca.stamps import stamp
from mock_exchange.events import SECOND
from mock_exchange.history import Bar, History, joined
from mock_exchange.venue.orders import Reason

DEFAULT_LIMIT = 1_000
MOST_LIMIT = 10_000

FEEDS = ("iex", "sip", "delayed_sip")
"""All of them have the same data: the venue is the only one there is."""

OTHER_FEEDS = ("otc", "boats", "overnight")
"""Those that Alpaca has and no plan of this venue covers."""

RECENT_NS = 900 * SECOND
"""Data of SIP that are younger than this need a plan with SIP."""

ADJUSTMENTS = ("raw", "split", "dividend", "all", "spin-off")
"""They change nothing, as no stock here is ever split or pays anything."""

_DAY = Span(1, "D")
_WRITERS: dict[str, Callable[[Any, Callable[[int], Any]], data_schema.Json]] = {
    "trades": data_schema.trade,
    "quotes": data_schema.quote,
    "bars": data_schema.bar,
}


def stocks(
    history: History, path: str, query: Mapping[str, str], now: int, covered: Collection[str] = FEEDS
) -> data_schema.Json:
    """Answer what comes after /v2/stocks/: trades, quotes, bars, each or .../latest, of several stocks or of one.

    Without SIP among the feeds that the plan has `covered`, its data of the last 15 minutes are refused. Raises
    Unreadable.
    """
    parts = path.rstrip("/").split("/")
    single = None if parts[0] in (*_WRITERS, "snapshots") else parts.pop(0).upper()
    _check_words(query)
    if query.get("feed") == "sip" and "sip" not in covered:
        of_a_time = len(parts) == 1 and parts[0] in _WRITERS  # the others are the latest
        if not of_a_time or moment(query, "end", now) > now - RECENT_NS:
            raise Unreadable(Reason.NO_RECENT_SIP, "subscription does not permit querying recent SIP data")
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


def _check_words(query: Mapping[str, str]) -> None:
    feed = query.get("feed") or FEEDS[0]
    if feed in OTHER_FEEDS:
        raise Unreadable(Reason.NOT_COVERED, f"subscription does not permit querying {feed} data")
    for name, words in (("feed", FEEDS), ("adjustment", ADJUSTMENTS), ("sort", ("asc", "desc"))):
        said = query.get(name) or words[0]
        if any(word not in words for word in (said.split(",") if name == "adjustment" else [said])):
            raise Unreadable(Reason.BAD_REQUEST, f"invalid {name}: {said[:20]}")


def _latest(history: History, kind: str, symbol: str) -> data_schema.Json | None:
    """Write the latest one of a kind; in a stock's first minute, the bar that is not complete yet."""
    if kind == "trades":  # those that would not set a bar's price, such as odd lots, are left out
        latest: Any = history.last_sales.get(symbol)
    else:
        latest = getattr(history, kind)[symbol].latest
    if latest is None and kind == "bars":
        latest = history.running(symbol)
    return None if latest is None else _WRITERS[kind](latest, stamp)


def _written(history: History, kind: str, item: Any) -> data_schema.Json:
    """Write one of a page; a trade that was canceled or corrected says so."""
    written = _WRITERS[kind](item, stamp)
    if kind == "trades" and (undone := history.undone.get((item.symbol, item.id))):
        written["u"] = undone
    return written


def _snapshot(history: History, symbol: str) -> data_schema.Json:
    day = joined(_minutes(history, symbol, 0, 1 << 63, running=True), _DAY.start)
    return {
        "latestTrade": _latest(history, "trades", symbol),
        "latestQuote": _latest(history, "quotes", symbol),
        "minuteBar": _latest(history, "bars", symbol),
        "dailyBar": data_schema.bar(day[-1], stamp) if day else None,
        "prevDailyBar": data_schema.bar(day[-2], stamp) if len(day) > 1 else None,
    }


def _page(
    history: History, kind: str, symbols: list[str], query: Mapping[str, str], now: int
) -> tuple[dict[str, list[data_schema.Json]], str | None]:
    """Return a page: stock after stock, each by time, and where the next page begins."""
    limit = whole(query, "limit", DEFAULT_LIMIT, MOST_LIMIT)
    start, end = moment(query, "start", 0), min(now, moment(query, "end", now))
    newest_first = query.get("sort", "asc") == "desc"
    length = _length(query) if kind == "bars" else None
    symbols = sorted(symbol for symbol in symbols if symbol in history.trades)
    begin = _read_token(query["page_token"]) if query.get("page_token") else None
    found: dict[str, list[data_schema.Json]] = {}
    for symbol in symbols:
        first, last, told = start, end, 0
        if begin is not None:
            if symbol < begin.symbol:
                continue
            if symbol == begin.symbol:
                told = begin.told
                first, last = (start, min(end, begin.ts)) if newest_first else (max(start, begin.ts), end)
        # One more than fits tells whether, and where, another page begins.
        items = _select(history, kind, symbol, first, last, told + limit + 1, newest_first, length)
        page, more = items[told : told + limit], items[told + limit :]
        if page:
            found[symbol] = [_written(history, kind, item) for item in page]
        if more:
            next_ts = more[0].ts
            same_ts = sum(item.ts == next_ts for item in items[: told + limit])
            return found, _token(_Place(symbol, next_ts, same_ts))
        limit -= len(page)
    return found, None


def _select(
    history: History, kind: str, symbol: str, start: int, end: int, limit: int, newest_first: bool, length: Span | None
) -> list[Any]:
    series: Any = getattr(history, kind)[symbol]
    if length is None or length.is_minute:
        return list(series.between(start, end, limit, newest_first=newest_first))
    minutes = _minutes(history, symbol, length.start(start), end, running=length.is_days)
    bars: list[Bar] = [bar for bar in joined(minutes, length.start) if start <= bar.ts <= end]
    return (bars[::-1] if newest_first else bars)[:limit]


def _minutes(history: History, symbol: str, start: int, end: int, *, running: bool) -> list[Bar]:
    """Return the one-minute bars of a time, with the one that is not complete yet if that is wanted."""
    minutes = history.bars[symbol].between(start, end, 1 << 31, newest_first=False)
    latest = history.running(symbol) if running else None
    return [*minutes, latest] if latest is not None and start <= latest.ts <= end else minutes


def _symbols(query: Mapping[str, str]) -> list[str]:
    symbols = list(dict.fromkeys(symbol.strip().upper() for symbol in query.get("symbols", "").split(",") if symbol))
    if not symbols:
        raise Unreadable(Reason.BAD_REQUEST, "symbols is required")
    return symbols


def _length(query: Mapping[str, str]) -> Span:
    length = span(query.get("timeframe") or "1Min")
    if length is None:
        raise Unreadable(
            Reason.BAD_REQUEST, "invalid timeframe: name it like 1Min (to 59), 1Hour (to 23), 1Day, 1Week or 1Month"
        )
    return length


class _Place(NamedTuple):
    """Where a page begins."""

    symbol: str
    ts: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    told: Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]  # how many of that very time are on pages before


def _token(place: _Place) -> str:
    return base64.urlsafe_b64encode(f"{place.symbol}|{place.ts}|{place.told}".encode()).decode()


def _read_token(token: str) -> _Place:
    try:
        return msgspec.convert(base64.urlsafe_b64decode(token.encode()).decode().split("|"), _Place, strict=False)
    except (binascii.Error, ValueError):
        raise Unreadable(Reason.BAD_REQUEST, "invalid page_token") from None
