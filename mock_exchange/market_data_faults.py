"""Faults of market data on its way from the market to the clients. Orders are matched against what really happened."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from mock_exchange.events import SECOND, Event, Quote, Trade
from mock_exchange.faults import Faults
from mock_exchange.venue.orders import Update
from mock_exchange.venue_state import MarketEvent

HOUR = 3_600 * SECOND

IMPOSSIBLE: tuple[float | str, ...] = (math.nan, math.inf, 0.0, -1.0, 1e308, "126.55 dollars")


class BadPriceTrade(msgspec.Struct, frozen=True, gc=False):
    """A trade that is published with an impossible price."""

    trade: Trade
    price: float | str

    @property
    def symbol(self) -> str:
        """The trade's symbol."""
        return self.trade.symbol


Published = MarketEvent | BadPriceTrade
"""What clients get."""


def reported(updates: Sequence[Update], faults: Faults) -> list[Update]:
    """Return what is reported of what happened to orders: fills may be lost or doubled, and all of it disordered."""
    published: list[Update] = []
    for update in updates:
        if update.price is not None and faults.strikes("lost_fills"):
            continue
        published.append(update)
        if update.price is not None and faults.strikes("double_fills"):
            published.append(update)
    for place in range(1, len(published)):
        if faults.strikes("disordered_updates"):
            published[place - 1 : place + 1] = published[place], published[place - 1]
    return published


class MarketDataFaults:
    """Turns what happened into what is published, as the switches ask for it."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._kept: Published | None = None  # it is published after the next one
        self._waiting: list[Published] = []  # for a burst

    def __call__(self, happened: Sequence[MarketEvent]) -> list[Published]:
        """Return what is published now; what is kept back is published later."""
        if not self._faults and self._kept is None and not self._waiting:
            return list(happened)
        published: list[Published] = []
        for it in happened:
            published += self._one(it) if isinstance(it, Event) else self._in_order(it)
        size = self._faults.status("burst")
        if size is None and not self._waiting:
            return published
        self._waiting += published
        if size is not None and len(self._waiting) < size:
            return []
        burst, self._waiting = self._waiting, []
        return burst

    def _one(self, event: Event) -> list[Published]:
        strikes = self._faults.strikes
        if strikes("gaps"):
            return []
        published = self._changed(event)
        if self._kept is None and strikes("reorder"):
            self._kept = published
            return []
        return self._in_order(published) * (2 if strikes("duplicates") else 1)

    def _in_order(self, it: Published) -> list[Published]:
        """Return this, and what has waited for it."""
        kept, self._kept = self._kept, None
        return [it] if kept is None else [it, kept]

    def _changed(self, event: Event) -> Published:
        strikes = self._faults.strikes
        if strikes("late_times"):
            event = replace(event, ts=event.ts - HOUR)
        if strikes("future_times"):
            event = replace(event, ts=event.ts + HOUR)
        if isinstance(event, Quote):
            return self._crossed(event) if strikes("crossed") else event
        if strikes("spikes"):
            return replace(event, price=round(event.price * 10, 2))
        if strikes("bad_prices"):
            return BadPriceTrade(event, IMPOSSIBLE[self._faults.pick("bad_prices", len(IMPOSSIBLE))])
        return event

    def _crossed(self, quote: Quote) -> Quote:
        match self._faults.pick("crossed", 3):
            case 0:
                return replace(quote, bid=quote.ask, ask=quote.bid)
            case 1:
                return replace(quote, bid=quote.ask)
            case _:
                return replace(quote, bid_size=0, ask_size=0)
