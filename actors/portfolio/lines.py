"""A signal and a finished trade as one line of JSON: of a replay's files, and of what the dashboard is told."""

from __future__ import annotations

import msgspec

from actors.messages import PositionClosed, SignalRaised


class SignalLine(msgspec.Struct, frozen=True):
    """A signal and what risk said to it: one line of signals.jsonl.

    `ts` is in ns since 1970, UTC; `momentum` and `range` are fractions, `volume_ratio` a multiple of the mean.
    `decision` is APPROVED or REJECTED, and `reason` says why it was rejected. `id` joins it with its trade.
    """

    ts: int
    symbol: str
    side: str
    price: float
    momentum: float
    volume_ratio: float
    range: float
    decision: str
    reason: str | None
    id: str

    @classmethod
    def of(cls, fact: SignalRaised) -> SignalLine:
        """Return the line of a signal."""
        s = fact.signal
        decision = "APPROVED" if fact.approved else "REJECTED"
        return cls(
            s.ts, s.symbol, s.side, s.price, s.momentum, s.volume_ratio, s.range, decision, fact.reason, fact.decision
        )


class TradeLine(msgspec.Struct, frozen=True):
    """A finished trade: one line of trades.jsonl.

    Times are in ns since 1970, UTC; prices, `pnl` (after `fees`) and `fees` in the symbol's currency; `pnl_pct` is a
    fraction of the entry's value; `quantity` is in shares. `exit_reason` is TP, SL, TIME, FLAT, that of an exit of your
    own, or one of the core's (HALT, FALLBACK ...). `id` joins it with its signal.
    """

    symbol: str
    side: str
    quantity: float
    entry_ts: int
    entry_price: float
    exit_ts: int
    exit_price: float
    exit_reason: str
    pnl: float
    pnl_pct: float
    fees: float
    id: str

    @classmethod
    def of(cls, fact: PositionClosed) -> TradeLine:
        """Return the line of a trade."""
        return msgspec.convert(msgspec.structs.asdict(fact) | {"id": fact.decision}, cls)
