"""The state of an open venue: history, books, accounts, halts and bands, and how events of the market change it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from mock_exchange.events import Event, Trade
from mock_exchange.halts import Halts, TradingStatus
from mock_exchange.history import Bar, History
from mock_exchange.luld_bands import Indicator, LuldBands, PriceBand
from mock_exchange.market import first_quotes
from mock_exchange.prints import Print, Undone
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue import hours
from mock_exchange.venue.assets import Asset
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.matching import Matching
from mock_exchange.venue.money import CENT, DOLLAR, SHARE
from mock_exchange.venue.orders import (
    WORKING,
    Change,
    Kind,
    Order,
    OrderRequest,
    Refusal,
    Side,
    Status,
    TimeInForce,
    Update,
)
from mock_exchange.venue.splits import OpenOrders, Splits

MarketEvent = Event | Print | Undone | Bar | TradingStatus | PriceBand
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
        self.unverified = frozenset(settings.unverified)  # rules that are on (`alpaca/rules.py`)
        self.feeds = settings.feeds  # of market data, that the plan covers
        self.start_ns = start_ns
        self.ids = Ids(f"{settings.seed}/{start_ns}")
        self.trading_hours = settings.trading_hours
        self.easy_to_borrow = settings.easy_to_borrow
        cash, by_hours = settings.cash * DOLLAR * SHARE, settings.trading_hours
        self.matching = Matching(
            self.symbols, accounts, cash, self.ids, start_ns, trading_hours=by_hours, paper=settings.paper
        )
        if by_hours and not hours.is_open(start_ns):
            for quote in first_quotes(self.symbols, settings.seed, start_ns):
                self.matching.apply(quote)
            self.matching.close_books()
        self.history = History(self.symbols, settings.history_events)
        self.watchlists: dict[str, dict[str, Watchlist]] = {}  # by account and id
        self.watchlist_number = 0  # of the latest one
        self._halts = Halts(settings.halts, start_ns)
        self._bands = LuldBands()
        self.matching.legs_for_parts = settings.legs_for_parts
        self.matching.orders.announced = frozenset(map(Change, settings.stream_events))
        self.splits = Splits()
        self._cancels: list[tuple[int, str, str]] = []  # due at a time: of an account, an order

    @property
    def halted(self) -> list[str]:
        """The stocks that are halted."""
        return sorted(self._halts.halted)

    def advance(self, events: Iterable[Event | Print | Undone]) -> list[MarketEvent]:
        """Apply the market's events; return what is published, each bar before the event that showed it to be complete.

        They come at prices after all splits (`splits.adjust`). Events of a halted stock are dropped, but for its first
        price: without one the market is not open.
        """
        published: list[MarketEvent] = []
        halted, prices = self._halts.halted, self.matching.prices
        day_end = self.matching.day_end
        for event in events:
            if changed := self._halts.due(event.ts):
                published += self._switched(changed)
            while self._cancels and self._cancels[0][0] <= event.ts:
                self._cancel_due(*heapq.heappop(self._cancels))
            if isinstance(event, Print | Undone):
                if event.symbol not in halted:
                    published += self.history.add(event)
                    published.append(event)
                continue
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
        if self.matching.day_end != day_end:
            self._tell_done_for_day(day_end)
        return published

    def _tell_done_for_day(self, ts: int) -> None:
        """Report the orders that stay as done for the day that ended (`done_for_day`)."""
        for account in self.matching.accounts:
            for order in self.matching.orders.open_orders(account):
                if order.time_in_force is TimeInForce.GTC and order.status in WORKING and order.created_ns < ts:
                    self.matching.orders.announce(order, Change.DONE_FOR_DAY, ts)

    def split(self, symbol: str, shares: int, per: int, orders: OpenOrders, now: int) -> None:
        """Give so many shares for so many of a stock. Raises ValueError, one sentence."""
        if shares < 1 or per < 1:
            raise ValueError(f"shares and per must be at least 1, not {shares} and {per}")
        self.splits.carry_out(self.matching, symbol, Fraction(shares, per), orders, now)

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

    def change_assets(self, changed: Mapping[str, Asset]) -> None:
        """Set which stocks are other than usual, and how: all that is not named is as usual again."""
        self.matching.assets = {symbol: changed.get(symbol, Asset()) for symbol in self.symbols}

    @property
    def changed_assets(self) -> dict[str, Asset]:
        """The stocks that are other than usual."""
        usual = Asset()
        return {symbol: asset for symbol, asset in self.matching.assets.items() if asset != usual}

    def cancel_later(self, account: str, order: Order, now: int, due: int) -> None:
        """Cancel an open order at a time to come, if it is still open then; until then it is `pending_cancel`.

        A leg that waits for its entry stays `held`; one more cancel of what is pending changes nothing.
        """
        orders = self.matching.orders
        order = orders[order.id]
        if order.status is Status.PENDING_CANCEL:
            return
        (orders.announce if order.status is Status.HELD else orders.change)(order, Change.PENDING_CANCEL, now)
        heapq.heappush(self._cancels, (due, account, order.id))

    def _cancel_due(self, due: int, account: str, order_id: str) -> None:
        order = self.matching.cancel(account, order_id, due)
        known = self.matching.orders.find(account, order_id)
        if isinstance(order, Refusal) and isinstance(known, Order) and known.status is Status.FILLED:
            self.matching.orders.announce(known, Change.ORDER_CANCEL_REJECTED, due)

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
