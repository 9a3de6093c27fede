"""The words everybody shares: what happens in a market, and what the strategy sees in it.

Times (`ts`, `now`, `start`) are integer nanoseconds since the Unix epoch, UTC. Prices are in the
symbol's currency, sizes in shares (or coins), ratios and momentum are fractions (0.01 is one percent).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

SECOND = 1_000_000_000
"""Nanoseconds in a second."""

EPSILON = 1e-9
"""Every threshold forgives this much float noise: exactly 0.05 % *is* a move of 0.05 %."""

NEW_LEVEL = "new level"
"""The reason of a gap between two price levels: the quote of the old one is dropped as well."""

LONGEST_SYMBOL = 32
LONGEST_ID = 64
"""Characters. No venue's are longer, and what is kept of them is bounded only if they are."""

Timestamp = Annotated[int, Meta(gt=0)]
Symbol = Annotated[str, Meta(min_length=1, max_length=LONGEST_SYMBOL)]
TradeId = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[str, Meta(max_length=LONGEST_ID)]
Price = Annotated[float, Meta(gt=0)]
Size = Annotated[float, Meta(ge=0)]


class Side(StrEnum):
    """The direction of a signal, a position or a trade."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def sign(self) -> int:
        """+1 for LONG, -1 for SHORT."""
        return 1 if self is Side.LONG else -1


class Direction(IntEnum):
    """Where a tick points: the sign of its momentum once that is large enough."""

    SHORT = -1
    NONE = 0
    LONG = 1


# ---------------------------------------------------------------------------------------- market events
# `type` is the tag on a tape and on the wire. gc=False: they hold no references to containers, so the
# garbage collector need not know them; at thousands of ticks a second that is measurable.


class Trade(msgspec.Struct, frozen=True, gc=False, tag="trade", tag_field="type"):
    """A trade printed by the venue; once accepted it is a *tick*. `bid` and `ask` are the quote with it."""

    symbol: Symbol
    ts: Timestamp
    price: Price
    size: Size
    bid: float | None = None
    ask: float | None = None
    id: TradeId | None = None  # the venue's trade id, for de-duplication after a reconnect


class Quote(msgspec.Struct, frozen=True, gc=False, tag="quote", tag_field="type"):
    """The best bid and ask of a symbol, in force from now on."""

    symbol: Symbol
    ts: Timestamp
    bid: float
    ask: float


class Clock(msgspec.Struct, frozen=True, gc=False, tag="clock", tag_field="type"):
    """Nothing but the time: it moves `now`, so that timers fire although no tick arrives."""

    ts: Timestamp


class Gap(msgspec.Struct, frozen=True, gc=False, tag="gap", tag_field="type"):
    """Ticks were missed (a reconnect, an overload): windows warm up again. No symbol means all of them."""

    ts: Timestamp
    symbol: str | None = None
    reason: str = ""


class Refused(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="refused", tag_field="type"):
    """What a venue said and is not taken (bad price, bad type, no JSON): counted, and nothing else happens."""

    reason: str
    count: int = 1  # things that were refused for it together


class TradingStatus(msgspec.Struct, frozen=True, gc=False, tag="trading_status", tag_field="type"):
    """The venue stopped or resumed trading in a symbol."""

    ts: int
    symbol: str
    halted: bool
    reason: str = ""


class PriceBand(msgspec.Struct, frozen=True, gc=False, tag="price_band", tag_field="type"):
    """The prices between which a symbol may trade from now on (limit up, limit down)."""

    ts: int
    symbol: str
    low: float
    high: float


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One closed candle of whole seconds; a candle without trades closes at the last price."""

    symbol: str
    start: int
    end: int
    close: float
    previous_close: float | None  # None for a symbol's first candle


# ------------------------------------------------------------------------------------ what the strategy sees


Bound = Literal["at_least", "at_most", "more_than", "either_way"]
"""Where a condition wants its value: of its threshold, or, either way, that far from zero upwards or downwards."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What one condition saw at one tick: its value beside its threshold, and whether it passed."""

    name: str
    value: float
    threshold: float
    passed: bool
    bound: Bound = "at_least"


class Condition(msgspec.Struct, frozen=True, eq=False):
    """A named test of a frame. `reason` is how the funnel calls a burst in which it never passed."""

    name: str
    reason: str
    threshold: float
    value: Callable[[Frame], float]
    passed: Callable[[Frame], bool]
    direction: Callable[[Frame], int] | None = None  # only for a condition that gives ticks their direction
    bound: Bound = "at_least"  # for show: `passed` decides


