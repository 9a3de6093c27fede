"""The watch on users' strategies: notices one that takes too long while it still does, from a thread of its own.

It looks a few times a second at what the core is doing. What it finds is a measurement, and changes no decision: to
act on it, an edge sends an input.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from actors.supervision.at_work import AtWork

MOST_SYMBOLS = 1_000
"""Symbols whose strikes are remembered."""


class WatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[watch]: how long a symbol's strategy may take for one tick. All of it in real time."""

    budget_ms: Annotated[float, Meta(ge=10)] = 250.0  # a tick that takes longer is reported: a strike
    strikes: Annotated[int, Meta(ge=1)] = 5  # so many ...
    within_s: Annotated[float, Meta(gt=0)] = 60.0  # ... in so many seconds, and the strategy is removed
    gross_ms: Annotated[float, Meta(ge=10)] = 2_000.0  # a tick that takes longer than this: removed at once


class StrategySlow(msgspec.Struct, frozen=True):
    """A strategy takes longer than its budget for one tick; it may still be at it."""

    symbol: str
    place: str  # file:line where it was seen
    took_s: float  # at least
    strikes: int  # of those that count, this one included
    remove: bool  # it is too slow to stay
    reason: str  # in words
    seen_s: float  # monotonic

    @property
    def described(self) -> str:
        """What was seen, for people."""
        return f"{self.reason} (strike {self.strikes})" if self.strikes else self.reason


class StrategyWatch:
    """Judges what each look finds.

    `look` is called every `interval_s` real seconds, and calls `on_slow` at each strike, and once when a strategy is
    to be removed. What it says a tick took is what it saw: a tick that takes half as long again as its budget is always
    noticed, one within its budget never. A look that comes late says little: this process did not run, or not this
    thread. Only the processor time that was used meanwhile counts then. If no more than one input was handled in it, it
    was the one that is at work: code that holds the interpreter, as a long regular expression does, keeps the watch
    from looking until it lets go. `monotonic` and `processor` give seconds, of the clock and of this process; `inputs`
    how many were handled.
    """

    def __init__(
        self,
        settings: WatchSettings,
        see: Callable[[], AtWork | None],
        on_slow: Callable[[StrategySlow], None],
        monotonic: Callable[[], float],
        processor: Callable[[], float],
        inputs: Callable[[], int],
    ) -> None:
        self.interval_s = min(settings.budget_ms, settings.gross_ms) / 4000
        self._settings = settings
        self._see = see
        self._on_slow = on_slow
        self._monotonic = monotonic
        self._processor = processor
        self._inputs = inputs
        self._handled = inputs()
        self._looked = (monotonic(), processor())
        self._last: AtWork | None = None
        self._took_s = 0.0  # that the last one has been at it, at least
        self._struck = False  # it is counted already ...
        self._removed = False  # ... and removed
        self._strikes: dict[str, deque[float]] = {}  # by symbol: when

    def look(self) -> None:
        """Look once."""
        elapsed_s, is_late = self._elapsed()
        now = self._see()
        last, self._last = self._last, now
        before, self._handled = self._handled, self._inputs()
        if now is None:
            return
        if last is None or (now.symbol, now.turn) != (last.symbol, last.turn):
            self._took_s, self._struck, self._removed = 0.0, False, False
            if not is_late or self._handled - before > 1:
                return
        self._took_s += elapsed_s
        self._judge(now)

    def _elapsed(self) -> tuple[float, bool]:
        """Return the seconds that count since the last look, and whether this one is late."""
        (then, used), self._looked = self._looked, (self._monotonic(), self._processor())
        elapsed_s = self._looked[0] - then
        if elapsed_s <= 3 * self.interval_s:
            return elapsed_s, False
        return min(elapsed_s, max(self.interval_s, self._looked[1] - used)), True

    def _judge(self, found: AtWork) -> None:
        settings = self._settings
        took_ms = self._took_s * 1000
        if took_ms >= settings.budget_ms and not self._struck:
            self._struck = True
            strikes = self._strike(found.symbol)
            reason = f"a tick took more than {settings.budget_ms:g} ms, in {found.place}"
            if strikes >= settings.strikes:
                reason = f"{strikes} ticks took more than {settings.budget_ms:g} ms, the last in {found.place}"
            self._tell(found, strikes, reason, remove=strikes >= settings.strikes)
        if took_ms >= settings.gross_ms and not self._removed:
            reason = f"a tick took more than {settings.gross_ms:g} ms, in {found.place}"
            self._tell(found, len(self._strikes.get(found.symbol, ())), reason, remove=True)

    def _strike(self, symbol: str) -> int:
        """Count one, and return how many count now."""
        if symbol not in self._strikes and len(self._strikes) >= MOST_SYMBOLS:
            self._strikes.pop(next(iter(self._strikes)))
        times = self._strikes.setdefault(symbol, deque(maxlen=self._settings.strikes))
        times.append(self._looked[0])
        while times[-1] - times[0] > self._settings.within_s:
            times.popleft()
        return len(times)

    def _tell(self, found: AtWork, strikes: int, reason: str, *, remove: bool) -> None:
        self._removed = remove
        if remove:
            self._strikes.pop(found.symbol, None)
        self._on_slow(StrategySlow(found.symbol, found.place, self._took_s, strikes, remove, reason, self._looked[0]))
