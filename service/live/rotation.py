"""Session rotation: when a session ends and another goes on from it, in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable

from actors.core import Core
from service.live.brokerage import at_rest


class RotationPolicy:
    """Says when it is time: its recording has its size, or the trading day has changed.

    It waits for orders that are on their way, since a simulated one does not outlive its session; but no longer than
    `wait_s` real seconds: an exit that is lost then is sent anew, as after a restart.
    """

    def __init__(self, wait_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wait_s = wait_s
        self._monotonic = monotonic
        self._day = ""
        self._since: float | None = None  # when it was due

    def due(self, core: Core, *, full: bool) -> str | None:
        """Return "day" or "size" if the session is to end now."""
        day = core.risk.written()[0]
        self._day = self._day or day
        reason = "day" if day != self._day else "size" if full else None
        if reason is None or not core.now:
            self._since = None
            return None
        now = self._monotonic()
        self._since = now if self._since is None else self._since
        if not at_rest(core) and now - self._since < self._wait_s:
            return None
        self.done(day)
        return reason

    def done(self, day: str) -> None:
        """Begin anew."""
        self._day = day
        self._since = None
