"""What happens in a market, and what a strategy says of it.

Times (`ts`, `now`, `start`) are integer nanoseconds since the Unix epoch, UTC. Prices are in the
symbol's currency, sizes in shares (or coins), ratios and momentum are fractions (0.01 is one percent).
"""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from math import inf, isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import force_setattr

from pipeline.checked import WrongValue, note_maker, number, positive, shown, text, word

SECOND = 1_000_000_000
"""Nanoseconds in a second."""

LONGEST_GOOD_FOR = 86_400
"""Seconds that a signal may live."""

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


class Quote(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="quote", tag_field="type"):
    """The best bid and ask of a symbol, in force from now on; and what is wanted there, where a venue tells it."""

    symbol: Symbol
    ts: Timestamp
    bid: float
    ask: float
    bid_size: float | None = None
    ask_size: float | None = None


class Clock(msgspec.Struct, frozen=True, gc=False, tag="clock", tag_field="type"):
    """Nothing but the time: it moves `now`, so that timers fire although no tick arrives."""

    ts: Timestamp


class Gap(msgspec.Struct, frozen=True, gc=False, tag="gap", tag_field="type"):
    """Ticks were missed (a reconnect, an overload): windows warm up again. No symbol means all of them."""

    ts: int  # when that was noticed: it moves nothing
    symbol: str | None = None
    reason: str = ""
    print_ts: int | UnsetType = UNSET  # ns, of the one tick that is untrue: what no longer holds it goes on


class Refused(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="refused", tag_field="type"):
    """What a venue said and is not used (bad price, bad type, no JSON): counted, and nothing else happens."""

    reason: str
    count: int = 1  # things that were refused for it together


class Prints(msgspec.Struct, frozen=True, gc=False, tag="prints", tag_field="type"):
    """Prints of a kind that are no plain ticks (odd lots, auctions, average prices): counted, and nothing else."""

    kind: str
    count: int  # of prints
    size: float  # shares, of all together


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
    """One closed candle, from `start` to before `end` (ns); one without trades stays at the last price."""

    symbol: str
    start: int
    end: int
    close: float
    previous_close: float | None  # None for a symbol's first candle
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    volume: float = 0.0
    notional: float = 0.0  # sum of price x size
    trades: int = 0

    @property
    def ts(self) -> int:
        """When it closed."""
        return self.end

    @property
    def price(self) -> float:
        """The close."""
        return self.close

    @property
    def size(self) -> float:
        """The volume."""
        return self.volume


# ------------------------------------------------------------------------------------ what others say


class ExternalSignal(msgspec.Struct, frozen=True, gc=False, tag="external", tag_field="type"):
    """What a program outside says of a symbol, under a name; a strategy hears it by `op.external(name)`."""

    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
    symbol: Symbol
    value: float  # 1 for LONG, -1 for SHORT, or any other number
    id: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]  # whose it is, for those who look it up
    ts: int = 0  # when it was taken in, the venue's time
    until: int = 0  # ns, when it is good no more; 0: it does not say

    @property
    def words(self) -> str:
        """Name it for people."""
        side = {1.0: Side.LONG.value, -1.0: Side.SHORT.value}.get(self.value, f"{self.value:g}")
        return f"{self.name} {side} ({self.id})"


# ------------------------------------------------------------------------------------ what a strategy says


Bound = Literal["at_least", "at_most", "more_than", "less_than", "either_way", "none", "rule"]
"""Where a condition wants its value: of its threshold, or, either way, that far from zero upwards or downwards.

`none` is that of a number which nothing is wanted of, `rule` that of an `op.when`: 1 or -1 where it points, else 0.
"""

_BOUNDS = get_args(Bound)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What one condition saw at one tick: its value beside its threshold, and whether it passed.

    Likewise a number that a frame has by name (`bound` none, threshold 0, passed), and a rule that points frames
    (`bound` rule, threshold 1, passed where it holds).
    """

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


class Signal(msgspec.Struct, frozen=True, dict=True, tag="signal", tag_field="type"):
    """A wish to enter: the first tick of a burst that meets every condition.

    A side may be given by its exact text. `ts` is the tick's and `price` the last one; 0 leaves them to the core.
    What it may carry is left out where it is written if it was not given; None is as good as not given:

    - `quantity`: shares, `risk.position_size` at most; without it, that many.
    - `limit`: the worst price at which the entry may fill.
    - `good_for`: seconds after `ts` (venue time), a day at most; what is not filled by then is canceled.
    - `exits`: a list of exits, or a function of `held` and `market`: those of the position that it opens.

    `external` is the core's to set: what was said from outside and was in force as its strategy signalled.

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
    quantity: float | UnsetType | None = UNSET
    limit: float | UnsetType | None = UNSET
    good_for: float | UnsetType | None = UNSET
    exits: Any = UNSET  # checked where the core hears of it; what is written of it are their names
    external: tuple[ExternalSignal, ...] | UnsetType = UNSET

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
        for name in ("quantity", "limit", "good_for", "exits"):
            value = getattr(self, name)
            if value is UNSET:
                continue
            if value is None:
                force_setattr(self, name, UNSET)
            elif name != "exits":
                most = LONGEST_GOOD_FOR if name == "good_for" else inf
                force_setattr(self, name, positive(f"a signal's {name} is", value, most=most))

    def heard(self, external: tuple[ExternalSignal, ...]) -> Signal:
        """Return it with what was said from outside as it was made, and with nothing else of that kind."""
        if not external and self.external is UNSET:
            return self
        return msgspec.structs.replace(self, external=external or UNSET)

    @property
    def good_until(self) -> int | None:
        """When it is good no more, in ns; None where nothing was said of that."""
        return self.ts + round(self.good_for * SECOND) if self.good_for else None


MarketEvent = Trade | Quote | Clock | Gap | Refused


def as_json(value: Any) -> bytes:
    """Encode any of these as one line of JSON (without the newline)."""
    return msgspec.json.encode(value)


if not TYPE_CHECKING:  # strategies of recorded sessions import from here what stands beside the operators now

    def __getattr__(name: str) -> Any:
        if name in ("Condition", "Frame", "Window", "signal_of"):
            return getattr(import_module("pipeline.operators.frame"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
