"""A finished trade as it is kept, listed and counted: what the journal says of it, and where it came from."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from actors.messages import PositionClosed
from pipeline.events import EPSILON, Side


class ClosedTrade(msgspec.Struct, frozen=True, gc=False):
    """A finished trade of any session: the columns of `microbot trades`, and what its entry slipped by.

    Money and quantities are exact, in the symbol's currency and in shares; times are in ns since 1970, UTC.
    """

    run: int  # that it ended in, as the journal counts them; 0 where no journal is kept
    decision: str
    symbol: str
    side: str
    quantity: Decimal
    entry_ts: int
    entry_price: Decimal
    exit_ts: int
    exit_price: Decimal
    exit_reason: str
    pnl: Decimal  # after `fees`
    pnl_pct: float  # a fraction of the entry's value
    fees: Decimal
    equity: Decimal  # of the account after it
    origin: str  # RUN/DECISION: where it began, and what it is called there
    entry_slippage: Decimal | None = None  # money paid at the entry beyond the signal's price; None where not known

    @property
    def result(self) -> str:
        """What it came to: "win", "loss" or "even", after fees."""
        return "win" if self.pnl > EPSILON else "loss" if self.pnl < -EPSILON else "even"


COLUMNS = tuple(name for name in ClosedTrade.__struct_fields__ if name != "entry_slippage")
"""Those of `microbot trades`, in their order."""


def closed_trade(fact: PositionClosed, run: int, origin: str, signal_price: float | None) -> ClosedTrade:
    """Return what is kept of a trade; `signal_price` is the one that its signal saw, None where that is not known."""
    told = {name: getattr(fact, name) for name in fact.__struct_fields__ if name != "input"}
    slippage = None if signal_price is None else slipped(fact.side, fact.quantity, fact.entry_price, signal_price)
    return ClosedTrade(**told | {"side": str(fact.side)}, run=run, origin=origin, entry_slippage=slippage)


def slipped(side: str, quantity: Decimal, entry_price: Decimal, signal_price: float) -> Decimal:
    """Return what an entry cost beyond the price that its signal saw; below 0 it was cheaper."""
    sign = 1 if side == Side.LONG else -1
    return sign * (entry_price - Decimal(str(signal_price))) * quantity
