"""Prints with their conditions on a tape: what they come to as ticks, where no admission stands before the core."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from pipeline.events import Prints, Refused, Trade
from pipeline.venues.conditions import UNKNOWN_CONDITION, PrintKind, kind_of

CONDITIONS = b'"conditions"'
"""What stands in a tape's line whose trade has some."""


class _Conditions(msgspec.Struct, frozen=True):
    """What a trade's line says beside the trade: its codes, and the tape that they are those of (A, B, C)."""

    conditions: Any = None
    tape: Any = ""


_read = msgspec.json.Decoder(_Conditions).decode


def conditions_of(line: bytes) -> tuple[str, object]:
    """Return the tape and the conditions of a line that is sound JSON; None for no conditions, which are a list."""
    found = _read(line)
    conditions = found.conditions if isinstance(found.conditions, list) else None
    return found.tape if isinstance(found.tape, str) else "", conditions


class SalePrints:
    """Turns prints of a tape into ticks, as admission those of a feed: sizes of odd lots wait for the next tick."""

    def __init__(self) -> None:
        self.waiting: dict[str, float] = {}  # shares, by symbol
        self._last: dict[str, int] = {}  # ns: a tick from before it is late, and is not used

    def take(self, trade: Trade, tape: str, conditions: object) -> list[Trade | Prints | Refused]:
        """Return what a print comes to: a tick, a count, or both. Without conditions it is a tick."""
        kind, unknown = kind_of(tape, conditions) if conditions else (PrintKind.TICK, False)
        if kind is PrintKind.TICK:
            return [self.whole(trade)]
        counted = Prints(kind, 1, trade.size)
        if kind is PrintKind.AUCTION:
            return [counted, self.whole(replace(trade, size=0.0))]
        if kind is PrintKind.VOLUME:
            self.waiting[trade.symbol] = self.waiting.get(trade.symbol, 0.0) + trade.size
        return [counted, Refused(UNKNOWN_CONDITION)] if unknown else [counted]

    def whole(self, trade: Trade) -> Trade:
        """Return a tick with the size that waited for it."""
        if trade.ts < self._last.get(trade.symbol, 0):
            return trade
        self._last[trade.symbol] = trade.ts
        more = self.waiting.pop(trade.symbol, 0.0)
        return replace(trade, size=trade.size + more) if more else trade
