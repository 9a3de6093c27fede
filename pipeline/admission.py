"""Admission: what of a live feed may enter the log. A state machine, pure: time is handed in."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from pipeline.events import (
    EPSILON,
    NEW_LEVEL,
    NEW_TIME,
    SECOND,
    Clock,
    Gap,
    PriceBand,
    Prints,
    Quote,
    Refused,
    Trade,
    TradingStatus,
)
from pipeline.venue_clock import VenueClock
from pipeline.venues.conditions import UNDONE
from pipeline.venues.dialect import Admitted, Event, Undone, Unread, VolumeOnly

INFINITY = float("inf")

MOST_WAITING = 1e15
"""Shares that wait for a tick, at most: more of them are no print's."""

_WAITS = 0
"""When a tick was made that is still to come."""

MOST_REMEMBERED = 200_000
"""Trade ids kept of all symbols together: some 50 MB of the longest. Each symbol has its even share of it."""

BAD_PRICE = "bad price"
BAD_SIZE = "bad size"
DUPLICATE = "duplicate trade id"
IMPLAUSIBLE_TIME = "implausible time"
OUTDATED = "from before a pause of the bot"
PRICE_COLLAR = "price collar"
CROSSED_QUOTE = "crossed quote"
NOT_SUBSCRIBED = "not subscribed"
TOO_MANY_SYMBOLS = "too many symbols"

E = TypeVar("E", Trade, Quote, Clock)


class AdmissionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[admission]: what a live feed may say and still be believed."""

    max_skew_s: Annotated[float, Meta(gt=0)] = 60.0  # venue seconds that a timestamp may be off
    price_collar: Annotated[float, Meta(gt=0)] = 0.1  # fraction a price may differ from the last one
    collar_trades: Annotated[int, Meta(ge=2)] = 5  # trades in a row that make a far-off price the new level
    remembered_ids: Annotated[int, Meta(ge=1)] = 10_000  # trade ids kept per symbol
    max_symbols: Annotated[int, Meta(ge=1)] = 1_000  # of a feed that was asked for none in particular


class _Symbol:
    """What admission knows of one symbol."""

    __slots__ = ("id_order", "ids", "level", "outside", "price", "quoted", "refused", "ts")

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()  # trades, by reason
        self.price = 0.0  # last admitted; 0 before the first
        self.ts = 0  # of the trade that was admitted last, ns
        self.quoted = 0  # ns: when the quote that was admitted last was in force, alone or with a trade
        self.level = 0.0  # price around which trades outside the collar gather
        self.outside = 0  # how many of them in a row
        # Recent trade ids, each with its time, since ids start over: below 0 where only the size counts ...
        self.ids: set[tuple[int | str, int]] = set()
        self.id_order: deque[tuple[int | str, int]] = deque()  # ... oldest first


class Admission:
    """Admits events, or replaces them by `Refused` with a reason from the list above; `not_taken` keeps them.

    A trade needs a positive finite price and a size of at least 0, a new id, a plausible time, and a price within
    the collar around the last one. The rule for a new level: `collar_trades` trades in a row outside the collar, all
    of them within it around the first of these, and the last one is admitted, after a `Gap`: a move from the old level
    to the new one is none that could have been traded. A crossed or locked quote, or one outside the collar, is
    refused, or taken off the trade that it came with; time and symbol are looked at likewise.
    This is where the time of a feed's events is bounded: none that is admitted is later than venue time shows, beyond
    what is no doubt. A trade or a quote that is plausible, but later, is dated to now. A gap, a trading status or a
    price band tell no time: they are dated to now as well; a status needs a symbol that is wanted. Where the clock
    has jumped over a time of which nothing was used, a `Gap` for all symbols says so.
    Where no symbols are wanted in particular, the first `max_symbols` that come are.

    A print of which only the size counts is no tick: its size waits for the symbol's next trade that is admitted and
    not dated before the last one, and is added to it. So what enters the log is whole, and a replay has nothing to add.
    A cancel or a correction of a print that was admitted, and is remembered, becomes a `Gap` with that print's time;
    one whose size still waits is taken out; any other is counted.
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
        self.arrived_at = 0  # ns, monotonic: when the newest batch came
        self._earliest, self._latest = 1, 0  # times that are beyond doubt in the batch at hand
        self._admitted: list[Admitted] = []  # of the batch at hand, so far
        self._waiting: dict[str, float] = {}  # sizes that the next tick is to have besides its own, by symbol
        # Looked up for the batch at hand: when prints were made, and the newest of them.
        self._made: dict[str, tuple[tuple[int | str, int] | None, dict[int | str, int]]] = {}
        self.not_taken: list[Unread] = []  # what was refused of it, and why
        self._outdated = 0  # what is from before this is too old to be traded on, ns
        self.halted: set[str] = set()  # symbols in which the venue stopped trading, as far as it said

    @property
    def refused(self) -> Mapping[str, Counter[str]]:
        """How many trades were refused so far, by symbol and reason; those of unwanted symbols are left out."""
        return {name: symbol.refused for name, symbol in self._symbols.items() if symbol.refused}

    def newest(self, name: str) -> int:
        """Return the time of a symbol's newest quote, or of its newest trade where it has no quotes; ns, 0: of none.

        What an order would be priced from is the quote: one that stands still is not made young by trades.
        """
        symbol = self._symbols.get(name)
        return 0 if symbol is None else symbol.quoted or symbol.ts

    @property
    def heard(self) -> Iterator[tuple[str, bool]]:
        """The symbols of which something was admitted, and whether each is halted."""
        return ((name, name in self.halted) for name in self._symbols)

    def pause(self, ts: int) -> None:
        """Refuse from now on what is from before `ts` (venue time, ns): the bot was away then."""
        self._outdated = ts
        self._waiting.clear()

    def admit(self, events: Iterable[Event], monotonic: int) -> list[Admitted]:
        """Return what the core is to be fed, in order. `monotonic` is when the events arrived, in ns."""
        self.arrived_at = monotonic
        self.not_taken = []
        self._made = {}
        admitted = self._admitted = []
        add = admitted.append
        symbols = self._symbols
        waiting = self._waiting
        collar = self._collar
        self._earliest, self._latest = self._clock.beyond_doubt(monotonic)
        for event in events:
            if event.__class__ is Trade:
                symbol = symbols.get(event.symbol)
                if symbol is None:
                    if refusal := self._stranger(event):
                        add(refusal)
                        continue
                    symbol = self._begin(event.symbol)
                price = event.price
                if not 0 < price < INFINITY:
                    add(self._refuse(event, BAD_PRICE, symbol))
                elif not 0 <= event.size < INFINITY:
                    add(self._refuse(event, BAD_SIZE, symbol))
                elif event.id is not None and self._seen(symbol, (event.id, event.ts)):
                    add(self._refuse(event, DUPLICATE, symbol))
                elif event.ts < self._outdated:
                    add(self._refuse(event, OUTDATED, symbol))
                elif not (self._earliest <= event.ts <= self._latest or self._plausible(event.ts, monotonic)):
                    add(self._refuse(event, IMPLAUSIBLE_TIME, symbol))
                elif not -collar <= price / (symbol.price or price) - 1 <= collar and not (
                    self._is_new_level(symbol, price)
                ):
                    add(self._refuse(event, PRICE_COLLAR, symbol))
                else:
                    symbol.price = price
                    if event.ts > self._latest:
                        event = self._not_after_now(event, monotonic, symbol.ts)
                    if waiting and event.ts >= symbol.ts and (more := waiting.pop(event.symbol, 0.0)):
                        event = msgspec.structs.replace(event, size=event.size + more)
                    symbol.ts = event.ts
                    if symbol.outside:
                        if symbol.outside >= self._level_trades:
                            add(Gap(event.ts, event.symbol, NEW_LEVEL))
                        symbol.outside = 0
                    bid = event.bid
                    if bid is not None:
                        if self._sound(symbol, bid, event.ask):
                            symbol.quoted = event.ts
                        else:
                            add(self._refuse(event, CROSSED_QUOTE))
                            event = msgspec.structs.replace(event, bid=None, ask=None)
                    add(event)
            elif event.__class__ is Quote:
                add(self._quote(event, monotonic))
            elif (other := self._other(event, monotonic)) is not None:
                add(other)
        return admitted

    def _other(self, event: Event, monotonic: int) -> Admitted | None:
        """Return what the core is to be fed of an event that is no tick and no quote; None of a size that waits."""
        if isinstance(event, TradingStatus | PriceBand):
            return self._notice(event, monotonic)
        if isinstance(event, Clock):
            plausible = self._plausible(event.ts, monotonic)
            return self._not_after_now(event, monotonic) if plausible else self._refuse(event, IMPLAUSIBLE_TIME)
        if isinstance(event, VolumeOnly):
            return self._add_size(event, monotonic)
        if isinstance(event, Gap):
            return self._gap(event, monotonic)
        if isinstance(event, Undone):
            return self._undo(event, monotonic)
        return event

    def _quote(self, quote: Quote, monotonic: int) -> Admitted:
        symbol = self._symbols.get(quote.symbol)
        if symbol is None:
            if refusal := self._stranger(quote):
                return refusal
            symbol = self._begin(quote.symbol)
        if quote.ts < self._outdated:
            return self._refuse(quote, OUTDATED)
        if not (self._earliest <= quote.ts <= self._latest or self._plausible(quote.ts, monotonic)):
            return self._refuse(quote, IMPLAUSIBLE_TIME)
        if not self._sound(symbol, quote.bid, quote.ask):
            return self._refuse(quote, CROSSED_QUOTE)
        symbol.quoted = quote.ts
        return self._not_after_now(quote, monotonic) if quote.ts > self._latest else quote

    def _add_size(self, volume: VolumeOnly, monotonic: int) -> Refused | None:
        """Have a size wait for the next tick, or say why not."""
        symbol = self._symbols.get(volume.symbol)
        if symbol is None:
            if refusal := self._stranger(volume):
                return refusal
            symbol = self._begin(volume.symbol)
        size = self._waiting.get(volume.symbol, 0.0) + volume.size
        if not 0 <= volume.size <= size <= MOST_WAITING:
            return self._refuse(volume, BAD_SIZE, symbol)
        if volume.id is not None and self._seen(symbol, (volume.id, -volume.ts)):
            return self._refuse(volume, DUPLICATE, symbol)
        if volume.ts < self._outdated:
            return self._refuse(volume, OUTDATED, symbol)
        if not (self._earliest <= volume.ts <= self._latest or self._plausible(volume.ts, monotonic)):
            return self._refuse(volume, IMPLAUSIBLE_TIME, symbol)
        self._waiting[volume.symbol] = size
        return None

    def _undo(self, undone: Undone, monotonic: int) -> Admitted:
        """Return the gap that a cancel or a correction leaves: of a tick that was used, or of nothing."""
        symbol = self._symbols.get(undone.symbol)
        if symbol is not None:
            made = self._times_of(undone.symbol, symbol).get(undone.id)
            last = symbol.price or undone.price or INFINITY
            if made == _WAITS:
                rest = self._waiting.get(undone.symbol, 0.0) - undone.size + undone.corrected
                self._waiting[undone.symbol] = max(0.0, min(rest, MOST_WAITING))
            # What was outside the collar was not admitted; what is wrong by less was.
            elif made is not None and -self._collar <= undone.price / last - 1 <= self._collar:
                return Gap(self._clock.now(monotonic) or made, undone.symbol, undone.reason, made)
        return Prints(UNDONE, 1, undone.size)

    def _times_of(self, name: str, symbol: _Symbol) -> dict[int | str, int]:
        """Return when the ticks were made that remembered prints are, or are a part of; looked up once for several."""
        newest = symbol.id_order[-1] if symbol.id_order else None
        known = self._made.get(name)
        if known is not None and known[0] == newest:
            return known[1]
        found: dict[int | str, int] = {}
        tick_ts = _WAITS
        for trade_id, ts in reversed(symbol.id_order):
            if ts > 0:
                tick_ts = ts
            found.setdefault(trade_id, tick_ts)
        self._made[name] = newest, found
        return found

    def _gap(self, gap: Gap, monotonic: int) -> Admitted:
        """Date a gap to now: it is so from here on, whatever time the message that told of it has."""
        now = self._clock.now(monotonic)
        # Before any time is known there is no window that it could break.
        return self._refuse(gap, IMPLAUSIBLE_TIME) if now is None else msgspec.structs.replace(gap, ts=now)

    def _not_after_now(self, event: E, monotonic: int, last: int = 0) -> E:
        """Date what is plausible, but later than the venue's clock shows, to now: no single message moves that forward.

        It stays behind the `last` (ns) of its symbol, which was in time: dated before that, it would not be used.
        """
        now, latest = self._clock.now(monotonic), self._clock.latest(monotonic)
        if now is None or event.ts <= latest:
            return event
        return msgspec.structs.replace(event, ts=max(now, min(last, latest)))

    def _begin(self, name: str) -> _Symbol:
        """Add a symbol; where its share of the remembered ids is not free, the others give up some of theirs."""
        symbol = self._symbols[name] = _Symbol()
        share = max(1, MOST_REMEMBERED // len(self._symbols))
        if share < self._remembered:
            self._remembered = share
            for other in self._symbols.values():
                while len(other.id_order) > share:
                    other.ids.discard(other.id_order.popleft())
        return symbol

    def _stranger(self, event: Trade | Quote | TradingStatus | PriceBand | VolumeOnly) -> Refused | None:
        """Refuse a new symbol that is not wanted, or that is one too many."""
        if self._wanted:
            return None if event.symbol in self._wanted else self._refuse(event, NOT_SUBSCRIBED)
        return None if len(self._symbols) < self._max_symbols else self._refuse(event, TOO_MANY_SYMBOLS)

    def _refuse(self, event: Event, reason: str, symbol: _Symbol | None = None) -> Refused:
        """Refuse an event; a trade is counted with its symbol."""
        self.not_taken.append(Unread(reason, getattr(event, "symbol", None) or "", event))
        if symbol is not None:
            symbol.refused[reason] += 1
        return Refused(reason)

    def _notice(self, notice: TradingStatus | PriceBand, monotonic: int) -> Admitted:
        if notice.symbol not in self._symbols and (refusal := self._stranger(notice)):
            return refusal
        if isinstance(notice, TradingStatus):
            (self.halted.add if notice.halted else self.halted.discard)(notice.symbol)
        elif not 0 < notice.low < notice.high < INFINITY:
            return self._refuse(notice, BAD_PRICE)
        now = self._clock.now(monotonic)
        if now is None:
            return notice if self._plausible(notice.ts, monotonic) else self._refuse(notice, IMPLAUSIBLE_TIME)
        # It tells what holds now, however long ago it began, and so is no witness of what time it is.
        return notice if abs(notice.ts - now) <= self._skew else msgspec.structs.replace(notice, ts=now)

    def _plausible(self, ts: int, monotonic: int) -> bool:
        """Ask the clock, which learns by it: what is beyond doubt may change."""
        gaps = self._clock.gaps
        plausible = self._clock.plausible(ts, monotonic)
        self._earliest, self._latest = self._clock.beyond_doubt(monotonic)
        if self._clock.gaps != gaps:
            self._waiting.clear()
            self._admitted.append(Gap(ts, None, NEW_TIME))
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
