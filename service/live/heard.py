"""How long ago each symbol's newest tick came, in real seconds, whatever time its venue is at; off the tick path."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from web.messages import Heard

_WEIGHT = 1 / 16  # of a new gap in what is usual
_LONGEST_S, _MOST_USUAL = 1.0, 8.0  # a gap counts as no more, or so often what is usual: a night says little of a pace
_MOST_SYMBOLS = 1_000


class TickAges:
    """Notes which symbols had a tick since it was last asked, ten times a second: so fine is what it knows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}  # seconds of the clock, by symbol
        self._gaps: dict[str, float] = {}  # seconds that are usual between two looks that found a tick
        self._feed_changed = clock()

    def note_ticks(self, symbols: Iterable[str]) -> None:
        """Note that ticks of these came since the last look."""
        now = self._clock()
        for symbol in symbols:
            before = self._last.get(symbol)
            if before is None:
                if len(self._last) >= _MOST_SYMBOLS:
                    continue
            else:
                gap = now - before
                usual = self._gaps.get(symbol, gap)
                self._gaps[symbol] = usual + (min(gap, max(_LONGEST_S, _MOST_USUAL * usual)) - usual) * _WEIGHT
            self._last[symbol] = now

    def note_feed(self) -> None:
        """Note that the feed's state changed now."""
        self._feed_changed = self._clock()

    def heard(self) -> Heard:
        """Return what is known now."""
        now = self._clock()
        ticks = {name: (round(now - at, 3), round(self._gaps.get(name, 0.0), 3)) for name, at in self._last.items()}
        return Heard(round(now - self._feed_changed, 3), ticks)
