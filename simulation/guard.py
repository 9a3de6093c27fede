"""The audit of what guards positions: an order at the venue, on its way, or being asked for."""

from __future__ import annotations

from collections.abc import Container

from actors.engine.core import Core
from actors.orders import OrderRejected
from pipeline.events import SECOND
from simulation.broken import Broken

UNGUARDED_S = 1.0
"""Seconds that a position may be without a stop at the venue, or an order to close it."""

EXCUSED_S = 30.0
"""The same while the account was not seen since the start, or after the venue refused an order of the symbol."""


class GuardAudit:
    """Follows for how long positions have no order. Raises Broken ("guarded")."""

    def __init__(self) -> None:
        self.account_seen = False
        self._bare_since: dict[str, int] = {}
        self._excused_from: dict[str, int] = {}  # by symbol: a refusal by the venue, or a person's hand, ns

    def note_rejected(self, fact: OrderRejected) -> None:
        """Note that the venue refused an order."""
        self._excused_from[fact.symbol] = fact.ts

    def check(self, symbol: str, core: Core, excused_from: int, gone: bool) -> None:
        """Check a position; its owner had a hand in it at `excused_from`, ns, and `gone` says that nothing is left."""
        if gone or core.orders.of(symbol) or symbol in core.executor.exits.intents:
            self._bare_since.pop(symbol, None)
            return
        since = max(self._excused_from.get(symbol, 0), excused_from)
        excused = not self.account_seen or core.now < since + EXCUSED_S * SECOND
        most_s = EXCUSED_S if excused else UNGUARDED_S
        if core.now - self._bare_since.setdefault(symbol, core.now) > most_s * SECOND:
            raise Broken("guarded", f"{symbol}: no order has guarded the position for {most_s:g} s")

    def forget(self, held: Container[str]) -> None:
        """Know of positions that are open only."""
        for symbol in [symbol for symbol in self._bare_since if symbol not in held]:
            del self._bare_since[symbol]
