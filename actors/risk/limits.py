"""Limits: what an order may cost and how often one may be sent, whatever the strategy asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from actors.actor import SymbolView
from actors.messages import Refusal
from actors.portfolio.fees import FeeModel
from pipeline.events import EPSILON, SECOND, Side

Positive = Annotated[float, Meta(gt=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[limits]: checked before every entry, after the strategy's own rules. None: not checked."""

    max_quantity: Positive | None = None  # shares in one order
    max_notional: Positive | None = None  # money in one order
    max_spread: Positive | None = None  # fraction of the middle of the quote
    orders_per_second: Annotated[int, Meta(ge=1)] | None = None  # entries, all symbols together
    repeat_seconds: Positive | None = None  # before the same symbol, side and quantity may be entered again
    price_collar: Positive | None = None  # fraction that the quote to trade at may be off the last price
    max_exposure: Positive | None = None  # money: positions and entries under way, long and short added up
    max_positions: AtLeastOne | None = None  # open, or with an entry under way, of all symbols
    trades_per_day: AtLeastOne | None = None  # positions opened since the trading day began, of all symbols
    losing_streak: AtLeastOne | None = None  # losing trades in a row; then no entries until the next trading day
    flatten_before_close_s: Annotated[float, Meta(ge=0)] = 120.0  # where market hours are known: closed by then
    flatten_late: bool = True  # also what is open, or opened, after that; False, as in old recordings: only then


class Costs(msgspec.Struct, frozen=True):
    """What trading costs, and what it is to bring, as fractions of the price unless said otherwise."""

    target: float  # the profit target
    slippage: float  # at entry and again at exit
    at_quote: bool  # fills pay the spread
    fees: FeeModel = FeeModel()  # at entry and again at exit

    def round_trip(self, view: SymbolView, now: int) -> float:
        """Return what entering and leaving costs at `now` (ns): spread + 2 x slippage + the fees of both ways."""
        fees = self.fees.round_trip(view.symbol, view.price, now)
        return (spread(view) if self.at_quote else 0.0) + 2 * self.slippage + fees

    def too_dear(self, view: SymbolView, now: int) -> bool:
        """Whether the round trip costs more than the target brings."""
        return self.round_trip(view, now) > self.target + EPSILON


def spread(view: SymbolView) -> float:
    """Return ask less bid as a fraction of their middle; 0 without a quote."""
    if view.bid is None or view.ask is None:
        return 0.0
    return (view.ask - view.bid) / ((view.ask + view.bid) / 2)


def _off(view: SymbolView, side: Side) -> float:
    """Return how far the quote to trade at is off the last price, as a fraction of it; 0 without a quote."""
    quote = view.ask if side is Side.LONG else view.bid
    return abs(quote / view.price - 1) if quote is not None and view.price > 0 else 0.0


class Limits:
    """Refuses entries that break a limit, by name. Time is handed in; nothing is remembered of what was refused."""

    def __init__(
        self,
        settings: LimitSettings,
        costs: Costs,
        *,
        refuse_dear: bool = False,
        costs_of: Mapping[str, Costs] | None = None,
    ) -> None:
        self.settings = settings
        self._refuse_dear = refuse_dear  # what costs more than it is to bring
        self._costs = costs
        self._costs_of = costs_of or {}  # by symbol, where a strategy of its own has another target
        self._entries: deque[int] = deque()  # times of the entries of the last second, ns
        self._last: dict[tuple[str, Side, Decimal], int] = {}  # when each was last entered, ns

    def refusal(self, view: SymbolView, side: Side, quantity: Decimal, now: int) -> Refusal | None:
        """Return the first limit that an entry would break, or None."""
        s = self.settings
        if s.max_quantity is not None and quantity > s.max_quantity + EPSILON:
            return Refusal.MAX_QUANTITY
        if s.max_notional is not None and float(quantity) * view.price > s.max_notional + EPSILON:
            return Refusal.MAX_NOTIONAL
        if s.max_spread is not None and spread(view) > s.max_spread + EPSILON:
            return Refusal.SPREAD
        if s.price_collar is not None and _off(view, side) > s.price_collar + EPSILON:
            return Refusal.PRICE_COLLAR
        if self._refuse_dear and self._costs_of.get(view.symbol, self._costs).too_dear(view, now):
            return Refusal.COST
        if s.repeat_seconds is not None:
            last = self._last.get((view.symbol, side, quantity))
            if last is not None and now - last < s.repeat_seconds * SECOND:
                return Refusal.REPEATED
        if s.orders_per_second is not None:
            while self._entries and now - self._entries[0] >= SECOND:
                self._entries.popleft()
            if len(self._entries) >= s.orders_per_second:
                return Refusal.RATE_LIMIT
        return None

    def entered(self, symbol: str, side: Side, quantity: Decimal, now: int) -> None:
        """Remember an entry that was approved."""
        if self.settings.orders_per_second is not None:
            self._entries.append(now)
        if self.settings.repeat_seconds is not None:
            self._last[symbol, side, quantity] = now