class Window(msgspec.Struct, frozen=True, gc=False):
    """Statistics of a frame's window, the newest tick included."""

    oldest_price: float
    count: int
    volume: float
    high: float
    low: float
    notional: float

    @property
    def vwap(self) -> float:
        """The volume-weighted average price; without any volume, the oldest price."""
        return self.notional / self.volume if self.volume > 0 else self.oldest_price


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One tick and what its window holds: an immutable value, from which every reading can be computed.

    It carries the conditions it must meet rather than their results: a reading is computed when somebody
    looks (a burst, a gauge, a DEBUG log), and on the many ticks at which nobody does it costs nothing.
    """

    tick: Trade
    price: float
    ready: bool  # the window is warm and holds enough ticks
    momentum: float  # price over the price of the oldest tick in the window, less one
    count: int  # ticks in the window, this one included
    oldest_price: float
    others_volume: float  # sum of the sizes of the *other* ticks in the window
    others_notional: float  # sum of their price x size
    high: float
    low: float
    conditions: tuple[Condition, ...] = ()

    @property
    def symbol(self) -> str:
        return self.tick.symbol

    @property
    def ts(self) -> int:
        return self.tick.ts

    @property
    def size(self) -> float:
        return self.tick.size

    @property
    def range(self) -> float:
        """Highest over lowest price in the window, less one."""
        return self.high / self.low - 1

    @property
    def volume_ratio(self) -> float:
        """This tick's size over the mean size of the other ticks in the window; 0 if that mean is 0."""
        return self.tick.size * (self.count - 1) / self.others_volume if self.others_volume > 0 else 0.0

    @property
    def window(self) -> Window:
        """The window's statistics, for conditions of your own."""
        return Window(
            self.oldest_price,
            self.count,
            self.others_volume + self.size,
            self.high,
            self.low,
            self.others_notional + self.price * self.size,
        )

    @property
    def direction(self) -> int:
        """+1, -1 or 0: the sign of the momentum, where a momentum condition stands in the pipe only if it is met."""
        if not self.ready:
            return 0
        for condition in self.conditions:
            if condition.direction is not None:
                return condition.direction(self)
        return (self.momentum > 0) - (self.momentum < 0)

    @property
    def readings(self) -> tuple[Reading, ...]:
        """What each condition saw, in the order of the pipe.

        It is looked at for show, also where the chain never asks: a condition that raises is left out, and costs nobody
        anything. Where the chain does ask, it raises there, and fails that chain.
        """
        readings = []
        for condition in self.conditions:
            try:
                value, passed = condition.value(self), condition.passed(self)
            except Exception:  # an author's function may raise anything
                continue
            readings.append(Reading(condition.name, value, condition.threshold, passed, condition.bound))
        return tuple(readings)

    @property
    def passed(self) -> bool:
        """Whether the tick has a direction and every condition is met."""
        return self.direction != 0 and all(c.passed(self) for c in self.conditions)

    def given(self, condition: Condition) -> Frame:
        """Return this frame with one more condition to meet."""
        return msgspec.structs.replace(self, conditions=(*self.conditions, condition))


class Signal(msgspec.Struct, frozen=True, gc=False, tag="signal", tag_field="type"):
    """A wish to enter: the first tick of a burst that meets every condition."""

    symbol: str
    ts: int
    side: Side
    price: float
    momentum: float
    volume_ratio: float
    range: float
    readings: tuple[Reading, ...] = ()


class BurstStarted(msgspec.Struct, frozen=True, gc=False):
    """Consecutive ticks began to point the same way."""

    symbol: str
    ts: int
    side: Side


class BurstEnded(msgspec.Struct, frozen=True, gc=False):
    """A burst is over; `blocked` says why it gave no signal, and is None if it gave one."""

    symbol: str
    side: Side
    ticks: int
    blocked: str | None


MarketEvent = Trade | Quote | Clock | Gap | Refused


def signal_of(frame: Frame) -> Signal:
    """Make the signal that a passing frame stands for."""
    return Signal(
        symbol=frame.tick.symbol,
        ts=frame.tick.ts,
        side=Side.LONG if frame.direction > 0 else Side.SHORT,
        price=frame.price,
        momentum=frame.momentum,
        volume_ratio=frame.volume_ratio,
        range=frame.range,
        readings=frame.readings,
    )


def as_json(value: Any) -> bytes:
    """Encode any of these as one line of JSON (without the newline)."""
    return msgspec.json.encode(value)
