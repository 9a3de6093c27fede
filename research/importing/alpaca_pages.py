"""Pages of Alpaca's history over REST: `{"trades": {"AAPL": [...]}, "next_page_token": ...}`, as they were saved.

A file holds one page, one a line, several behind each other, or an array of them. Items are those of the stream, but
for the symbol, which stands above them. Source: docs.alpaca.markets, historical stock data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from pipeline.venues.jsonl import NOT_JSON
from research.importing.notes import Notes, Options
from research.importing.sources import MOST_LINE, Source
from service.errors import UserError

_ITEMS = 5_000  # of a frame

Items = list[msgspec.Raw]


class _Page(msgspec.Struct, frozen=True):
    """Items by symbol, or of one symbol, which is named beside them."""

    trades: Mapping[str, Items] | Items | None = None
    quotes: Mapping[str, Items] | Items | None = None
    bars: msgspec.Raw | None = None
    symbol: str = ""


_PAGE = msgspec.json.Decoder(_Page)
_PAGES = msgspec.json.Decoder(list[_Page])


def frames(source: Source, options: Options, notes: Notes) -> Iterator[tuple[int, bytes]]:
    """Give the items of all pages as frames of the stream, each with the line that its page begins in.

    Raises UserError for a page that names no symbol, and for bars.
    """
    for line, page in _pages(source, notes):
        if page.bars is not None and not (page.trades or page.quotes):
            raise UserError(f"{source.label} holds Alpaca's bars: fetch trades and quotes, which are ticks")
        for kind, found in (("t", page.trades), ("q", page.quotes)):
            if isinstance(found, Mapping):
                by_symbol = found
            else:
                name = page.symbol or options.symbol
                if found and not name:
                    raise UserError(f"{source.label} does not say which symbol its pages are of: --symbol NAME")
                by_symbol = {name: found or []}
            for symbol, items in by_symbol.items():
                start = b'{"T":"%b","S":%b,' % (kind.encode(), msgspec.json.encode(symbol))
                for place in range(0, len(items), _ITEMS):
                    parts = (start + bytes(item).lstrip()[1:] for item in items[place : place + _ITEMS])
                    yield line, b"[" + b",".join(parts) + b"]"


def _pages(source: Source, notes: Notes) -> Iterator[tuple[int, _Page]]:
    """Give pages: by lines where a line holds one, else of the whole text."""
    waiting: list[bytes] = []
    begun, size, tried = 1, 0, 0  # bytes that wait, and with how many it was no page
    for first, lines in source.lines():
        for number, line in enumerate(lines, first):
            if not waiting and not line.strip():
                continue
            if not waiting:
                begun, size, tried = number, 0, 0
            waiting.append(line)
            size += len(line)
            if size > MOST_LINE:
                raise UserError(f"{source.label} cannot be read: from line {begun} on it is no page")
            # One that is laid out over many lines ends in a line that is not set in; else it is tried at times that
            # double, and at its end.
            if not line.rstrip().endswith((b"}", b"]")) or (line[:1].isspace() and size < 2 * tried):
                continue
            found = _decoded(b"\n".join(waiting))
            if found is None:
                tried = size
                continue
            yield from ((begun, page) for page in found)
            waiting = []
    if waiting:
        text = b"\n".join(waiting)
        found = _decoded(text)
        if found is None:
            notes.refuse(NOT_JSON, 1, source.label, begun, text)
        yield from ((begun, page) for page in found or ())


def _decoded(text: bytes) -> list[_Page] | None:
    """Return the pages of a text, or None where it goes on."""
    try:
        return _PAGES.decode(text) if text.lstrip().startswith(b"[") else [_PAGE.decode(text)]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
