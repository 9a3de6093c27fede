"""The state of an open venue: history, books, accounts, halts and bands, and how events of the market change it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from mock_exchange.events import Event, Trade
from mock_exchange.halts import Halts, TradingStatus
from mock_exchange.history import Bar, History
from mock_exchange.luld_bands import Indicator, LuldBands, PriceBand
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.matching import Matching
from mock_exchange.venue.money import CENT, DOLLAR, SHARE
from mock_exchange.venue.orders import Kind, OrderRequest, Side, TimeInForce, Update

MarketEvent = Event | Bar | TradingStatus | PriceBand
"""What the market does, and what is derived from it."""


class Watchlist(msgspec.Struct, frozen=True):
    """A named list of stocks that a client keeps at the venue, in its order, each once. It changes nothing."""

    id: str
    name: str
    symbols: tuple[str, ...]
    created_ns: int
    updated_ns: int


class VenueState:
    """The venue's state. Seed and start make its ids, so that no two sessions share one."""

    def __init__(self, settings: ExchangeSettings, accounts: Iterable[str], start_ns: int) -> None:
        self.symbols = settings.symbols
        self.feeds = settings.feeds  # of market data, that the plan covers
        self.start_ns = start_ns
        self.ids = Ids(f"{settings.seed}/{start_ns}")
        self.matching = Matching(self.symbols, accounts, settings.cash * DOLLAR * SHARE, self.ids, start_ns)
        self.history = History(self.symbols, settings.history_events)
        self.watchlists: dict[str, dict[str, Watchlist]] = {}  # by account and id
        self.watchlist_number = 0  # of the latest one
        self._halts = Halts(settings.halts, start_ns)
        self._bands = LuldBands()
        self._cancels: list[tuple[int, str, str]] = []  # due at a time: of an account, an order

    @property
    def halted(self) -> list[str]:
        """The stocks that are halted."""
        return sorted(self._halts.halted)

    def advance(self, events: Iterable[Event]) -> list[MarketEvent]:
        """Apply the market's events; return what is published, each bar before the event that showed it to be complete.

        Events of a halted stock are dropped, but for its first price: without one the market is not open.
        """
        published: list[MarketEvent] = []
        halted, prices = self._halts.halted, self.matching.prices
        for event in events:
            if changed := self._halts.due(event.ts):
                published += self._switched(changed)
            while self._cancels and self._cancels[0][0] <= event.ts:
                due, account, order_id = heapq.heappop(self._cancels)
                self.matching.cancel(account, order_id, due)
            if event.symbol in halted:
                if event.symbol not in prices:
                    self.matching.apply(event)
                    self.matching.halt(event.symbol)
                self.matching.roll(event.ts)
                continue
            published += self.history.add(event)
            published.append(event)
            if isinstance(event, Trade) and (band := self._bands.add(event.symbol, event.price, event.ts)) is not None:
                published.append(band)
            self.matching.apply(event)
        return published

    def halt(self, symbols: Iterable[str], now: int) -> list[MarketEvent]:
        """Halt exactly these stocks and resume all others; return what is published."""
        return self._switched(self._halts.switch(symbols, now))

    def _switched(self, changed: Iterable[TradingStatus]) -> list[MarketEvent]:
        """Apply halts and resumptions to orders and bands."""
        published: list[MarketEvent] = []
        for status in changed:
            published.append(status)
            if status.halted:
                self.matching.halt(status.symbol)
            indicator = Indicator.SUSPENDED if status.halted else Indicator.REOPENING
            if (band := self._bands.band(status.symbol, status.ts, indicator)) is not None:
                published.append(band)
        return published

    def cancel_later(self, account: str, order_id: str, due: int) -> None:
        """Cancel an order at a time to come, if it is still open then."""
        heapq.heappush(self._cancels, (due, account, order_id))

    def plant_foreign_orders(self, shares: int, now: int) -> None:
        """Put a position and an order that no client made into every account."""
        symbol = self.symbols[0]
        bought = OrderRequest(symbol=symbol, side=Side.BUY, qty=shares * SHARE)
        limit = max(CENT, self.matching.prices[symbol] // 2 // CENT * CENT)
        waits = replace(bought, kind=Kind.LIMIT, limit=limit, time_in_force=TimeInForce.GTC)
        for account in self.matching.accounts:
            self.matching.submit(account, bought, now)
            self.matching.submit(account, waits, now)

    def take_updates(self) -> list[Update]:
        """Return what has happened to orders since the last call."""
        return self.matching.orders.take_updates()
