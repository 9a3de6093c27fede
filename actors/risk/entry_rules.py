"""Entry rules: how much an entry may be of, and whether the venue and the limits allow it now."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from actors.actor import SymbolView
from actors.messages import Refusal, Sized
from actors.risk.account_limits import AccountLimits, Verdict
from actors.risk.limits import Limits
from actors.risk.sizing import Sizing, price_to_enter
from actors.risk.strategy_shares import StrategyShares
from actors.risk.venue_facts import VenueFacts
from pipeline.events import Signal


class Size(NamedTuple):
    """How many shares an entry is of, the most that it might be of, and how that was computed, where it was."""

    quantity: Decimal
    most: Decimal
    sized: Sized | None


class EntryRules:
    """Sizes an entry and holds it against what venue and limits allow, in that order; quantities are in shares.

    `position_size` is the size where none is computed, and `cutoff` the time before a close (ns) in which none enters.
    """

    def __init__(
        self,
        position_size: float,
        cutoff: int,
        facts: VenueFacts,
        limits: Limits,
        account: AccountLimits,
        shares: StrategyShares | None,
        sizing: Sizing | None,
    ) -> None:
        self._position_size = Decimal(str(position_size))
        self._cutoff = cutoff
        self._facts = facts
        self._limits = limits
        self._account = account
        self._shares = shares
        self._sizing = sizing

    def size(self, signal: Signal, view: SymbolView, equity: Decimal) -> Size:
        """Return the size of a signal's entry: what it asks for, or else the most that it may."""
        sized = None
        if self._sizing is not None:
            share = self._shares.share(signal.symbol) if self._shares is not None else None
            sized = self._sizing.size(signal, view, equity, share)
            most = sized.quantity
        elif self._shares is not None:
            most = self._shares.quantity(signal.symbol, self._position_size)
        else:
            most = self._position_size
        return Size(Decimal(repr(signal.quantity)) if signal.quantity else most, most, sized)

    def verdict(self, signal: Signal, size: Size, view: SymbolView, now: int) -> Verdict:
        """Return the first rule that an entry would break now; it changes nothing."""
        quantity = size.quantity
        reason = (
            _signals_refusal(signal, size, now)
            or self._facts.refusal(view, signal.side, quantity, now, self._cutoff)
            or self._limits.refusal(view, signal.side, quantity, now)
        )
        if reason is not None:
            return Verdict(reason)
        return self._account.refusal(quantity, price_to_enter(view, signal.side))

    def entered(self, signal: Signal, quantity: Decimal, view: SymbolView, now: int) -> None:
        """Remember an entry that was approved."""
        self._limits.entered(signal.symbol, signal.side, quantity, now)
        self._account.entered(signal.symbol, quantity, price_to_enter(view, signal.side))


def _signals_refusal(signal: Signal, size: Size, now: int) -> Refusal | None:
    """Return what a signal asks for and is not to get, or None."""
    until = signal.good_until
    if until is not None and now >= until:
        return Refusal.EXPIRED
    if not size.most:
        return Refusal.SIZE_ZERO
    return Refusal.MAX_QUANTITY if size.quantity > size.most else None
