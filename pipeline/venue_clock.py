"""Venue time: what the venue's clock shows at a moment of ours, learnt so that no few messages can move it."""

from __future__ import annotations

from collections import deque

from pipeline.events import SECOND
from pipeline.venues.units import other_unit

_SAMPLES = 31  # offsets whose median is the anchor
_SAMPLE_EVERY = SECOND // 20  # ns of our time between two of them
_LATEST = 1 << 62  # ns: the year 2116
_WITNESSES = 3  # messages in a row that must agree before a far-off time is believed; what came together is one
_SURE = 8  # samples that agree with an anchor before it takes more than witnesses to leave it
_AGREED = 10 * SECOND  # ns of our time that they must have agreed for then, and nothing else have been heard
_MOST_DOUBLINGS = 6  # of that time, for a feed that goes back again and again


class VenueClock:
    """venue time = anchor + rate x monotonic.

    `rate` is venue seconds a real second: 1 for real venues, declared by the mock exchange and the tape player. The
    anchor is the median of the last messages' offsets. Messages far from it (more than a second x rate), and all as
    long as there is none, are witnesses of another time. A first message near the time that was expected is believed
    alone; else three in a row, which did not arrive together, as long as the anchor is young. Once it is sure,

    - a *later* time is believed at once where the machine's own clock jumped alike (a laptop that slept), else after
      ten seconds of messages that all agree on it;
    - an *earlier* time, which a core whose time never goes back cannot follow, stands in `earlier` after ten seconds
      of them, until `go_back` is called. Messages that come late, but in their order, are no witnesses of it.

    All times in ns.
    """

    def __init__(self, max_skew_s: float = 60.0, rate: float = 1.0) -> None:
        self.rate = rate
        self.jumps = 0  # how often the clock followed a far-off time
        self.gaps = 0  # how often it did so over a time of which nothing was heard, or nothing could be used
        self._skew = round(max_skew_s * SECOND)
        self._near = round(SECOND * max(rate, 1.0))
        self._anchor: int | None = None
        self._offsets: deque[int] = deque(maxlen=_SAMPLES)
        self._samples = 0  # that have agreed with the anchor since it was followed
        self._sampled_at = 0
        self._newest = 0  # the latest time that was heard and believed
        self._witnesses: list[int] = []
        self._first_heard_at = 0  # when the first of them spoke
        self._heard_at = 0  # when the last of them did
        self._expected: int | None = None  # what the anchor should be
        self._machine: int | None = None  # what the machine's clock shows, less monotonic
        self._machine_then: int | None = None  # likewise, when the anchor was last agreed with
        self._earlier: int | None = None  # an anchor that everything heard of late agrees on
        self._went_back = 0  # how often the feed did

    def expect(self, ts: int, monotonic: int) -> None:
        """Expect a venue that starts now to tell the time of our own clock; that moves nothing by itself."""
        self._expected = ts - round(self.rate * monotonic)

    def see_machine(self, wall: int, monotonic: int) -> None:
        """Take note of the machine's own clock: it moves nothing by itself, but may bear out that time has jumped."""
        self._machine = wall - monotonic
        if self._machine_then is None:
            self._machine_then = self._machine

    def declare(self, ts: int, rate: float, monotonic: int) -> None:
        """Adopt the time and rate that a venue's hello declares; once sure of a time, only the rate."""
        now = self.now(monotonic)
        self.rate = rate
        self._near = round(SECOND * max(rate, 1.0))
        if now is None or self._samples < _SURE or abs(ts - now) <= self._near:
            self._follow(ts - round(rate * monotonic), monotonic)
            return
        self._follow(now - round(rate * monotonic), monotonic)
        self._samples = _SURE
        self._hear(ts - round(rate * monotonic), monotonic, self._skew)

    def now(self, monotonic: int) -> int | None:
        """Return venue time at `monotonic`; None as long as the venue has said nothing."""
        return None if self._anchor is None else self._anchor + round(self.rate * monotonic)

    def latest(self, monotonic: int) -> int:
        """Return the latest ts that may be used as it is; what is plausible and later than that is dated to now."""
        now = self.now(monotonic)
        return _LATEST if now is None else now + self._near

    def earlier(self, monotonic: int) -> int | None:
        """Return the earlier time that everything heard of late agrees on; None, nearly always, without one."""
        return None if self._earlier is None else self._earlier + round(self.rate * monotonic)

    def go_back(self, monotonic: int) -> None:
        """Follow the earlier time. What ran on the later one has to start over with it."""
        if self._earlier is not None:
            self._went_back += 1
            self.jumps += 1
            self._follow(self._earlier, monotonic)
            self._samples = _SURE

    def beyond_doubt(self, monotonic: int) -> tuple[int, int]:
        """Return the first and last ts that `plausible` would let pass now without learning anything from it."""
        if self._anchor is None or self._witnesses or monotonic - self._sampled_at >= _SAMPLE_EVERY:
            return (1, 0)
        now = self._anchor + round(self.rate * monotonic)
        return (now - self._near, now + self._near)

    def plausible(self, ts: int, monotonic: int) -> bool:
        """Learn from a message's time, and say whether it may be traded on."""
        if not 0 < ts < _LATEST or other_unit(ts):
            return False
        offset = ts - round(self.rate * monotonic)
        if self._anchor is None:
            as_expected = self._expected is not None and abs(offset - self._expected) <= self._skew
            if as_expected or self._hear(offset, monotonic, self._skew):
                self._follow(offset, monotonic)
            return self._anchor is not None
        distance = offset - self._anchor
        if -self._near <= distance <= self._near:
            self._agree(offset, ts, monotonic)
        elif distance > 0:
            self._hear_later(offset, distance, monotonic)
        elif distance >= -self._skew and ts >= self._newest - self._near:
            self._forget_witnesses()  # late, but in order: a way that takes its time is no other time
            self._newest = max(self._newest, ts)
        else:
            self._hear_earlier(offset, distance, monotonic)
        return abs(offset - self._anchor) <= self._skew

    def _agree(self, offset: int, ts: int, monotonic: int) -> None:
        if self._witnesses:
            self._forget_witnesses()
        self._newest = max(self._newest, ts)
        if monotonic - self._sampled_at >= _SAMPLE_EVERY:
            self._sampled_at = monotonic
            self._samples += 1
            self._offsets.append(offset)
            self._anchor = sorted(self._offsets)[len(self._offsets) // 2]
            self._machine_then = self._machine

    def _hear_later(self, offset: int, distance: int, monotonic: int) -> None:
        jumped = self._machine_jump()
        alike = jumped > self._near and abs(distance - jumped) <= self._near
        agreed = self._hear(offset, monotonic, self._near if distance <= self._skew else self._skew)
        if alike or (agreed and (self._samples < _SURE or monotonic - self._first_heard_at >= _AGREED)):
            self.jumps += 1
            self.gaps += alike or distance > self._skew  # else what came was used all along
            self._follow(offset, monotonic)
            if alike:
                self._samples = _SURE

    def _hear_earlier(self, offset: int, distance: int, monotonic: int) -> None:
        agreed = self._hear(offset, monotonic, self._near if distance >= -self._skew else self._skew)
        patience = _AGREED << min(self._went_back, _MOST_DOUBLINGS)
        if agreed and monotonic - self._first_heard_at >= patience:
            self._earlier = offset

    def _machine_jump(self) -> int:
        """By how much the machine's clock has jumped since the anchor was agreed with; 0 where it says nothing."""
        if self._machine is None or self._machine_then is None or self.rate != 1.0:
            return 0
        return self._machine - self._machine_then

    def _hear(self, offset: int, monotonic: int, apart: int) -> bool:
        """Count a witness; it agrees with the one before if they are no further apart than `apart`, or than near.

        Return whether enough of them in a row agree.
        """
        if self._witnesses:
            if abs(offset - self._witnesses[-1]) > max(apart, self._near):
                self._forget_witnesses()
            elif monotonic - self._heard_at < _SAMPLE_EVERY:
                return False
        if not self._witnesses:
            self._first_heard_at = monotonic
        if len(self._witnesses) >= _WITNESSES:
            self._witnesses.pop(0)
        self._witnesses.append(offset)
        self._heard_at = monotonic
        return len(self._witnesses) >= _WITNESSES

    def _forget_witnesses(self) -> None:
        self._witnesses.clear()
        self._earlier = None

    def _follow(self, offset: int, monotonic: int) -> None:
        self._anchor = offset
        self._offsets.clear()
        self._offsets.append(offset)
        self._samples = 0
        self._sampled_at = monotonic
        self._newest = offset + round(self.rate * monotonic)
        self._machine_then = self._machine
        self._forget_witnesses()
