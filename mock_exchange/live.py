"""The market in real time: a start, and from then on a number of market seconds to every real one."""

from __future__ import annotations

from mock_exchange.events import SECOND, Event
from mock_exchange.market import Market


class LiveMarket:
    """A market whose events fall due by a monotonic clock, which is handed in as nanoseconds.

    A market that falls behind its clock by more than `most_lag_s` real seconds, because the process was
    stopped or the machine is too slow for the speed, does not hurry after it: that would flood all clients
    with a past that they missed. The clock is set back to where the market stands, and `slipped_s` is by how many
    real seconds in all.
    """

    def __init__(self, market: Market, start_ns: int, speed: float, most_lag_s: float, monotonic_ns: int) -> None:
        self.slipped_s = 0.0
        self._market = market
        self._speed = speed  # market seconds a real second
        self._most_lag_s = most_lag_s
        self._anchor_ns = start_ns  # the market's time ...
        self._monotonic_ns = monotonic_ns  # ... at this reading of the clock

    def now(self, monotonic_ns: int) -> int:
        """Return the market's time, nanoseconds since the epoch: no event still to come is before it."""
        return min(self._clock(monotonic_ns), self._market.next_ts)

    def seconds_to_next(self, monotonic_ns: int) -> float:
        """Return the real seconds until the next event is due; 0 if it is."""
        return max(0.0, self._real_s(self._market.next_ts - self._clock(monotonic_ns)))

    def take_due(self, monotonic_ns: int, limit: int) -> list[Event]:
        """Take the events that are due, at most `limit` of them."""
        lag_s = self._real_s(self._clock(monotonic_ns) - self._market.next_ts)
        if lag_s > self._most_lag_s:
            self.slipped_s += lag_s
            self._anchor_ns, self._monotonic_ns = self._market.next_ts, monotonic_ns
        return self._market.due(self._clock(monotonic_ns), limit)

    def _clock(self, monotonic_ns: int) -> int:
        return self._anchor_ns + int(self._speed * (monotonic_ns - self._monotonic_ns))

    def _real_s(self, market_ns: int) -> float:
        return market_ns / self._speed / SECOND
