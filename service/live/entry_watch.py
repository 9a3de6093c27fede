"""Why an entry would be refused right now, symbol by symbol: risk is asked as it asks itself, and nothing changes."""

from __future__ import annotations

from actors.engine.core import Core
from actors.engine.symbol_context import SymbolContext
from actors.messages import Refusal
from actors.risk.account_limits import Verdict
from pipeline.events import Side, Signal
from web.messages import NoEntry

LOOKS = 10
"""Every so many reports risk is asked about all symbols, unless something happened: about once a second."""


class EntryWatch:
    """Remembers what it found: a report in between costs nothing."""

    def __init__(self) -> None:
        self._left = 0  # reports until the next look
        self._found: dict[str, NoEntry] = {}

    def look_soon(self) -> None:
        """Ask with the next report, since something happened."""
        self._left = 0

    def no_entry(self, core: Core) -> dict[str, NoEntry]:
        """Return the symbols in which no entry is allowed, and why."""
        if not self._left:
            self._left = LOOKS
            skipped = core.risk.snapshot().cooldown
            asked = ((name, _standing(core, context, skipped.get(name, 0))) for name, context in core.contexts.items())
            self._found = {name: why for name, why in asked if why is not None}
        self._left -= 1
        return self._found


def _standing(core: Core, context: SymbolContext, skipped: int) -> NoEntry | None:
    """Return what rules an entry out whichever side it is of, None if nothing does; `skipped` signals are to be."""
    long = _verdict(core, context, Side.LONG)
    if long.reason is None or _verdict(core, context, Side.SHORT).reason is None:
        return None
    reason = long.reason
    held = context.symbol in core.positions.open or core.orders.is_working(context.symbol)
    if reason is Refusal.POSITION_OPEN and not held:  # only the tick that closed it opens none
        return NoEntry(Refusal.COOLDOWN, signals_left=skipped) if skipped else None
    return NoEntry(reason, long.why, skipped if reason is Refusal.COOLDOWN else 0)


def _verdict(core: Core, context: SymbolContext, side: Side) -> Verdict:
    risk = core.risk
    if context.price <= 0:  # there is nothing to hold against a limit yet
        return Verdict(risk.state_refusal(context.symbol))
    signal = Signal(context.symbol, core.now, side, context.price)
    return risk.verdict(signal, risk.rules.size(signal, context, core.positions.equity), context)
