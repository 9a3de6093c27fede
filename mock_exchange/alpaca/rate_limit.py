"""The limit on REST calls: so many of an account in a minute, counted from its first one on."""

from __future__ import annotations

import math

import msgspec

from mock_exchange.events import SECOND


class Quota(msgspec.Struct, frozen=True):
    """What is left of an account's minute after a call."""

    limit: int
    remaining: int  # calls; below 0: this one was one too many
    reset_in_ns: int  # real time until the next minute begins

    @property
    def exceeded(self) -> bool:
        """Whether the call is refused."""
        return self.remaining < 0

    def headers(self, wall_ns: int) -> dict[str, str]:
        """Write it as Alpaca does on its data calls and its clock; on trading calls its documents are silent."""
        reset_s = math.ceil((wall_ns + self.reset_in_ns) / SECOND)
        told = {"Limit": self.limit, "Remaining": max(0, self.remaining), "Reset": reset_s}
        return {f"X-RateLimit-{name}": str(value) for name, value in told.items()}


class RateLimit:
    """Counts the calls of each account. A minute is one of the market, `speed` times as short."""

    def __init__(self, per_minute: int, speed: float = 1.0) -> None:
        self._per_minute = per_minute
        self._used: dict[str, tuple[int, int]] = {}  # by account: when its minute began, and its calls since
        self.run_at(speed)

    def run_at(self, speed: float) -> None:
        """Count by a market of this speed from now on."""
        self._minute_ns = round(60 * SECOND / speed)

    def take(self, account: str, monotonic_ns: int) -> Quota:
        """Count a call at `monotonic_ns`; one that is refused counts, too."""
        began_ns, calls = self._used.get(account, (monotonic_ns, 0))
        if monotonic_ns - began_ns >= self._minute_ns:
            began_ns, calls = monotonic_ns, 0
        self._used[account] = began_ns, calls + 1
        return Quota(self._per_minute, self._per_minute - calls - 1, began_ns + self._minute_ns - monotonic_ns)
