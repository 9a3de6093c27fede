"""What exits watch, and what they say."""

from __future__ import annotations

import msgspec
from msgspec.structs import force_setattr

from pipeline.checked import note_maker, text
from pipeline.events import Side


class Held(msgspec.Struct, frozen=True):
    """An open position as its exits see it: prices as floats, times in ns."""

    symbol: str
    side: Side
    entry_price: float
    entry_ts: int


class ExitSignal(msgspec.Struct, frozen=True, dict=True):
    """A wish to close a position; `reason` is TP, SL, TIME, FLAT or one of your own."""

    symbol: str
    reason: str

    def __post_init__(self) -> None:
        note_maker(self)
        if self.symbol.__class__ is not str:
            force_setattr(self, "symbol", text("an exit's symbol is", self.symbol))
        force_setattr(self, "reason", text("an exit's reason is", self.reason))
