"""A watch over each symbol's own silences: which of them says nothing for longer than it is wont to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

LEARNT = 20
"""Looks with news of a symbol after which its silences are known: before that it is never called stale."""

SPAN = 240
"""Looks in which the longest silence is remembered, and then as many more: 15 to 30 minutes with default settings."""


class Heard(NamedTuple):
    """What is known of a symbol at a look: the time of its newest data, ns, and whether it is halted."""

    symbol: str
    ts: int
    halted: bool


class Silence(NamedTuple):
    """A symbol past its limit: for how many looks it was silent, and the most that it was of late."""

    symbol: str
    looks: int
    longest: int


class _Symbol:
    """What was learnt of one symbol; silences are counted in looks."""

    __slots__ = ("before", "left", "longest", "news", "silent", "ts")

    def __init__(self, ts: int) -> None:
        self.ts = ts  # of its newest data, at the last look
        self.silent = 0  # looks in a row without news
        self.news = 0  # looks with some, up to LEARNT
        self.longest = 1  # silence of this span
        self.before = 1  # of the span before
        self.left = SPAN  # looks of this span


class QuietSymbols:
    """Learns how long each symbol is silent, and tells which one is now for longer than its limit.

    The limit is `times` its longest silence of the last two spans, and at least `least` looks. Gaps between arrivals
    that come at random at some rate are exponential: of n of them the longest is about ln(n) means, and three times as
    long a one has the chance n^-3. A silence past the limit counts as the limit, so that one of an hour does not switch
    the watch off, and a symbol that really gets slower is given time by and by. Looks, not clocks: a pause of the
    process is one look. O(1) a symbol and look; nothing is done for a tick.
    """

    def __init__(self, least: int, times: float) -> None:
        self.stale: set[str] = set()
        self._least = least
        self._times = times
        self._symbols: dict[str, _Symbol] = {}

    def look(self, heard: Iterable[Heard]) -> list[Silence]:
        """Take note of what is known of all symbols now; return which have become stale by it."""
        return [silence for it in heard if (silence := self._look_at(it)) is not None]

    def _look_at(self, heard: Heard) -> Silence | None:
        symbol = self._symbols.get(heard.symbol)
        if symbol is None:
            self._symbols[heard.symbol] = _Symbol(heard.ts)
            return None
        symbol.left -= 1
        if not symbol.left:
            symbol.before, symbol.longest, symbol.left = symbol.longest, 1, SPAN
        limit = self._limit(symbol)
        if heard.ts != symbol.ts:
            symbol.longest = max(symbol.longest, min(symbol.silent + 1, limit))
            symbol.news = min(symbol.news + 1, LEARNT)
            symbol.ts, symbol.silent = heard.ts, 0
        elif heard.halted:
            symbol.silent = 0
        else:
            symbol.silent += 1
            if symbol.silent >= limit and symbol.news == LEARNT and heard.symbol not in self.stale:
                self.stale.add(heard.symbol)
                return Silence(heard.symbol, symbol.silent, max(symbol.longest, symbol.before))
        return None

    def _limit(self, symbol: _Symbol) -> int:
        return max(self._least, math.ceil(self._times * max(symbol.longest, symbol.before)))

    def heard_again(self, newest: Callable[[str], int]) -> list[str]:
        """Return which stale symbols have newer data, and are stale no more; `newest` tells the time of it, ns."""
        again = sorted(name for name in self.stale if newest(name) != self._symbols[name].ts)
        self.stale.difference_update(again)
        return again

    def start_over(self) -> None:
        """Count the silences from here on: nothing was expected, or nothing could come."""
        for symbol in self._symbols.values():
            symbol.silent = 0
