"""Metrics: what summary.json says, folded from the facts as they happen."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec

from actors.book import Tally
from actors.messages import (
    AccountOpened,
    BurstBlocked,
    DayStarted,
    EquityRestated,
    Fact,
    PositionClosed,
    PositionReduced,
    ProfitCorrected,
    SignalRaised,
)
from pipeline.events import EPSILON

BLOCKED = ("NO_VOLUME_SPIKE", "NO_VOLATILITY", "NEVER_TOGETHER")


class Metrics:
    """The account's and the funnel's counts. Money is exact inside and a float in the summary."""

    def __init__(self, starting_equity: Decimal) -> None:
        self.account = ""  # the broker's number for it
        self.late = 0
        self.rejected: Counter[str] = Counter()  # by reason
        self.prints: Counter[str] = Counter()  # that are no plain ticks, by kind
        self.prints_shares: dict[str, float] = {}  # of them
        self.refusals: Counter[str] = Counter()  # signals refused, by reason
        self.blocked: Counter[str] = Counter(dict.fromkeys(BLOCKED, 0))
        self.signals = 0
        self.approved = 0
        self.trades = 0
        self.wins = 0
        self.losses = 0
        self.consecutive_losses = 0
        self.total_pnl = Decimal(0)
        self.equity = starting_equity
        self.day_start_equity = starting_equity
        self.high = starting_equity
        self.max_drawdown = Decimal(0)
        self.max_drawdown_pct = 0.0

    def count_prints(self, kind: str, count: int, size: float) -> None:
        """Count prints that are no plain ticks."""
        self.prints[kind] += count
        self.prints_shares[kind] = self.prints_shares.get(kind, 0.0) + size

    def fold(self, fact: Fact) -> None:
        """Fold one fact in."""
        if isinstance(fact, SignalRaised):
            self.signals += 1
            self.approved += fact.approved
            if fact.reason is not None:
                self.refusals[fact.reason] += 1
        elif isinstance(fact, PositionClosed):
            self._fold_trade(fact)
        elif isinstance(fact, PositionReduced | EquityRestated):  # no trade yet: that is the whole round trip
            self._fold_equity(fact.equity)
        elif isinstance(fact, ProfitCorrected):
            self.total_pnl += fact.pnl
            self._fold_equity(fact.equity)
        elif isinstance(fact, BurstBlocked):
            self.blocked[fact.reason] += 1
        elif isinstance(fact, DayStarted):
            self.day_start_equity = fact.equity
        elif isinstance(fact, AccountOpened):
            self.account = fact.number
            self.equity = fact.equity
            if not fact.resumed:
                self.day_start_equity = self.high = fact.equity

    def _fold_trade(self, trade: PositionClosed) -> None:
        self.trades += 1
        self.total_pnl += trade.pnl
        if trade.pnl > EPSILON:
            self.wins += 1
            self.consecutive_losses = 0
        elif trade.pnl < -EPSILON:
            self.losses += 1
            self.consecutive_losses += 1
        self._fold_equity(trade.equity)

    def _fold_equity(self, equity: Decimal) -> None:
        self.equity = equity
        self.high = max(self.high, self.equity)
        drawdown = self.high - self.equity
        self.max_drawdown = max(self.max_drawdown, drawdown)
        self.max_drawdown_pct = max(self.max_drawdown_pct, float(drawdown / self.high))

    @property
    def tally(self) -> Tally:
        """The figures that go on from session to session."""
        return msgspec.convert(self, Tally, from_attributes=True)

    def restore(self, tally: Tally) -> None:
        """Go on from the figures of an earlier session."""
        vars(self).update(msgspec.structs.asdict(tally))

    def summary(self, *, ticks: int, ready: int, bursts: int, halted: bool, open_positions: int) -> dict[str, object]:
        """Return the fields of summary.json, in its order; what the core counts itself is handed in."""
        return {
            "ticks": ticks,
            "ticks_late": self.late,
            "ticks_rejected": self.rejected.total(),
            "trades": self.trades,
            "wins": self.wins,
            "losses": self.losses,
            "breakeven": self.trades - self.wins - self.losses,
            "win_rate": self.wins / self.trades if self.trades else 0.0,
            "total_pnl": float(self.total_pnl),
            "daily_pnl": float(self.equity - self.day_start_equity),
            "equity": float(self.equity),
            "max_drawdown": float(self.max_drawdown),
            "max_drawdown_pct": self.max_drawdown_pct,
            "current_drawdown": float(self.high - self.equity),
            "consecutive_losses": self.consecutive_losses,
            "halted": halted,
            "open_positions": open_positions,
            "funnel": {
                "ticks": ticks,
                "ready": ready,
                "bursts": bursts,
                "signals": self.signals,
                "approved": self.approved,
                "trades": self.trades,
            },
            "blocked": dict(self.blocked),
            "refusals": {reason: self.refusals[reason] for reason in sorted(self.refusals)},
        }
