"""Until when a command may be carried out: a moment by two clocks of one machine, later than neither.

The bot and its web process run on one machine, whose monotonic clock is the same for both and never steps. It stands
still while the machine sleeps, though, so the wall clock is asked as well: what was asked for before a laptop was
closed is not carried out when it is opened. Where one clock says that it is too late, it is.
"""

from __future__ import annotations

import msgspec


class Moment(msgspec.Struct, frozen=True, array_like=True):
    """A moment by the machine's two clocks, in whole milliseconds, which JavaScript can count."""

    monotonic_ms: int
    wall_ms: int

    def after(self, seconds: float) -> Moment:
        """Return the moment so many seconds later."""
        return Moment(self.monotonic_ms + round(seconds * 1_000), self.wall_ms + round(seconds * 1_000))

    def no_later_than(self, other: Moment) -> Moment:
        """Return the earlier of two moments, by each clock."""
        return Moment(min(self.monotonic_ms, other.monotonic_ms), min(self.wall_ms, other.wall_ms))

    def is_past(self, now: Moment) -> bool:
        """Whether it is over at `now`, by either clock."""
        return now.monotonic_ms > self.monotonic_ms or now.wall_ms > self.wall_ms


def moment_of(monotonic_ns: int, wall_ns: int) -> Moment:
    """Return what the two clocks show, from their nanoseconds."""
    return Moment(monotonic_ns // 1_000_000, wall_ns // 1_000_000)
