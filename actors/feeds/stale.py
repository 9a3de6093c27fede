"""A watch over a connection that is open, but mute."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

LOOKS = 4
"""How often it looks within the time after which a connection is stale: so it is late by a quarter of that at most."""


class StaleWatch:
    """Tells when a connection is mute: `on_stale` after a while, and `on_silent` after a long one; `on_look` each time.

    One timer, not one per message: receiving one sets `heard`, and the silence begins again, as it does while
    `expects_news` is false. Times are real seconds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stale_after_s: float,
        silent_after_s: float,
        expects_news: Callable[[], bool],
        on_stale: Callable[[], None],
        on_silent: Callable[[], None],
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self.heard = False
        self._loop = loop
        self._every = stale_after_s / LOOKS
        self._silent = max(LOOKS, math.ceil(silent_after_s / self._every))
        self._expects_news = expects_news
        self._on_stale = on_stale
        self._on_silent = on_silent
        self._on_look = on_look
        self._mute = 0  # looks in a row that found nothing new
        self._timer = loop.call_later(self._every, self._look)

    def _look(self) -> None:
        self._mute = 0 if self.heard or not self._expects_news() else self._mute + 1
        self.heard = False
        self._timer = self._loop.call_later(self._every, self._look)
        if self._mute == LOOKS:
            self._on_stale()
        if self._mute == self._silent:
            self._on_silent()
        self._on_look()

    def stop(self) -> None:
        self._timer.cancel()
