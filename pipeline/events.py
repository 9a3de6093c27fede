"""The words everybody shares: what happens in a market, and what the strategy sees in it.

Times (`ts`, `now`, `start`) are integer nanoseconds since the Unix epoch, UTC. Prices are in the
symbol's currency, sizes in shares (or coins), ratios and momentum are fractions (0.01 is one percent).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, StrEnum
from math import isfinite
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from pipeline.checked import WrongValue, note_maker, number, shown, text, word

SECOND = 1_000_000_000
"""Nanoseconds in a second."""

EPSILON = 1e-9
"""Every threshold forgives this much float noise: exactly 0.05 % *is* a move of 0.05 %."""

NEW_LEVEL = "new level"
"""The reason of a gap between two price levels: the quote of the old one is dropped as well."""

NEW_TIME = "new time"
"""The reason of a gap in time itself: every price of before is dropped as well, so that nothing is traded at it."""

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

    ts: int  # when that was noticed: it moves nothing
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

_BOUNDS = get_args(Bound)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What one condition saw at one tick: its value beside its threshold, and whether it passed."""

    name: str
    value: float
    threshold: float
    passed: bool
    bound: Bound = "at_least"

    def __post_init__(self) -> None:
        own: Any = self
        value, threshold = own.value, own.threshold
        if (
            value.__class__ is threshold.__class__ is float
            and isfinite(value - threshold)
            and own.passed.__class__ is bool
            and own.name.__class__ is str
            and self.bound in _BOUNDS
        ):
            return  # as nearly all are: no sentence needs to be made
        force_setattr(self, "name", text("a reading's name is", self.name))
        force_setattr(self, "value", number(f"the reading {self.name!r} has the value", self.value))
        force_setattr(self, "threshold", number(f"the reading {self.name!r} has the threshold", self.threshold))
        force_setattr(self, "passed", bool(number(f"whether {self.name!r} passed is", self.passed)))
        if self.bound not in _BOUNDS:
            raise WrongValue(f"the reading {self.name!r} has the bound {shown(self.bound)}, none of {_BOUNDS}")


class Condition(msgspec.Struct, frozen=True, eq=False):
    """A named test of a frame. `reason` is how the funnel calls a burst in which it never passed.

    What its functions give is checked whenever they are asked, unless `checked` says that they give a float, a bool and
    a direction of -1, 0 or 1 for certain.
    """

    name: str
    reason: str
    threshold: float
    value: Callable[[Frame], float]
    passed: Callable[[Frame], bool]
    direction: Callable[[Frame], int] | None = None  # only for a condition that gives ticks their direction
    bound: Bound = "at_least"  # for show: `passed` decides
    checked: bool = False

    def __post_init__(self) -> None:
        if self.checked:
            return
        force_setattr(self, "checked", True)
        force_setattr(self, "name", text("a condition's name is", self.name))
        force_setattr(self, "reason", text(f"the reason of the condition {self.name!r} is", self.reason))
        force_setattr(self, "threshold", number(f"the condition {self.name!r} has the threshold", self.threshold))
        gave = f"the condition {self.name!r} gave"
        value, passed, direction = self.value, self.passed, self.direction
        force_setattr(self, "value", lambda frame: number(gave, value(frame), value))
        force_setattr(self, "passed", lambda frame: bool(number(gave, passed(frame), passed)))
        if direction is not None:
            pointed = f"the condition {self.name!r} gave the direction"
            force_setattr(self, "direction", lambda frame: _sign(number(pointed, direction(frame), direction)))


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


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


class Signal(msgspec.Struct, frozen=True, dict=True, tag="signal", tag_field="type"):
    """A wish to enter: the first tick of a burst that meets every condition.

    A side may be given by its exact text. `ts` is the tick's and `price` the last one; 0 leaves them to the core.
    Raises WrongValue where it is made of anything else.
    """

    symbol: str
    ts: int
    side: Side
    price: float
    momentum: float = 0.0  # these three tell what a frame showed: for signals that were made of none, nothing
    volume_ratio: float = 0.0
    range: float = 0.0
    readings: tuple[Reading, ...] = ()

    def __post_init__(self) -> None:
        note_maker(self)
        if self.side.__class__ is not Side:
            force_setattr(self, "side", word("a signal's side is", self.side, Side))
        if self.symbol.__class__ is not str:
            force_setattr(self, "symbol", text("a signal's symbol is", self.symbol))
        ts: Any = self.ts
        if ts.__class__ is not int or ts < 0:
            raise WrongValue(f"a signal's ts is {shown(ts)}, not a whole number of ns")
        for name in ("price", "momentum", "volume_ratio", "range"):
            value = getattr(self, name)
            if value.__class__ is not float or not isfinite(value):
                force_setattr(self, name, number(f"a signal's {name} is", value))
        readings: Any = self.readings
        if not isinstance(readings, tuple | list) or any(found.__class__ is not Reading for found in readings):
            raise WrongValue(f"a signal's readings are {shown(readings)}, not a tuple of Readings")
        if readings.__class__ is not tuple:
            force_setattr(self, "readings", tuple(readings))


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


def signal_of(frame: Frame, side: Side | None = None) -> Signal:
    """Make the signal that a passing frame stands for, to its own side unless one is given.

    Raises WrongValue for a frame that points nowhere.
    """
    if side is None:
        direction = frame.direction
        if not direction:
            raise WrongValue("a frame that points neither up nor down is no signal: ask whether it `passed`")
        side = Side.LONG if direction > 0 else Side.SHORT
    return Signal(
        symbol=frame.tick.symbol,
        ts=frame.tick.ts,
        side=side,
        price=frame.price,
        momentum=frame.momentum,
        volume_ratio=frame.volume_ratio,
        range=frame.range,
        readings=frame.readings,
    )


def as_json(value: Any) -> bytes:
    """Encode any of these as one line of JSON (without the newline)."""
    return msgspec.json.encode(value)
