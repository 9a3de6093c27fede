"""Venue time: what the venue's clock shows at a moment of ours, learnt so that no single message can move it."""

from __future__ import annotations

from collections import deque

from pipeline.events import SECOND
from pipeline.venues.units import other_unit

_SAMPLES = 31  # offsets whose median is the anchor
_SAMPLE_EVERY = SECOND // 20  # ns of our time between two of them
_LATEST = 1 << 62  # ns: the year 2116
_WITNESSES = 3  # messages in a row that must agree before a far-off time is believed; what came together is one


class VenueClock:
    """venue time = anchor + rate x monotonic.

    `rate` is venue seconds a real second: 1 for real venues, declared by the mock exchange and the tape player. The
    anchor is the median of the last messages' offsets. A message far from it (more than a second x rate), and each as
    long as there is none, counts as a witness: only when three in a row, which did not arrive together, agree with each
    other does the clock follow them. That is how it finds the time of a venue that declares none, and of one whose
    clock was set. A first message near the time that was expected is believed alone. All times in ns.
    """

    def __init__(self, max_skew_s: float = 60.0, rate: float = 1.0) -> None:
        self.rate = rate
        self.jumps = 0  # how often the clock followed a far-off time
        self._skew = round(max_skew_s * SECOND)
        self._near = round(SECOND * max(rate, 1.0))
        self._anchor: int | None = None
        self._offsets: deque[int] = deque(maxlen=_SAMPLES)
        self._sampled_at = 0
        self._witnesses: list[int] = []
        self._heard_at = 0  # when the last of them spoke
        self._expected: int | None = None  # what the anchor should be

    def expect(self, ts: int, monotonic: int) -> None:
        """Take the time of our own clock as what a venue will say that starts now; it moves nothing by itself."""
        self._expected = ts - round(self.rate * monotonic)

    def declare(self, ts: int, rate: float, monotonic: int) -> None:
        """Take the venue's own word for its time and rate, as a hello gives them."""
        self.rate = rate
        self._near = round(SECOND * max(rate, 1.0))
        self._follow(ts - round(rate * monotonic), monotonic)

    def now(self, monotonic: int) -> int | None:
        """Return venue time at `monotonic`; None as long as the venue has said nothing."""
        return None if self._anchor is None else self._anchor + round(self.rate * monotonic)

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
            if self._expected is not None and abs(offset - self._expected) <= self._skew:
                self._follow(offset, monotonic)
            else:
                self._hear(offset, monotonic, self._skew)
            return self._anchor is not None
        distance = offset - self._anchor
        if -self._near <= distance <= self._near:
            if self._witnesses:
                self._witnesses.clear()
            if monotonic - self._sampled_at >= _SAMPLE_EVERY:
                self._sampled_at = monotonic
                self._offsets.append(offset)
                self._anchor = sorted(self._offsets)[len(self._offsets) // 2]
            return True
        # Refused for good or not: time that runs at a rate nobody declared must not stay beyond the skew for ever.
        self._hear(offset, monotonic, self._near if abs(distance) <= self._skew else self._skew)
        return abs(offset - self._anchor) <= self._skew

    def _hear(self, offset: int, monotonic: int, apart: int) -> None:
        """Hear a witness; it agrees with the one before if they are no further apart than that, or than near."""
        if self._witnesses:
            if abs(offset - self._witnesses[-1]) > max(apart, self._near):
                self._witnesses.clear()
            elif monotonic - self._heard_at < _SAMPLE_EVERY:
                return
        self._witnesses.append(offset)
        self._heard_at = monotonic
        if len(self._witnesses) >= _WITNESSES:
            self.jumps += self._anchor is not None
            self._follow(offset, monotonic)

    def _follow(self, offset: int, monotonic: int) -> None:
        self._anchor = offset
        self._offsets.clear()
        self._offsets.append(offset)
        self._sampled_at = monotonic
        self._witnesses.clear()
