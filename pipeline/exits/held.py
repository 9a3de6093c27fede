"""What exits watch, and what they say."""

from __future__ import annotations

import msgspec
from msgspec.structs import force_setattr

from pipeline.checked import note_maker, number, text
from pipeline.events import Side


class Held(msgspec.Struct, frozen=True):
    """An open position as its exits see it: prices as floats, times in ns."""

    symbol: str
    side: Side
    entry_price: float
    entry_ts: int


class ExitSignal(msgspec.Struct, frozen=True, dict=True):
    """A wish to close a position; `reason` is TP, SL, TIME, FLAT or one of your own.

    With a `part` (a fraction, more than 0) below 1, it is about so much of what is held, once a position for each
    `name`, or where there is none, for each reason.
    """

    symbol: str
    reason: str
    part: float = 1.0
    name: str = ""  # of the exit that wants a part

    def __post_init__(self) -> None:
        note_maker(self)
        if self.symbol.__class__ is not str:
            force_setattr(self, "symbol", text("an exit's symbol is", self.symbol))
        force_setattr(self, "reason", text("an exit's reason is", self.reason))
        if self.part.__class__ is not float or self.part != 1.0:
            force_setattr(self, "part", fraction_of_position("an exit's part", self.part))
            if self.name.__class__ is not str or self.name:
                force_setattr(self, "name", text("an exit's name is", self.name))


def fraction_of_position(what: str, given: float) -> float:
    """Return a part of a position as a fraction. Raises ValueError where it is not more than 0 and at most 1."""
    found = number(f"{what} is", given)
    if not 0 < found <= 1:
        raise ValueError(f"{what} must be more than 0 and at most 1 (0.5 is half of what is held), not {given}")
    return found
