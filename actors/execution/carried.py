"""Carried exits: those that a signal brought for the position that it opens, in place of the strategy's."""

from __future__ import annotations

from msgspec import UNSET

from actors.execution.messages import Enter
from actors.messages import PositionOpened
from pipeline.exits import SignalExits


class CarriedExits:
    """Remembers, by symbol, the newest decision whose signal carried exits. No later session knows of them."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[str, SignalExits]] = {}

    def note(self, approved: Enter) -> None:
        """Remember what an approved signal carries."""
        if approved.signal.exits is not UNSET:
            self._newest[approved.signal.symbol] = approved.decision, approved.signal.exits

    def of(self, position: PositionOpened) -> SignalExits | None:
        """Return the exits that a position's signal carried; None if it carried none, or an older one opened it."""
        decision, exits = self._newest.get(position.symbol, ("", None))
        return exits if decision == position.decision else None
