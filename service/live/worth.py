"""What the account is worth over time, open profit included: looked at a few times a second, off the tick path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from actors.engine.core import Core
from actors.messages import PositionClosed
from web.bars import WorthCourse
from web.messages import SeriesRecalled, WorthSeen


class Worth:
    """Follows what the account is worth, and how far that is below the best that it was."""

    def __init__(self, seconds: int) -> None:
        self._course = WorthCourse(seconds)
        self._high = 0.0  # the best of it without open profit
        self._best = 0.0

    def messages(self, core: Core, closed: Sequence[PositionClosed]) -> Iterator[WorthSeen]:
        """Yield what it was worth as each of these trades was closed, and what it is worth now."""
        if not core.now:
            return
        high = float(core.metrics.high)
        self._best = max(self._best, high) if high >= self._high else high  # less: another account is counted from
        self._high = high
        for trade in closed:
            yield self._seen(trade.exit_ts, float(trade.equity))
        yield self._seen(core.now, float(core.positions.equity) + _open_profit(core))

    def _seen(self, ts: int, worth: float) -> WorthSeen:
        self._best = max(self._best, worth)
        seen = WorthSeen(ts, worth, self._best - worth)
        self._course.see(seen)
        return seen

    def recalled(self) -> Iterator[SeriesRecalled]:
        """Yield what it was worth so far, for a web process that starts now."""
        for part in self._course.parts():
            yield SeriesRecalled("", part)


def _open_profit(core: Core) -> float:
    """Add up the open profit of every position whose price is known."""
    prices = ((position, core.contexts[position.symbol].price) for position in core.positions.open.values())
    return sum(position.open_profit(price) for position, price in prices if price > 0)
