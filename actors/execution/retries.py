"""Retries: how long to wait before what was refused is tried again, and how often it was refused in a row."""

from __future__ import annotations

from pipeline.events import SECOND

MOST_WAIT_S = 30.0


def wait_s(first_s: float, times: int) -> float:
    """Return how long to wait after so many refusals in a row: twice as long each time, and never beyond a bound.

    >>> [wait_s(1.0, times) for times in (1, 2, 3, 6, 10_000)]
    [1.0, 2.0, 4.0, 30.0, 30.0]
    """
    doublings = min(times - 1, 10)  # a float has no room for those of a night
    return min(first_s * float(2**doublings), MOST_WAIT_S)


class Retries:
    """Counts refusals by subject: what a position needs at the venue, its exit or its stop. Times are ns.

    Only what becomes of orders changes it, never how often an exit is asked for. What was refused long ago is
    forgotten: it begins to count at one again.
    """

    def __init__(self, first_s: float) -> None:
        self._first_s = first_s
        self._refused: dict[tuple[str, str], tuple[int, int]] = {}  # times, and until when to wait

    def refuse(self, symbol: str, what: str, now: int, *, leniently: bool = False) -> int:
        """Count a refusal; return how many there were in a row. Taken leniently, a first one waits for nothing."""
        times, until = self._refused.get((symbol, what), (0, 0))
        times = 1 if now - until > MOST_WAIT_S * SECOND else times + 1
        wait = 0.0 if leniently and times == 1 else wait_s(self._first_s, times)
        self._refused[symbol, what] = times, now + round(wait * SECOND)
        return times

    def until(self, symbol: str, what: str) -> int:
        """Return until when to wait; 0 if nothing was refused."""
        return self._refused.get((symbol, what), (0, 0))[1]

    def waits(self, symbol: str, what: str, now: int) -> bool:
        """Whether the time to wait is not over at `now`: no intent shortens it."""
        return now < self.until(symbol, what)

    def end(self, now: int) -> list[str]:
        """Wait no longer, but go on counting; return the symbols for which that is so."""
        waiting = [(subject, times) for subject, (times, until) in self._refused.items() if until > now]
        self._refused.update({subject: (times, now) for subject, times in waiting})
        return [symbol for (symbol, _), _ in waiting]

    def forget_symbol(self, symbol: str) -> None:
        """Begin again with all of a symbol: nothing is held there any more."""
        for subject in [subject for subject in self._refused if subject[0] == symbol]:
            del self._refused[subject]

    def forget(self, symbol: str, what: str) -> None:
        """Begin again: an order of the kind came to what it was sent for."""
        self._refused.pop((symbol, what), None)
