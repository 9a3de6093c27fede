"""The venue's limit on requests: how many may go out in a minute, and who goes first when there is no room for all."""

from __future__ import annotations

from collections import deque

from actors.brokers.alpaca.messages import Answer, Outcome, RequestKind
from pipeline.events import SECOND

_MARGIN = 61 / 60
"""Of the venue's minute, how long a request counts here: what left one after the other may arrive closer."""

_PROBE, _EXIT_PROBE = 5 / 61, 1 / 61
"""Of a minute, between two requests after a 429 that did not say until when; an exit tries more often."""

_SHARES = {
    RequestKind.EXIT: 1.0,
    RequestKind.LOOK_UP: 0.85,
    RequestKind.STOP: 0.75,
    RequestKind.ENTRY: 0.65,
    RequestKind.READING: 0.5,
}
"""How much of the limit may be in use when a request of a kind goes out; the rest is kept for the more urgent."""

_LEAST_READINGS = 0.04
"""Of the limit, what readings may have each sixth of a minute, where orders leave nothing of their share."""

_READINGS = 0.45
"""Of the limit, what readings of the account may take, spread over the minute."""


def is_over_quota(outcome: Outcome) -> bool:
    """Whether a request was refused for its frequency: not by a 429 that says that more requests are left."""
    if not isinstance(outcome, Answer) or outcome.status != 429:
        return False
    return outcome.quota is None or outcome.quota.remaining <= 0


class RequestBudget:
    """Counts requests over a sliding minute, and holds back what would leave no room for what is more urgent.

    What the venue tells of its own count (`X-RateLimit-*`) is believed where it is the stricter one: others may use
    the same account. After a 429 nothing goes out before the reset that it named; where it named none, one request at
    a time tries. Times are monotonic ns. `speed`: venue seconds a second; the venue's minutes are meant.
    """

    def __init__(self, per_minute: int, speed: float = 1.0) -> None:
        self._limit = self._per_minute = per_minute
        self.minute_ns = round(60 * SECOND / speed * _MARGIN)  # how long a request counts
        self._sent: deque[int] = deque()  # when, of the requests that count still
        self._readings: deque[int] = deque()  # those of them that were for readings
        self._total_readings = 0  # that were sent
        self._told_used = 0  # by the venue's own count, with what was sent since
        self._told_until = 0  # when that count begins again
        self._reset_ns = 0  # when requests may go out again after a 429
        self._probed_ns: int | None = None  # the 429 did not say when: the last try; None: it did, or there was none

    def note_sent(self, kind: RequestKind, now_ns: int) -> None:
        """Count a request."""
        self._sent.append(now_ns)
        self._told_used += 1
        if kind is RequestKind.READING:
            self._readings.append(now_ns)
            self._total_readings += 1
        if self._probed_ns is not None:
            self._probed_ns = now_ns

    def note_outcome(self, outcome: Outcome, now_ns: int) -> None:
        """Take what an answer tells of the limit."""
        if not isinstance(outcome, Answer):
            return
        quota = outcome.quota
        told_ns = None
        if quota is not None:
            self._limit = min(self._per_minute, quota.limit)
            if quota.reset_in_s is not None:
                told_ns = now_ns + min(round(quota.reset_in_s * SECOND), self.minute_ns)
                self._told_used, self._told_until = quota.limit - quota.remaining, told_ns
        if is_over_quota(outcome):
            self._probed_ns = now_ns if told_ns is None else None
            self._reset_ns = told_ns or 0
        else:
            self._probed_ns = None

    def free_at(self, kind: RequestKind, now_ns: int) -> int:
        """Return when a request of that kind may go out, as far as is known now; at most `now_ns`: at once."""
        for times in (self._sent, self._readings):
            while times and times[0] + self.minute_ns <= now_ns:
                times.popleft()
        free_ns = self._below(_SHARES[kind], now_ns)
        if kind is RequestKind.READING:
            own_ns = self._fewer(self._readings, _LEAST_READINGS, self.minute_ns // 6)
            free_ns = min(free_ns, max(own_ns, self._below(_SHARES[RequestKind.LOOK_UP], now_ns)))
        if self._probed_ns is not None:
            pause = _EXIT_PROBE if kind is RequestKind.EXIT else _PROBE
            free_ns = max(free_ns, self._probed_ns + round(self.minute_ns * pause))
        return max(self._reset_ns, free_ns)

    def _below(self, share: float, now_ns: int) -> int:
        """Return when less than a share of the limit is in use, by our count and the venue's."""
        told_ns = self._told_until if self._told_used >= self._most(share) and self._told_until > now_ns else 0
        return max(self._fewer(self._sent, share, self.minute_ns), told_ns)

    def _fewer(self, times: deque[int], share: float, within_ns: int) -> int:
        """Return when fewer requests than a share of the limit were sent, of those at `times`, within so long."""
        most = self._most(share)
        return times[len(times) - most] + within_ns if len(times) >= most else 0

    def _most(self, share: float) -> int:
        return max(1, int(self._limit * share))

    def has_room(self, kind: RequestKind, now_ns: int) -> bool:
        """Whether a request of that kind may go out at once."""
        return self.free_at(kind, now_ns) <= now_ns

    @property
    def total_readings(self) -> int:
        """How many requests were sent for readings so far."""
        return self._total_readings

    def pause_after_reading(self, requests: int) -> int:
        """Return the ns between the beginnings of two readings of the account, the first of so many requests."""
        return round(requests * self.minute_ns / (self._limit * _READINGS))
