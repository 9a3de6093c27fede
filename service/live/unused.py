"""Ticks that come and are not used, whatever the reason: a state that is shown and logged, not only a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from loguru import logger

from actors.engine.core import Core
from pipeline.admission import CROSSED_QUOTE, NOT_SUBSCRIBED, TOO_MANY_SYMBOLS

AFTER_S = 5.0  # real seconds in which no tick was used ...
AT_LEAST = 3  # ... and so many came
LATE = "dated before the last one"
"""Why the core uses a tick not: `ticks_late`."""

_AGAIN = 5  # ticks in a row that are used: then all is well again

_NO_TICKS = (CROSSED_QUOTE, NOT_SUBSCRIBED, TOO_MANY_SYMBOLS)
"""Reasons for which what is refused is none of ours, or no tick."""

_log = logger.bind(logger="microbot.feed")


class _Heard:
    """What came since ticks began to be of no use."""

    __slots__ = ("in_a_row", "reasons", "since", "told", "used")

    def __init__(self, since: float) -> None:
        self.since = since
        self.used = 0  # strays between those that are not
        self.in_a_row = 0  # of them, since the last that was not
        self.reasons: Counter[str] = Counter()
        self.told = False

    def described(self, now_s: float) -> str:
        """Say for how long, how many and why."""
        many = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common(3))
        used = f"only {self.used:,} of {self.used + self.reasons.total():,} were" if self.used else "none was"
        return f"{used} used for {now_s - self.since:.0f} s: {many}"

    def count(self, used: int, unused: Counter[str]) -> bool:
        """Take what came since; return whether ticks are used again: several in a row, or a tenth of all."""
        self.reasons += unused
        self.used += used
        self.in_a_row = 0 if unused else self.in_a_row + used
        return self.in_a_row >= _AGAIN or self.used * 10 >= max(1, self.reasons.total())

    def tell_unused(self, symbol: str, now_s: float) -> None:
        """Tell, once and when it is time to, that a symbol's ticks come in vain, or what the feed sends at all."""
        if self.told or now_s - self.since < AFTER_S or self.reasons.total() < AT_LEAST:
            return
        self.told = True
        bound = _log.bind(event="ticks.unused", symbol=symbol, reasons=dict(self.reasons))
        bound.warning(f"{_what(symbol)} come, and {self.described(now_s)}")

    def tell_used(self, symbol: str) -> None:
        """Tell that all is well again, if the contrary was told."""
        if self.told:
            _log.bind(event="ticks.used", symbol=symbol).info(f"{_what(symbol)} are used again")


class Unused:
    """Looks, a few times a second, which symbols' ticks come in vain.

    Late ticks are counted by the core, what admission refuses by it, what no dialect can read in all. Where the feed
    sends nothing that can be read at all, that is so of every symbol that is known. `monotonic` is in s.
    """

    def __init__(self, refused: Callable[[], Mapping[str, Counter[str]]], monotonic: Callable[[], float]) -> None:
        self.states: dict[str, str] = {}  # by symbol, in words; empty nearly always
        self._refused = refused
        self._monotonic = monotonic
        self._late: dict[str, int] = {}  # at the last look, by symbol
        self._before: dict[str, Counter[str]] = {}  # refused until then, by symbol
        self._unread_before: Counter[str] = Counter()
        self._heard: dict[str, _Heard] = {}
        self._feed: _Heard | None = None

    def update(self, fed: Mapping[str, int], core: Core) -> None:
        """Take how many trades of each symbol were fed since the last look, late ones included."""
        now = self._monotonic()
        in_vain, all_refused = self._in_vain(core)
        for symbol in in_vain.keys() | (fed.keys() & self._heard.keys()):
            unused = in_vain.get(symbol, Counter())
            self._see(symbol, fed.get(symbol, 0) - unused[LATE], unused, now)
        self._see_feed(bool(fed), core.metrics.rejected, all_refused, now)
        self.states = {symbol: heard.described(now) for symbol, heard in self._heard.items() if heard.told}
        if self._feed is not None and self._feed.told:
            self.states |= dict.fromkeys(core.contexts.keys() - self.states.keys(), self._feed.described(now))

    def _in_vain(self, core: Core) -> tuple[dict[str, Counter[str]], Counter[str]]:
        """Return what was not used since the last look, by symbol, and what admission has refused so far, in all."""
        in_vain: dict[str, Counter[str]] = {}
        in_all: Counter[str] = Counter()
        for symbol, context in core.contexts.items():
            if context.late != (before := self._late.get(symbol, 0)):
                self._late[symbol] = context.late
                if context.late > before:  # else it is that of another session
                    in_vain.setdefault(symbol, Counter())[LATE] += context.late - before
        for symbol, reasons in self._refused().items():
            in_all += reasons
            if reasons != (known := self._before.get(symbol, Counter())):
                in_vain[symbol] = in_vain.get(symbol, Counter()) + (reasons - known)
                self._before[symbol] = reasons.copy()
        return in_vain, in_all

    def _see(self, symbol: str, used: int, unused: Counter[str], now: float) -> None:
        heard = self._heard.get(symbol)
        if heard is None:
            if not unused.total():
                return
            heard = self._heard[symbol] = _Heard(now)
        if heard.count(max(0, used), unused):
            del self._heard[symbol]
            heard.tell_used(symbol)
        else:
            heard.tell_unused(symbol, now)

    def _see_feed(self, used: bool, rejected: Counter[str], refused: Counter[str], now: float) -> None:
        unread = Counter({reason: n for reason, n in (rejected - refused).items() if reason not in _NO_TICKS})
        more, self._unread_before = unread - self._unread_before, unread
        if used:
            if self._feed is not None:
                self._feed.tell_used("")
            self._feed = None
        elif more:
            self._feed = self._feed or _Heard(now)
            self._feed.reasons += more
            self._feed.tell_unused("", now)


def _what(symbol: str) -> str:
    return f"{symbol}: ticks" if symbol else "the feed's messages"
