"""Frames as they came off a venue's socket, a line each, with or without the local time before them; read as live."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, Protocol

import msgspec
import pyarrow as pa
from msgspec import Meta

from pipeline.events import Gap, Prints, Trade
from pipeline.venues.alpaca import AlpacaDialect
from pipeline.venues.coinbase import CoinbaseDialect
from pipeline.venues.conditions import UNDONE, PrintKind, kind_of
from pipeline.venues.dialect import UNDECODABLE, Event, Taken, Turn, Undone, VolumeOnly
from pipeline.venues.jsonl import BAD_TRADE, NOT_JSON
from research.importing import rows
from research.importing.binance import FramesDialect
from research.importing.notes import UNITS, Notes, Options
from research.importing.sources import Source

PREFIX = re.compile(rb"\s*\d{10,19}\s+(?=[\[{])")
"""The local time before a frame."""

_AT_ONCE = 5_000  # events that become rows together
_REMEMBERED = 100_000  # ids of prints, to know when one was made that is canceled


class Talk(Protocol):
    """What reads frames: a dialect."""

    def received(self, messages: list[bytes]) -> Turn:
        """Decode frames, in order."""


def frame_of(line: bytes) -> bytes:
    """Return a line without the time before it."""
    found = PREFIX.match(line)
    return line[found.end() :] if found else line


def read_binance(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read Binance's frames."""
    head = source.head
    aggregates = b'"aggTrade"' in head and b'"e":"trade"' not in head.replace(b" ", b"")
    if b'"bookTicker"' not in head and b'"B":' not in head:
        notes.say(f"the beginning of {source.label} has no bookTicker frames: without them there are no quotes")
    yield from _read(source, FramesDialect(aggregates), notes)


def read_coinbase(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read Coinbase's messages; trades that are missing by their ids are gaps, as live."""
    products = {found.decode() for found in re.findall(rb'"product_id"\s*:\s*"([^"]{1,32})"', source.head)}
    if b'"match"' not in source.head and b'"last_match"' not in source.head:
        notes.say(f"the beginning of {source.label} has no matches: of the channel ticker, only quotes are taken")
    yield from _read(source, CoinbaseDialect(sorted(products)), notes)


def read_finnhub(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read Finnhub's trades."""
    yield from _read(source, FinnhubDialect(), notes)


def read_alpaca(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read Alpaca's frames."""
    yield from _read(source, AlpacaDialect("", "", ()), notes)


def read_alpaca_history(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read pages of Alpaca's history, as frames."""
    from research.importing import alpaca_pages

    yield from _tables(alpaca_pages.frames(source, options, notes), AlpacaDialect("", "", ()), source, notes)


def is_history(head: bytes) -> bool:
    """Whether a file is of pages of Alpaca's history, and not of frames."""
    return (
        re.match(rb'\s*(?:\[\s*)?\{\s*"(?:trades|quotes|next_page_token|symbol|currency|bars)"\s*:', head) is not None
    )


def _read(source: Source, talk: Talk, notes: Notes) -> Iterator[pa.Table]:
    def lines() -> Iterator[tuple[int, bytes]]:
        for first, found in source.lines():
            for number, line in enumerate(found, first):
                if line.strip():
                    yield number, frame_of(line)

    yield from _tables(lines(), talk, source, notes)


def _tables(lines: Iterable[tuple[int, bytes]], talk: Talk, source: Source, notes: Notes) -> Iterator[pa.Table]:
    """Decode frames one by one, so that what is refused is known by its line."""
    undo = _Undo()
    events: list[Event] = []
    for number, line in lines:
        turn = talk.received([line])
        for unread in turn.unread:
            example = unread.example if isinstance(unread.example, bytes) else msgspec.json.encode(unread.example)
            notes.refuse(unread.reason, unread.times, source.label, number, example)
        for event in turn.events:
            if isinstance(event, Prints):
                notes.count_prints(event.kind, event.count, event.size)
        events += undo.applied(turn.events) if turn.events else ()
        if len(events) >= _AT_ONCE:
            yield rows.of_events(events, prints=True)
            events = []
    if events:
        yield rows.of_events(events, prints=True)


class _Undo:
    """Makes of a canceled print what admission does: a gap of the tick that it was, or a count."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Any], int] = {}  # ns

    def applied(self, events: Sequence[Event]) -> list[Event]:
        found: list[Event] = []
        for event in events:
            if isinstance(event, Undone):
                made = self._made.get((event.symbol, event.id))
                found.append(Gap(event.ts, event.symbol, event.reason, made) if made else Prints(UNDONE, 1, event.size))
                continue
            if isinstance(event, Trade) and isinstance(event.id, str):
                self._made[event.symbol, event.id] = event.ts
            found.append(event)
        if len(self._made) > _REMEMBERED:
            for key in list(islice(self._made, len(self._made) - _REMEMBERED // 2)):
                del self._made[key]
        return found


# ---------------------------------------------------------------------------------------------------- Finnhub


class _Print(msgspec.Struct, frozen=True, gc=False):
    """A trade of Finnhub's: time in ms, price, volume, and its conditions by numbers."""

    s: Annotated[str, Meta(min_length=1, max_length=32)]
    t: Annotated[int, Meta(gt=0, lt=1 << 42)]
    p: float
    v: float
    c: list[str] | None = None


class _Frame(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    data: list[msgspec.Raw] = []


# Of its list of conditions, those that a recording proves: regular, intermarket sweep, odd lot (all below 100 shares).
_CODES = {"1": "@", "8": "F", "12": "I"}


class FinnhubDialect:
    """Decodes frames of trades. Its conditions are told apart as those of the consolidated tape C."""

    def __init__(self) -> None:
        self._frame = msgspec.json.Decoder(_Frame).decode
        self._print = msgspec.json.Decoder(_Print).decode

    def received(self, messages: list[bytes]) -> Turn:
        """Decode; pings and news are left out."""
        taken = Taken()
        for data in messages:
            try:
                frame = self._frame(data)
            except UNDECODABLE:
                taken.refuse(NOT_JSON, "", data)
                continue
            if frame.type == "trade":
                taken.each(frame.data, data, lambda item: self._take(item, taken))
        return Turn(taken.events, unread=taken.unread)

    def _take(self, data: bytes, taken: Taken) -> str:
        try:
            item = self._print(data)
        except UNDECODABLE:
            return BAD_TRADE
        if not (item.p > 0 and item.v >= 0):
            return BAD_TRADE
        ts = item.t * UNITS["ms"]
        kind, _ = kind_of("C", [_CODES.get(code, "?") for code in item.c or ()])
        if kind is PrintKind.VOLUME:
            taken.count(kind, item.v)
            taken.events.append(VolumeOnly(item.s, ts, item.v))
        else:
            taken.events.append(Trade(item.s, ts, item.p, item.v))
        return ""
