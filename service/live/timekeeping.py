"""Timekeeping: what the passing of time is to a session, and what it must not be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import get_args

from actors.engine.core import Input
from actors.gateway.gate import GateSettings
from actors.orders import AccountReport
from pipeline.admission import Admission
from pipeline.events import NEW_TIME, SECOND, Clock, Gap
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import Event

PAUSE_NS = 3 * SECOND
"""Real time without a beat, and without the process running, after which the bot was away.

What came meanwhile is too old to trade. A loop that is busy, with a burst of ticks or a slow strategy, is not away: it
is late, and takes them all.
"""

_HELD_NS = SECOND // 2  # without a beat after which what has come is read before the time is told
_OLD_NS = 10 * SECOND  # after a pause in which something old may still come
_LEAST_GAP_S = 0.25  # real seconds: at least that often one of the threads that guard looks
_ASK_NS = 10 * SECOND  # between two attempts to begin a session at an earlier time
MARKET_DATA = frozenset(get_args(Event))
"""What comes from the feed. It is dated where it is admitted."""


class Timekeeper:
    """Tells the core the venue's time, and notices when the bot was away or the feed has gone back in time.

    `beat` is called several times a second, on the loop. After a pause (the process was stopped and continued, or the
    machine slept), admission takes nothing that is older than that, and a gap makes the core forget every price: what
    ran out meanwhile is closed at the first price that comes. `monotonic` and `wall` are the machine's clocks, ns;
    `running_s` counts the seconds in which this process ran, and without it a pause is every time without a beat.
    `on_away` is told for how many seconds the bot was away, once it is back. `behind_ns` is by how much the feed's time
    is behind the broker's.
    """

    def __init__(
        self,
        clock: VenueClock,
        admission: Admission,
        monotonic: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], int] = time.time_ns,
        running_s: Callable[[], float] = lambda: 0.0,
        on_away: Callable[[float], None] = lambda _: None,
        behind_ns: int = 0,
    ) -> None:
        self.paused = False  # and the core has not heard of it
        self._clock = clock
        self._admission = admission
        self._monotonic = monotonic
        self._wall = wall
        self._running_s = running_s
        self._on_away = on_away
        self._behind_ns = behind_ns
        self._machine: int | None = None  # the machine's clock less monotonic, at the last beat
        self._slept = 0  # ns by which that has grown, and which no venue has borne out yet
        self._anchor: int | None = None  # the venue's time at monotonic 0, at the last beat
        self._ran_s = 0.0  # at the last beat
        self._beat_at: int | None = None
        self._old_until: int | None = None  # when nothing old is expected any more
        self._asked_at: int | None = None

    def monotonic(self) -> int:
        """Read the monotonic clock for market data that is taken in: a pause is noticed before that is looked at."""
        now = self._monotonic()
        if self._beat_at is not None and (away := self._away(now - self._beat_at)) > PAUSE_NS:
            self._note_beat(now)
            self._on_away(away / SECOND)
            if (venue := self._clock.now(now)) is not None:
                self.paused = True
                self._old_until = now + _OLD_NS
                self._admission.pause(2 * venue - self._clock.latest(now))
        return now

    def venue_now(self) -> int:
        """Return the venue's time, ns; 0 while it is not known. Any thread may ask."""
        return self._clock.now(self._monotonic()) or 0

    def _away(self, silent: int) -> int:
        """Return how much of the time without a beat this process did not run, ns."""
        if silent <= PAUSE_NS:
            return silent
        return silent - round((self._running_s() - self._ran_s) * SECOND)

    def _notice_sleep(self, wall: int, monotonic: int) -> None:
        """Tell of a sleep, in which monotonic clocks stand still, once the venue's time has moved on as the machine's.

        A machine's clock that was only set is not borne out by any venue.
        """
        machine, venue = wall - monotonic, self._clock.now(monotonic)
        if self._machine is not None and abs(machine - self._machine) > SECOND:
            self._slept += machine - self._machine
        self._machine = machine
        anchor = None if venue is None else venue - round(self._clock.rate * monotonic)
        if self._slept and anchor is not None and self._anchor is not None:
            passed = anchor - self._anchor
            if passed > PAUSE_NS and abs(passed - self._slept) < SECOND:
                self._slept = 0
                self._on_away(passed / SECOND)
        self._anchor = anchor

    def _note_beat(self, monotonic: int) -> None:
        self._beat_at = monotonic
        self._ran_s = self._running_s()

    def beat(self, core_now: int) -> list[Input]:
        """Return what the core is to be told of time, if anything; `core_now` is its own, ns."""
        monotonic = self.monotonic()
        held = self._beat_at is not None and monotonic - self._beat_at > _HELD_NS
        self._note_beat(monotonic)
        wall = self._wall()
        self._clock.see_machine(wall, monotonic)
        self._notice_sleep(wall, monotonic)
        if self._old_until is not None and monotonic > self._old_until:
            self._old_until = None
            self._admission.pause(0)
        now = self._clock.now(monotonic)
        if now is None or (held and not self.paused):  # what waits on the socket comes first: it is older
            return []
        inputs: list[Input] = [Gap(now, None, NEW_TIME)] if self.paused else []
        self.paused = False
        if now > core_now:
            inputs.append(Clock(now))
        return inputs

    def hear_account_time(self, inputs: Sequence[Input], heard_at: int | None = None) -> None:
        """Learn the time from a broker's account, as a witness, while the market has said nothing: it is one venue.

        `heard_at` is when the account was heard of, in ns of the monotonic clock: it may have waited for a loop that
        was held. Without it, that was now. Its time was told before it was read to its end: requests may wait for room.
        """
        heard_at = self._monotonic() if heard_at is None else heard_at
        for event in inputs:
            if isinstance(event, AccountReport):
                self._clock.plausible(event.ts - self._behind_ns, heard_at - (event.took or 0))

    def earlier(self) -> int | None:
        """Return the time at which a session is to begin, ns, if the feed has gone back to it; not too often."""
        monotonic = self._monotonic()
        earlier = self._clock.earlier(monotonic)
        if earlier is None or (self._asked_at is not None and monotonic - self._asked_at < _ASK_NS):
            return None
        self._asked_at = monotonic
        return earlier

    def go_back(self) -> None:
        """Follow the feed to that time: the session that goes on from there is fed by it."""
        self._admission.pause(0)
        self._clock.go_back(self._monotonic())


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
