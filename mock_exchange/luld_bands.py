"""The bands outside of which a stock may not be traded (limit up, limit down): so far around its latest mean price.

The reference is the mean price of the trades of the last five minutes, taken every half minute. From three dollars
on, the bands are 5 % away from it, below 20 %, and below 75 cents 15 cents or 75 %, whichever is less; their prices are
whole cents.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

import msgspec

from mock_exchange.events import SECOND

STEP = 30 * SECOND
STEPS = 10
"""The reference looks so many steps back."""


class Indicator(StrEnum):
    """Why a band is published."""

    OPENING = "A"
    UPDATE = "B"
    SUSPENDED = "D"  # the stock is halted
    REOPENING = "E"


class PriceBand(msgspec.Struct, frozen=True, gc=False):
    """The lowest and the highest price at which a stock may be traded from now on."""

    symbol: str
    ts: int
    down: float
    up: float
    indicator: Indicator


class LuldBands:
    """The bands of all stocks, as their trades make them."""

    def __init__(self) -> None:
        self._references: dict[str, _Reference] = {}

    def add(self, symbol: str, price: float, ts: int) -> PriceBand | None:
        """Add a trade; return the stock's band if that changed it."""
        reference = self._references.get(symbol)
        if reference is None:
            self._references[symbol] = reference = _Reference(price, ts)
            return reference.band(symbol, ts, Indicator.OPENING)
        before = reference.prices
        reference.add(price, ts)
        return reference.band(symbol, ts, Indicator.UPDATE) if reference.prices != before else None

    def band(self, symbol: str, ts: int, indicator: Indicator) -> PriceBand | None:
        """Return a stock's band as it is, for another reason; None if it has none yet."""
        reference = self._references.get(symbol)
        return None if reference is None else reference.band(symbol, ts, indicator)


class _Reference:
    """The trades of one stock in the last steps: of each their sum and their number."""

    def __init__(self, price: float, ts: int) -> None:
        self._sum, self._count = price, 1  # of the step that is not over yet
        self._step = ts // STEP
        self._past: deque[tuple[int, float, int]] = deque()  # step, sum, number
        self.prices = _prices(price)

    def add(self, price: float, ts: int) -> None:
        """Add a trade; the first one of a step renews the reference, by the steps that are over."""
        step = ts // STEP
        if step == self._step:
            self._sum += price
            self._count += 1
            return
        self._past.append((self._step, self._sum, self._count))
        while self._past and self._past[0][0] < step - STEPS:
            self._past.popleft()
        self._step, self._sum, self._count = step, price, 1
        past = self._past or ((step, price, 1),)
        self.prices = _prices(sum(step[1] for step in past) / sum(step[2] for step in past))

    def band(self, symbol: str, ts: int, indicator: Indicator) -> PriceBand:
        """Return the band as it is."""
        return PriceBand(symbol, ts, *self.prices, indicator)


def _prices(reference: float) -> tuple[float, float]:
    if reference >= 3.0:
        distance = 0.05 * reference
    elif reference >= 0.75:
        distance = 0.2 * reference
    else:
        distance = min(0.15, 0.75 * reference)
    return round(max(0.01, reference - distance), 2), round(reference + distance, 2)
