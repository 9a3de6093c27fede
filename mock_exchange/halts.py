"""Trading halts: when a stock is not traded, by a plan and by a request.

A plan is written SYMBOL, SYMBOL@SECONDS or SYMBOL@SECONDS+SECONDS: after so many market seconds (at once, if it does
not say), and for so many (until it is resumed by a request). Behind it may stand =REASON, a code of `REASONS`. While a
stock is halted no event of it is published, and what happened meanwhile is seen in its first price afterwards.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from operator import itemgetter

import msgspec

from mock_exchange.events import SECOND

_PLAN = re.compile(r"([^@=]+)(?:@([0-9]{1,7}(?:\.[0-9]{1,9})?)(?:\+([0-9]{1,7}(?:\.[0-9]{1,9})?))?)?(?:=([A-Z0-9]+))?")

REASONS = ("LUDP", "T1", "T12")
"""Volatility pause, news pending, information requested: the codes of NASDAQ's tape. The first is the common one."""


class TradingStatus(msgspec.Struct, frozen=True, gc=False):
    """A stock is halted, or traded again."""

    symbol: str
    ts: int
    halted: bool
    reason: str = REASONS[0]


class Plan(msgspec.Struct, frozen=True):
    """A halt to come; times in market seconds since the market opened."""

    symbol: str
    after_s: float = 0.0
    for_s: float | None = None  # None: until it is resumed by a request
    reason: str = REASONS[0]


def parse(text: str) -> Plan:
    """Read a plan. Raises ValueError, one sentence."""
    found = _PLAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"a halt is written SYMBOL, SYMBOL@SECONDS or SYMBOL@SECONDS+SECONDS, not {text[:40]!r}")
    symbol, after, lasting, reason = found.groups()
    if reason is not None and reason not in REASONS:
        raise ValueError(f"the reason of a halt is one of {', '.join(REASONS)}, not {reason[:20]}")
    return Plan(symbol, float(after or 0), float(lasting) if lasting else None, reason or REASONS[0])


class Halts:
    """Which stocks are halted, and which will be."""

    def __init__(self, plans: Iterable[str], start_ns: int) -> None:
        self.halted: set[str] = set()
        self._reasons: dict[str, str] = {}  # of those that are halted
        due: list[tuple[int, str, bool, str]] = []  # time, symbol, halted or not, why
        for plan in map(parse, plans):
            begins = start_ns + round(plan.after_s * SECOND)
            due.append((begins, plan.symbol, True, plan.reason))
            if plan.for_s is not None:
                due.append((begins + round(plan.for_s * SECOND), plan.symbol, False, plan.reason))
        self._due = deque(sorted(due, key=itemgetter(0)))

    def due(self, now: int) -> list[TradingStatus]:
        """Carry out what was planned up to now; return what changed."""
        changed: list[TradingStatus] = []
        while self._due and self._due[0][0] <= now:
            ts, symbol, halted, reason = self._due.popleft()
            if halted != (symbol in self.halted):
                changed.append(self._switch(symbol, ts, halted=halted, reason=reason))
        return changed

    def switch(self, symbols: Iterable[str], now: int) -> list[TradingStatus]:
        """Halt exactly these, and resume all others; return what changed. Plans stay."""
        wanted = set(symbols)
        changed = [self._switch(symbol, now, halted=False) for symbol in sorted(self.halted - wanted)]
        return changed + [self._switch(symbol, now, halted=True) for symbol in sorted(wanted - self.halted)]

    def _switch(self, symbol: str, ts: int, *, halted: bool, reason: str = REASONS[0]) -> TradingStatus:
        """Halt or resume a stock; it resumes with the reason that it was halted for."""
        if halted:
            self.halted.add(symbol)
            self._reasons[symbol] = reason
        else:
            self.halted.discard(symbol)
            reason = self._reasons.pop(symbol, reason)
        return TradingStatus(symbol, ts, halted, reason)
