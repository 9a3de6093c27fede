"""Trading halts: when a stock is not traded, by a plan and by a request.

A plan is written SYMBOL, SYMBOL@SECONDS or SYMBOL@SECONDS+SECONDS: after so many market seconds (at once, if it does
not say), and for so many (until it is resumed by a request). While a stock is halted no event of it is published, and
what happened meanwhile is seen in its first price afterwards.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from operator import itemgetter

import msgspec

from mock_exchange.events import SECOND

_PLAN = re.compile(r"([^@]+)(?:@([0-9]{1,7}(?:\.[0-9]{1,9})?)(?:\+([0-9]{1,7}(?:\.[0-9]{1,9})?))?)?")


class TradingStatus(msgspec.Struct, frozen=True, gc=False):
    """A stock is halted, or traded again."""

    symbol: str
    ts: int
    halted: bool


class Plan(msgspec.Struct, frozen=True):
    """A halt to come; times in market seconds since the market opened."""

    symbol: str
    after_s: float = 0.0
    for_s: float | None = None  # None: until it is resumed by a request


def parse(text: str) -> Plan:
    """Read a plan. Raises ValueError, one sentence."""
    found = _PLAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"a halt is written SYMBOL, SYMBOL@SECONDS or SYMBOL@SECONDS+SECONDS, not {text[:40]!r}")
    symbol, after, lasting = found.groups()
    return Plan(symbol, float(after or 0), float(lasting) if lasting else None)


class Halts:
    """Which stocks are halted, and which will be."""

    def __init__(self, plans: Iterable[str], start_ns: int) -> None:
        self.halted: set[str] = set()
        due: list[tuple[int, str, bool]] = []  # time, symbol, halted or not
        for plan in map(parse, plans):
            begins = start_ns + round(plan.after_s * SECOND)
            due.append((begins, plan.symbol, True))
            if plan.for_s is not None:
                due.append((begins + round(plan.for_s * SECOND), plan.symbol, False))
        self._due = deque(sorted(due, key=itemgetter(0)))

    def due(self, now: int) -> list[TradingStatus]:
        """Carry out what was planned up to now; return what changed."""
        changed: list[TradingStatus] = []
        while self._due and self._due[0][0] <= now:
            ts, symbol, halted = self._due.popleft()
            if halted != (symbol in self.halted):
                changed.append(self._switch(symbol, ts, halted=halted))
        return changed

    def switch(self, symbols: Iterable[str], now: int) -> list[TradingStatus]:
        """Halt exactly these, and resume all others; return what changed. Plans stay."""
        wanted = set(symbols)
        changed = [self._switch(symbol, now, halted=False) for symbol in sorted(self.halted - wanted)]
        return changed + [self._switch(symbol, now, halted=True) for symbol in sorted(wanted - self.halted)]

    def _switch(self, symbol: str, ts: int, *, halted: bool) -> TradingStatus:
        (self.halted.add if halted else self.halted.discard)(symbol)
        return TradingStatus(symbol, ts, halted)
