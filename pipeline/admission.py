"""Admission: what of a live feed may enter the log. A state machine, pure: time is handed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from pipeline.events import EPSILON, NEW_LEVEL, SECOND, Clock, Gap, PriceBand, Quote, Refused, Trade, TradingStatus
from pipeline.venue_clock import VenueClock

INFINITY = float("inf")

MOST_REMEMBERED = 200_000
"""Trade ids kept of all symbols together: some 50 MB of the longest. Each symbol has its even share of it."""

BAD_PRICE = "bad price"
BAD_SIZE = "bad size"
DUPLICATE = "duplicate trade id"
IMPLAUSIBLE_TIME = "implausible time"
PRICE_COLLAR = "price collar"
CROSSED_QUOTE = "crossed quote"
NOT_SUBSCRIBED = "not subscribed"
TOO_MANY_SYMBOLS = "too many symbols"

Event = Trade | Quote | Clock | Gap | Refused | TradingStatus | PriceBand


class AdmissionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[admission]: what a live feed may say and still be believed."""

    max_skew_s: Annotated[float, Meta(gt=0)] = 60.0  # venue seconds that a timestamp may be off
    price_collar: Annotated[float, Meta(gt=0)] = 0.1  # fraction a price may differ from the last one
    collar_trades: Annotated[int, Meta(ge=2)] = 5  # trades in a row that make a far-off price the new level
    remembered_ids: Annotated[int, Meta(ge=1)] = 10_000  # trade ids kept per symbol
    max_symbols: Annotated[int, Meta(ge=1)] = 1_000  # of a feed that was asked for none in particular


class _Symbol:
    """What admission knows of one symbol."""

    __slots__ = ("id_order", "ids", "level", "outside", "price")

    def __init__(self) -> None:
        self.price = 0.0  # last admitted; 0 before the first
        self.level = 0.0  # price around which trades outside the collar gather
        self.outside = 0  # how many of them in a row
        self.ids: set[tuple[int | str, int]] = set()  # recent trade ids, each with its time, since ids begin anew ...
        self.id_order: deque[tuple[int | str, int]] = deque()  # ... oldest first


