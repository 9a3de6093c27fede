"""QuantConnect LEAN: ticks of a day in a zip, trades with their conditions of sale, quotes of each exchange apart.

Source: QuantConnect/Lean, Data/equity/readme.md and Data/crypto/readme.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from pipeline.events import SECOND
from pipeline.venues.conditions import lean_conditions
from research.importing import rows
from research.importing.csv_rows import Form, Piece, floats, pieces, sound, wrong_trades
from research.importing.notes import NO_SIDES, NO_TIME, SUSPICIOUS, Notes, Options
from research.importing.rows import QUOTE, TRADE, Numbers
from research.importing.sources import Source
from service.errors import UserError

ZONE = "America/New_York"
SCALE = 10_000.0
"""By which prices of equities are divided."""

_INSIDE = re.compile(
    r"(?P<date>\d{8})_(?P<symbol>.+?)_(?:(?P<kind>trade|quote)_tick|tick_(?P<other>trade|quote))(?P<tail>_\w+)?\.csv",
    re.I,
)
_OUTSIDE = re.compile(r"(?P<date>\d{8})_(?P<kind>trade|quote)\.(?:zip|csv)", re.I)
_TRADE = ("ms", "price", "size", "exchange", "condition", "suspicious")
_QUOTE = ("ms", "bid", "bid_size", "ask", "ask_size", "exchange", "condition", "suspicious")
_CRYPTO = {"trade": _TRADE[:3], "quote": _QUOTE[:5]}
_MS = 1_000_000
_LONGEST_DAY = 25 * 3_600_000  # ms: when clocks are put back


class _File:
    """What the names of a file say, and how many columns it has."""

    def __init__(self, source: Source) -> None:
        inside, outside = _INSIDE.fullmatch(source.name), _OUTSIDE.fullmatch(source.path.name)
        found = inside or outside
        self.kind = ((inside and (inside["kind"] or inside["other"])) or (outside and outside["kind"]) or "").lower()
        self.date = found["date"] if found else ""
        self.symbol = (inside["symbol"] if inside else source.path.parent.name if outside else "").upper()
        first = source.head.split(b"\n", 1)[0].decode("utf-8", "replace")
        self.tail = (inside and inside["tail"]) or ""
        self.columns = first.count(",") + 1 if first.strip() else 0
        self.equity = self.columns in (len(_TRADE), len(_QUOTE))

    @property
    def is_ticks(self) -> bool:
        """Whether it is of ticks, and not of bars."""
        wanted = {"trade": (len(_TRADE), 3), "quote": (len(_QUOTE), 5)}
        return bool(self.date) and self.columns in wanted.get(self.kind, ())

    @property
    def midnight(self) -> int:
        """When its day began, in ns."""
        zone = ZoneInfo(ZONE if self.equity else "UTC")
        return int(datetime.strptime(self.date, "%Y%m%d").replace(tzinfo=zone).timestamp()) * SECOND


def looks_like(source: Source) -> bool:
    """Whether the names say so; bars are told when they are read."""
    return bool(_INSIDE.fullmatch(source.name) or (source.member and _OUTSIDE.fullmatch(source.path.name)))


def zone_of(source: Source) -> str:
    """Return the zone that its times are in."""
    return ZONE if _File(source).equity else "UTC"


def scale_of(source: Source) -> float:
    """Return by what its prices are divided."""
    return SCALE if _File(source).equity else 1.0


def read(source: Source, options: Options, notes: Notes) -> Iterator[pa.Table]:
    """Read ticks. Raises UserError for bars."""
    file = _File(source)
    if file.tail:
        raise UserError(f"{source.label} holds LEAN's options or futures ({source.name}): take equities or crypto")
    if not file.is_ticks:
        raise UserError(
            f"{source.label} holds no LEAN ticks but bars, or ticks of another market: it has {file.columns} columns; "
            "take DATE_trade.zip and DATE_quote.zip out of the folder tick/"
        )
    symbol = file.symbol or options.symbol
    names = (_TRADE if file.kind == "trade" else _QUOTE) if file.equity else _CRYPTO[file.kind]
    texts = ("exchange", "condition", "suspicious")
    form = Form(names, {name: pa.string() if name in texts else pa.float64() for name in names})
    book = Nbbo()
    for piece in pieces(source, form, notes):
        ms = floats(piece.column("ms"))
        within = (ms >= 0) & (ms < _LONGEST_DAY)
        ts = np.where(within, file.midnight + np.rint(np.where(within, ms, 0.0) * _MS).astype(np.int64), 0)
        if file.kind == "trade":
            yield _trades(source, piece, symbol, ts, file.equity, notes)
        else:
            yield _quotes(source, piece, symbol, ts, file.equity, notes, book)


def _suspicious(piece: Piece) -> Numbers:
    found: Numbers = np.asarray(pa.compute.is_in(piece.column("suspicious"), pa.array(["1", "True", "true"])))
    return found


def _trades(source: Source, piece: Piece, symbol: str, ts: Numbers, equity: bool, notes: Notes) -> pa.Table:
    price, size = floats(piece.column("price")), floats(piece.column("size"))
    wrong = wrong_trades(ts, price, size)
    kinds = conditions = None
    if equity:
        price = price / SCALE
        wrong[SUSPICIOUS] = _suspicious(piece)
        kinds, conditions = rows.kinds_of_prints(piece.column("condition"), "C", _codes)
    made = rows.table(TRADE, symbol, ts, price=price, size=size, conditions=conditions, print=kinds)
    kept = sound(source, piece, notes, wrong)
    return made if kept is None else made.filter(pa.array(kept))


def _codes(text: str | None) -> list[str]:
    """Return the codes of a condition, which is a number in hexadecimal."""
    try:
        return lean_conditions(int(text or "0", 16))
    except ValueError:
        return ["?"]


class Nbbo:
    """Makes the best bid and ask of what each exchange says, a side at a time."""

    def __init__(self) -> None:
        self._sides: tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]] = ({}, {})
        self._best: list[tuple[float, float] | None] = [None, None]  # price and size, of bids and of asks
        self._given: tuple[float, float, float, float] | None = None

    def take(self, exchange: str, side: int, price: float, size: float) -> None:
        """Take the bid (side 0) or ask (side 1) of an exchange; one of no size is taken back."""
        quotes = self._sides[side]
        before, best = quotes.get(exchange), self._best[side]
        if size > 0:
            quotes[exchange] = (price, size)
        else:
            quotes.pop(exchange, None)
        if size > 0 and (best is None or (price > best[0] if side == 0 else price < best[0])):
            self._best[side] = (price, size)
        elif best is None or before is None or before[0] == best[0] or (size > 0 and price == best[0]):
            self._best[side] = _best(quotes.values(), side)

    @property
    def changed(self) -> tuple[float, float, float, float] | None:
        """Return bid, its size, ask, its size if they are others than when they were asked for last; else None."""
        bid, ask = self._best
        if bid is None or ask is None or (*bid, *ask) == self._given:
            return None
        self._given = (*bid, *ask)
        return self._given


def _best(quotes: Iterable[tuple[float, float]], side: int) -> tuple[float, float] | None:
    """Return the best price, with the largest size of one exchange there."""
    sign = 1 if side == 0 else -1
    return max(quotes, key=lambda quote: (sign * quote[0], quote[1]), default=None)


def _quotes(source: Source, piece: Piece, symbol: str, ts: Numbers, equity: bool, notes: Notes, book: Nbbo) -> pa.Table:
    """Build the best of all exchanges; a row of one side leaves the other as it was."""
    scale = SCALE if equity else 1.0
    sides = [floats(piece.column(name)) for name in ("bid", "bid_size", "ask", "ask_size")]
    bid, bid_size, ask, ask_size = (np.nan_to_num(side) for side in sides)
    wrong = {NO_TIME: ts <= 0, NO_SIDES: ~((bid > 0) | (ask > 0))}
    if equity:
        wrong[SUSPICIOUS] = _suspicious(piece)
    kept = sound(source, piece, notes, wrong)
    exchanges = piece.column("exchange").to_pylist() if equity else [""] * len(piece)
    given = zip(
        exchanges, (bid / scale).tolist(), bid_size.tolist(), (ask / scale).tolist(), ask_size.tolist(), strict=True
    )
    found: list[tuple[float, float, float, float]] = []
    places: list[int] = []
    take = book.take
    for place, (exchange, bid_, bid_size_, ask_, ask_size_) in enumerate(given):
        if kept is not None and not kept[place]:
            continue
        if bid_ > 0:
            take(exchange, 0, bid_, bid_size_)
        if ask_ > 0:
            take(exchange, 1, ask_, ask_size_)
        if (best := book.changed) is not None:
            found.append(best)
            places.append(place)
    best_ = np.array(found).reshape(len(found), 4).T
    columns = dict(zip(("bid", "bid_size", "ask", "ask_size"), best_, strict=True))
    return rows.table(QUOTE, symbol, ts[places], **columns)
