"""Prices that gap: a stock's market goes on at another price, as it does at news."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from mock_exchange.events import Event, Trade

E = TypeVar("E", bound=Event)

MOST_AWAY = 0.2
"""As a fraction: so far all gaps of a stock together move it at most. One that would move it further goes back."""


class Gaps:
    """How far each stock's price is from that of its tape."""

    def __init__(self) -> None:
        self._cents: dict[str, int] = {}
        self._last: dict[str, Trade] = {}  # on the tape

    def jump(self, symbol: str, fraction: float, now: int) -> Trade | None:
        """Move a stock's price by a fraction of it, and return the trade at `now` that does so; None before the first.

        The price may go the other way, see `MOST_AWAY`.
        """
        last = self._last.get(symbol)
        if last is None:
            return None
        moved = self._cents.get(symbol, 0)
        cents = round(fraction * (100 * last.price + moved))
        if abs(moved + cents) > 100 * last.price * MOST_AWAY:
            cents = -cents
        self._cents[symbol] = moved + cents
        return self._moved(replace(last, ts=now, size=1))

    def apply(self, events: Iterable[Event]) -> list[Event]:
        """Return what happens where the prices are by now."""
        applied: list[Event] = []
        for event in events:
            if isinstance(event, Trade):
                self._last[event.symbol] = event
            applied.append(self._moved(event))
        return applied

    def _moved(self, event: E) -> E:
        cents = self._cents.get(event.symbol)
        if not cents:
            return event
        prices = {"bid": event.bid, "ask": event.ask}
        if isinstance(event, Trade):
            prices["price"] = event.price
        return replace(event, **{name: (round(100 * price) + cents) / 100 for name, price in prices.items()})