class Admission:
    """Admits events, or replaces them by `Refused` with a reason from the list above.

    A trade needs a positive finite price and a size of at least 0, a new id, a plausible time, and a price within
    the collar around the last one. The rule for a new level: `collar_trades` trades in a row outside the collar, all
    of them within it around the first of these, and the last one is admitted, after a `Gap`: a move from the old level
    to the new one is none that could have been traded. A crossed or locked quote, or one outside the collar, is
    refused, or taken off the trade that it came with; time and symbol are looked at likewise.
    A trading status or a price band needs a symbol that is wanted, and is dated to now if its time is implausible.
    Where no symbols are wanted in particular, the first `max_symbols` that come are.
    """

    def __init__(self, settings: AdmissionSettings, clock: VenueClock, symbols: Iterable[str] = ()) -> None:
        self._clock = clock
        self._collar = settings.price_collar + EPSILON
        self._level_trades = settings.collar_trades
        self._skew = settings.max_skew_s * SECOND
        self._remembered = settings.remembered_ids  # of each symbol, or less where there are many
        self._max_symbols = settings.max_symbols
        self._wanted = frozenset(symbols)  # none: whatever comes
        self._symbols: dict[str, _Symbol] = {}
        self._earliest, self._latest = 1, 0  # times that are beyond doubt in the batch at hand

    def admit(self, events: Iterable[Event], monotonic: int) -> list[Event]:
        """Return what the core is to be fed, in order. `monotonic` is when the events arrived, in ns."""
        admitted: list[Event] = []
        add = admitted.append
        symbols = self._symbols
        collar = self._collar
        self._earliest, self._latest = self._clock.beyond_doubt(monotonic)
        for event in events:
            if event.__class__ is Trade:
                symbol = symbols.get(event.symbol)
                if symbol is None:
                    if refusal := self._stranger(event.symbol):
                        add(refusal)
                        continue
                    symbol = self._begin(event.symbol)
                price = event.price
                if not 0 < price < INFINITY:
                    add(Refused(BAD_PRICE))
                elif not 0 <= event.size < INFINITY:
                    add(Refused(BAD_SIZE))
                elif event.id is not None and self._seen(symbol, (event.id, event.ts)):
                    add(Refused(DUPLICATE))
                elif not (self._earliest <= event.ts <= self._latest or self._plausible(event.ts, monotonic)):
                    add(Refused(IMPLAUSIBLE_TIME))
                elif not -collar <= price / (symbol.price or price) - 1 <= collar and not (
                    self._is_new_level(symbol, price)
                ):
                    add(Refused(PRICE_COLLAR))
                else:
                    symbol.price = price
                    if symbol.outside:
                        if symbol.outside >= self._level_trades:
                            add(Gap(event.ts, event.symbol, NEW_LEVEL))
                        symbol.outside = 0
                    bid = event.bid
                    if bid is not None and not self._sound(symbol, bid, event.ask):
                        add(Refused(CROSSED_QUOTE))
                        event = msgspec.structs.replace(event, bid=None, ask=None)
                    add(event)
            elif event.__class__ is Quote:
                add(self._quote(event, monotonic))
            elif isinstance(event, TradingStatus | PriceBand):
                add(self._notice(event, monotonic))
            elif event.__class__ is Clock and not self._plausible(event.ts, monotonic):
                add(Refused(IMPLAUSIBLE_TIME))
            else:
                add(event)
        return admitted

    def _quote(self, quote: Quote, monotonic: int) -> Event:
        symbol = self._symbols.get(quote.symbol)
        if symbol is None:
            if refusal := self._stranger(quote.symbol):
                return refusal
            symbol = self._begin(quote.symbol)
        if not (self._earliest <= quote.ts <= self._latest or self._plausible(quote.ts, monotonic)):
            return Refused(IMPLAUSIBLE_TIME)
        if not self._sound(symbol, quote.bid, quote.ask):
            return Refused(CROSSED_QUOTE)
        return quote

    def _begin(self, name: str) -> _Symbol:
        """Take in a symbol; where its share of the memory is not free, the others give of theirs."""
        symbol = self._symbols[name] = _Symbol()
        share = max(1, MOST_REMEMBERED // len(self._symbols))
        if share < self._remembered:
            self._remembered = share
            for other in self._symbols.values():
                while len(other.id_order) > share:
                    other.ids.discard(other.id_order.popleft())
        return symbol

    def _stranger(self, symbol: str) -> Refused | None:
        """Refuse a new symbol that nobody asked for, or that is one too many."""
        if self._wanted:
            return None if symbol in self._wanted else Refused(NOT_SUBSCRIBED)
        return None if len(self._symbols) < self._max_symbols else Refused(TOO_MANY_SYMBOLS)

    def _notice(self, notice: TradingStatus | PriceBand, monotonic: int) -> Event:
        if notice.symbol not in self._symbols and (refusal := self._stranger(notice.symbol)):
            return refusal
        if isinstance(notice, PriceBand) and not 0 < notice.low < notice.high < INFINITY:
            return Refused(BAD_PRICE)
        now = self._clock.now(monotonic)
        if now is None:
            return notice if self._plausible(notice.ts, monotonic) else Refused(IMPLAUSIBLE_TIME)
        # It tells what holds now, however long ago it began, and so is no witness of what time it is.
        return notice if abs(notice.ts - now) <= self._skew else msgspec.structs.replace(notice, ts=now)

    def _plausible(self, ts: int, monotonic: int) -> bool:
        """Ask the clock, which learns by it: what is beyond doubt may change."""
        plausible = self._clock.plausible(ts, monotonic)
        self._earliest, self._latest = self._clock.beyond_doubt(monotonic)
        return plausible

    def _sound(self, symbol: _Symbol, bid: float, ask: float | None) -> bool:
        """Whether an order may be priced from a quote: not crossed, not locked, not far from the last price."""
        if ask is None or not 0 < bid < ask < INFINITY:
            return False
        last = symbol.price
        return not last or last * (1 - self._collar) <= bid < ask <= last * (1 + self._collar)

    def _is_new_level(self, symbol: _Symbol, price: float) -> bool:
        """Count a trade outside the collar; True when enough of them in a row agree on a level."""
        if symbol.outside and abs(price / symbol.level - 1) <= self._collar:
            symbol.outside += 1
        else:
            symbol.level = price
            symbol.outside = 1
        return symbol.outside >= self._level_trades

    def _seen(self, symbol: _Symbol, trade_id: tuple[int | str, int]) -> bool:
        ids = symbol.ids
        if trade_id in ids:
            return True
        ids.add(trade_id)
        # Not a dict that loses its first key each time: it leaves a hole there, and is searched past all the holes.
        order = symbol.id_order
        order.append(trade_id)
        if len(order) > self._remembered:
            ids.discard(order.popleft())
        return False
