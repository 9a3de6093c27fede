"""All that exists once the market is open: its past, its books and its accounts, and how they go on with it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from mock_exchange.events import Event
from mock_exchange.history import Bar, History
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.matching import Matching
from mock_exchange.venue.money import CENT
from mock_exchange.venue.orders import Kind, OrderRequest, Side, TimeInForce, Update


class Floor:
    """The venue's state. Seed and start make its ids, so that no two sessions share one."""

    def __init__(
        self,
        symbols: tuple[str, ...],
        accounts: Iterable[str],
        *,
        cash: int,
        seed: int,
        start_ns: int,
        history_events: int,
    ) -> None:
        self.symbols = symbols
        self.start_ns = start_ns
        self.ids = Ids(f"{seed}/{start_ns}")
        self.matching = Matching(symbols, accounts, cash, self.ids, start_ns)
        self.history = History(symbols, history_events)
        self._cancels: list[tuple[int, str, str]] = []  # due at a time: of an account, an order

    def advance(self, events: Iterable[Event]) -> list[Event | Bar]:
        """Let the market's events happen; return them, each bar before the event that showed it to be complete."""
        told: list[Event | Bar] = []
        for event in events:
            told += self.history.add(event)
            told.append(event)
            while self._cancels and self._cancels[0][0] <= event.ts:
                due, account, order_id = heapq.heappop(self._cancels)
                self.matching.cancel(account, order_id, due)
            self.matching.apply(event)
        return told

    def cancel_later(self, account: str, order_id: str, due: int) -> None:
        """Cancel an order at a time to come, if it is still open then."""
        heapq.heappush(self._cancels, (due, account, order_id))

    def plant(self, shares: int, now: int) -> None:
        """Put a position and an order that no client made into every account."""
        symbol = self.symbols[0]
        bought = OrderRequest(symbol=symbol, side=Side.BUY, qty=shares)
        limit = max(CENT, self.matching.prices[symbol] // 2 // CENT * CENT)
        waits = OrderRequest(
            symbol=symbol, side=Side.BUY, qty=shares, kind=Kind.LIMIT, limit=limit, time_in_force=TimeInForce.GTC
        )
        for account in self.matching.accounts:
            self.matching.submit(account, bought, now)
            self.matching.submit(account, waits, now)

    def take_updates(self) -> list[Update]:
        """Return what has happened to orders since the last call."""
        return self.matching.orders.take_updates()
