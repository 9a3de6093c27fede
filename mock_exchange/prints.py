"""How prints are reported: on which tape, under which conditions, and what of a bar they may move.

Beside the market's own trades there are, where a switch asks for them, prints that were priced elsewhere or earlier,
and cancels and corrections of trades. None of them is matched against an order, or moves the market.

Sources: CTA and UTP specifications (sale conditions); Alpaca's "market data FAQ" (minute bars); the SEC's round lots by
price, in force since 2025-11-03.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import msgspec
from msgspec.structs import replace

from mock_exchange.events import Event, Trade
from mock_exchange.faults import Faults
from mock_exchange.price_process import KNOWN_PRICES, start_price

ROUND_LOTS = ((250.0, 100), (1_000.0, 40), (10_000.0, 10))
"""Up to which price, and how many shares; above the last one it is a single share."""

SWEEPS = 0.35  # share of trades that are a part of an intermarket sweep
FAR = 0.048  # by which an average price may be off the market, a fraction
LATE_BY = 40  # trades ago, that a late print was made

FIRST_ID = 1_000_000_000
"""Of prints beside the market's own trades, whose ids begin at 1."""


class Print(msgspec.Struct, frozen=True):
    """A trade that was priced elsewhere or earlier, as it is reported now."""

    symbol: str
    ts: int
    price: float
    size: int
    id: int
    conditions: tuple[str, ...]


class Undone(msgspec.Struct, frozen=True):
    """A trade is canceled, or corrected to another one."""

    symbol: str
    ts: int
    trade: Trade
    corrected: Trade | None = None


class Moves(NamedTuple):
    """What of a minute's bar a print may move, beside its volume."""

    close: bool  # and the open
    range: bool  # high and low


@lru_cache(maxsize=1_024)
def tape_of(symbol: str) -> str:
    """Return the tape of a stock: C is NASDAQ's, A NYSE's, B that of the other exchanges."""
    return "C" if symbol in KNOWN_PRICES else "ABC"[crc32(symbol.encode()) % 3]


@lru_cache(maxsize=1_024)
def round_lot(symbol: str) -> int:
    """Return the shares of a round lot, by the price that the stock begins with: it holds for months."""
    price = start_price(symbol)
    return next((shares for most, shares in ROUND_LOTS if price <= most), 1)


def regular(symbol: str) -> str:
    """Return how a tape calls a regular trade."""
    return "@" if tape_of(symbol) == "C" else " "


def conditions_of(it: Trade | Print) -> list[str]:
    """Return the conditions that a print is reported with; those of a trade follow from its size and its id."""
    if isinstance(it, Print):
        return list(it.conditions)
    sweep = crc32(b"%d" % it.id) / 2**32 < SWEEPS
    odd = it.size < round_lot(it.symbol)
    return [regular(it.symbol), *(["F"] if sweep else []), *(["I"] if odd else [])]


def moves(it: Trade | Print) -> Moves:
    """Return what a print may move: an odd lot or an average price nothing, a late print the range."""
    if isinstance(it, Print):
        return Moves(False, "Z" in it.conditions)
    whole = it.size >= round_lot(it.symbol)
    return Moves(whole, whole)


class Reports:
    """Adds to the market's events what else is reported, as the switches ask for it."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._next_id = FIRST_ID
        self._past: dict[str, deque[Trade]] = {}  # of late prints; only while they are wanted
        self._undone: list[Trade] = []  # what is said with the next event

    def __call__(self, events: Iterable[Event]) -> Sequence[Event | Print | Undone]:
        """Return events with the prints beside them, in order."""
        if not self._faults and not self._undone:
            return list(events)
        reported: list[Event | Print | Undone] = []
        for event in events:
            reported += [self._undo(trade, event.ts) for trade in self._undone]
            self._undone = []
            reported.append(event)
            if isinstance(event, Trade):
                reported += self._beside(event)
        return reported

    def _beside(self, trade: Trade) -> list[Print]:
        found = []
        strikes, name = self._faults.strikes, regular(trade.symbol)
        if strikes("average_prices"):
            code = "W" if tape_of(trade.symbol) == "C" else "B"
            off = FAR * (self._faults.pick("average_prices", 201) / 100 - 1)
            shares = 100 * (1 + self._faults.pick("average_prices", 1_500))
            found.append(self._print(trade, round(trade.price * (1 + off), 2), shares, (name, code)))
        if "late_prints" in self._faults:
            past = self._past.setdefault(trade.symbol, deque(maxlen=LATE_BY))
            if past and strikes("late_prints"):
                found.append(self._print(trade, past[0].price, past[0].size, (name, "Z")))
            past.append(trade)
        if strikes("undone"):
            self._undone.append(trade)
        return found

    def _print(self, trade: Trade, price: float, size: int, conditions: tuple[str, ...]) -> Print:
        self._next_id += 1
        return Print(trade.symbol, trade.ts, price, size, self._next_id, conditions)

    def _undo(self, trade: Trade, ts: int) -> Undone:
        """Cancel a trade, or correct its price by a cent."""
        if self._faults.pick("undone", 2):
            return Undone(trade.symbol, ts, trade)
        self._next_id += 1
        return Undone(trade.symbol, ts, trade, replace(trade, price=round(trade.price + 0.01, 2), id=self._next_id))
