"""A clock of the time in which this process ran: in a stop, or the sleep of a laptop, no loop is stuck."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from actors.gateway.gate import GateSettings

_LEAST_GAP_S = 0.25  # real seconds: at least that often one of the threads that guard looks


class RunningClock:
    """Counts seconds from look to look, and none beyond `most_gap_s` between two of them.

    Threads that guard look a few times a second, whatever the loop does. When none of them did, nothing of this
    process ran: it was stopped (Ctrl-Z, SIGSTOP), or the machine slept. Any thread may look.
    """

    def __init__(self, most_gap_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most_gap_s = most_gap_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._last = monotonic()
        self._ran = 0.0

    def __call__(self) -> float:
        """Return the seconds that this process ran since the clock was made."""
        with self._lock:
            now = self._monotonic()
            gap, self._last = now - self._last, now
            self._ran += min(gap, self._most_gap_s)
            return self._ran


def running_clock(settings: GateSettings) -> RunningClock:
    """Return a clock with which the gate is not late to see a stuck loop, and takes no stop for one."""
    return RunningClock(max(_LEAST_GAP_S, min(settings.stall_s, settings.answer_s) / 2))
