"""The venue's limit on requests: how many may go out in a minute, and who goes first when there is no room for all."""

from __future__ import annotations

from collections import Counter, deque

from actors.brokers.alpaca.messages import Answer, Outcome, RequestKind
from pipeline.events import SECOND

_MARGIN = 61 / 60
"""Of the venue's minute, how long a request counts here: what left one after the other may arrive closer."""

_PROBE = 5 / 61
"""Of a minute, between two requests after a 429 that did not say until when."""

_SHARES = {
    RequestKind.EXIT: 1.0,
    RequestKind.LOOK_UP: 0.85,
    RequestKind.STOP: 0.75,
    RequestKind.ENTRY: 0.65,
    RequestKind.READING: 0.5,
}
"""How much of the limit may be in use when a request of a kind goes out; the rest is kept for the more urgent."""

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
        self._probe_ns = round(self.minute_ns * _PROBE)
        self._sent: deque[int] = deque()  # when, of the requests that count still
        self._totals: Counter[RequestKind] = Counter()  # of all that were sent
        self._told_used = 0  # by the venue's own count, with what was sent since
        self._told_until = 0  # when that count begins again
        self._reset_ns = 0  # when requests may go out again after a 429
        self._is_probing = False  # the 429 did not say when: one request at a time tries

    def note_sent(self, kind: RequestKind, now_ns: int) -> None:
        """Count a request."""
        self._sent.append(now_ns)
        self._told_used += 1
        self._totals[kind] += 1
        if self._is_probing:
            self._reset_ns = now_ns + self._probe_ns

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
            self._is_probing = told_ns is None
            self._reset_ns = now_ns + self._probe_ns if told_ns is None else told_ns
        elif self._is_probing:
            self._is_probing = False
            self._reset_ns = now_ns

    def free_at(self, kind: RequestKind, now_ns: int) -> int:
        """Return when a request of that kind may go out, as far as is known now; at most `now_ns`: at once."""
        blocked_until = self._reset_ns
        while self._sent and self._sent[0] + self.minute_ns <= now_ns:
            self._sent.popleft()
        most = max(1, int(self._limit * _SHARES[kind]))
        if len(self._sent) >= most:
            blocked_until = max(blocked_until, self._sent[len(self._sent) - most] + self.minute_ns)
        if self._told_used >= most and self._told_until > now_ns:
            blocked_until = max(blocked_until, self._told_until)
        return blocked_until

    def has_room(self, kind: RequestKind, now_ns: int) -> bool:
        """Whether a request of that kind may go out at once."""
        return self.free_at(kind, now_ns) <= now_ns

    def total(self, kind: RequestKind) -> int:
        """Return how many requests of that kind were sent so far."""
        return self._totals[kind]

    def pause_after_reading(self, requests: int) -> int:
        """Return the ns between the beginnings of two readings of the account, the first of so many requests."""
        return round(requests * self.minute_ns / (self._limit * _READINGS))
