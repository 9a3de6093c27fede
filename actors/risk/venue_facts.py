"""Venue facts: what the broker, the venue and its calendar allow right now."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from actors.actor import SymbolView
from actors.messages import BrokerChanged, FeedState, MarketHours, Refusal, SymbolStale
from actors.orders import AccountReport, AssetReport
from actors.risk.instruments import SimulatedAccount
from pipeline.events import EPSILON, PriceBand, Side, TradingStatus

DAY_TRADES = 3
"""Day trades in five business days that a margin account below 25,000 could make until 2026-06-04 (FINRA rule 4210).

Only recordings from before that tell of day trades; they are decided as they were.
"""


class ForeignOrders(msgspec.Struct, frozen=True):
    """Symbols in which orders are open that are accepted as not ours."""

    symbols: frozenset[str]


_OfSymbol = AssetReport | TradingStatus | PriceBand | SymbolStale
Told = BrokerChanged | AccountReport | MarketHours | ForeignOrders | _OfSymbol


class VenueFacts:
    """Remembers the newest of each fact, and refuses entries that they rule out, by name."""

    def __init__(self, *, with_broker: bool, simulated: SimulatedAccount | None = None) -> None:
        self.broker = FeedState.CONNECTING if with_broker else FeedState.LIVE
        self._with_broker = with_broker
        self._simulated = simulated  # checked instead of a broker's account
        self._account: AccountReport | None = None
        self._assets: dict[str, AssetReport] = {}
        self._halted: set[str] = set()
        self._stale: set[str] = set()  # symbols of which the feed is silent
        self._foreign_orders: frozenset[str] = frozenset()  # symbols
        self._bands: dict[str, PriceBand] = {}
        self._hours: MarketHours | None = None

    def remember(self, fact: Told) -> None:
        """Remember a fact."""
        match fact:
            case BrokerChanged():
                self.broker = fact.state
            case AccountReport():
                self._account = fact
            case AssetReport():
                self._assets[fact.symbol] = fact
            case TradingStatus():
                (self._halted.add if fact.halted else self._halted.discard)(fact.symbol)
            case SymbolStale():
                (self._stale.add if fact.stale else self._stale.discard)(fact.symbol)
            case PriceBand():
                self._bands[fact.symbol] = fact
            case ForeignOrders():
                self._foreign_orders = fact.symbols
            case MarketHours():
                self._hours = fact

    def is_stale(self, symbol: str) -> bool:
        """Whether the feed, live as it may be, is silent of a symbol."""
        return symbol in self._stale

    def is_open(self, now: int) -> bool:
        """Whether the market is open at `now` (ns), as far as its hours are known."""
        return self._hours is None or any(opens <= now < closes for opens, closes in self._hours.sessions)

    def next_close(self, now: int) -> int | None:
        """Return the first close after `now` (ns), None if none is known."""
        sessions = self._hours.sessions if self._hours is not None else ()
        return next((closes for _, closes in sessions if closes > now), None)

    def closing(self, now: int, cutoff: int) -> bool:
        """Whether a session closes within `cutoff` (ns)."""
        sessions = self._hours.sessions if self._hours is not None else ()
        return any(closes - cutoff <= now < closes for _, closes in sessions)

    def refusal(self, view: SymbolView, side: Side, quantity: Decimal, now: int, cutoff: int) -> Refusal | None:
        """Return the first fact that rules an entry out, or None. `cutoff` is in ns before the close."""
        hours = self._hours  # also that there are none: then the market is closed
        if hours is not None and not any(opens <= now < closes - cutoff for opens, closes in hours.sessions):
            return Refusal.MARKET_CLOSED
        if view.symbol in self._halted:
            return Refusal.TRADING_HALT
        if view.symbol in self._stale:
            return Refusal.STALE_SYMBOL
        band = self._bands.get(view.symbol)
        if band is not None and not band.low - EPSILON <= view.price <= band.high + EPSILON:
            return Refusal.PRICE_BAND
        if self._with_broker:
            return self._brokers_refusal(view, side, quantity)
        return self._simulated.refusal(view, side, quantity) if self._simulated is not None else None

    def _brokers_refusal(self, view: SymbolView, side: Side, quantity: Decimal) -> Refusal | None:
        account = self._account
        if self.broker is not FeedState.LIVE or account is None:
            return Refusal.BROKER_DOWN
        if account.blocked:
            return Refusal.BROKER_BLOCKED
        asset = self._assets.get(view.symbol)
        if asset is not None and not asset.tradable:
            return Refusal.NOT_TRADABLE
        if view.symbol in self._foreign_orders:
            return Refusal.FOREIGN_ORDER  # the venue would refuse what crosses it: our stop, or our exit
        if side is Side.SHORT and not (account.shorting and (asset is None or asset.shortable)):
            return Refusal.NOT_SHORTABLE
        if quantity != quantity.to_integral_value():
            return Refusal.FRACTIONAL  # no stop can rest for a part of a share
        if account.day_trades_limited is True and account.day_trades and account.day_trades >= DAY_TRADES:
            return Refusal.DAY_TRADES
        if float(quantity) * view.price > float(account.buying_power) + EPSILON:
            return Refusal.BUYING_POWER
        return None
