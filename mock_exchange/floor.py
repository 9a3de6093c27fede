"""All that exists once the market is open: its past, its books and its accounts, and how they go on with it."""

from __future__ import annotations

from collections.abc import Iterable

from mock_exchange.events import Event
from mock_exchange.history import Bar, History
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.matching import Matching
from mock_exchange.venue.orders import Update


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

    def advance(self, events: Iterable[Event]) -> list[Event | Bar]:
        """Let the market's events happen; return them, each bar before the event that showed it to be complete."""
        told: list[Event | Bar] = []
        for event in events:
            told += self.history.add(event)
            told.append(event)
            self.matching.apply(event)
        return told

    def take_updates(self) -> list[Update]:
        """Return what has happened to orders since the last call."""
        return self.matching.orders.take_updates()
