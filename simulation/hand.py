"""A person's hand: the owner closes a position of the bot at the venue's own site, or trades in its symbol."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from pipeline.events import SECOND
from simulation.scheduler import VirtualScheduler
from simulation.venue import Venue

WITHIN_S = 20.0
"""Seconds that the owner waits for a position to close."""

DOWN_WITHIN_S = 90.0
"""Seconds that the owner waits for a position that a bot has left behind, which is down."""


class Hand:
    """Closes all or half of a position, as `close position` does or by an order at market, or buys or sells shares.

    `is_down` tells whether no bot runs now, `is_over` whether nothing is to go wrong any more.
    """

    def __init__(
        self,
        scheduler: VirtualScheduler,
        venue: Venue,
        is_down: Callable[[], bool],
        is_over: Callable[[], bool],
    ) -> None:
        self._scheduler = scheduler
        self._venue = venue
        self._is_down = is_down
        self._is_over = is_over

    def reach(self, random: Random) -> str:
        """Do something once there is occasion to; return what, in words."""
        if random.random() < 0.15:
            symbol, shares = random.choice(self._venue.symbols), random.choice((1, 2, 5))
            sign = random.choice((1, -1))
            done = self._venue.hand.trade(symbol, sign * shares, self._scheduler.now)
            return f"{'buys' if sign > 0 else 'sells'} {shares} {symbol}: {done}"
        half, first_cancels = random.random() < 0.4, random.random() < 0.7
        while_down = random.random() < 0.3
        ends = self._scheduler.now + round((DOWN_WITHIN_S if while_down else WITHIN_S) * SECOND)

        def close() -> None:
            held = sorted(self._venue.positions())
            if self._is_over() or self._scheduler.now > ends:
                return
            if not held or (while_down and not self._is_down()):
                self._scheduler.after(0.05, close)
                return
            symbol = random.choice(held)
            self._venue.hand.close(symbol, self._scheduler.now, half=half, first_cancels=first_cancels)

        close()
        how = "as `close position` does" if first_cancels else "by an order at market"
        when = "while the bot is down" if while_down else "as soon as there is one"
        return f"closes {'half of a' if half else 'a'} position, {how}, {when}"
