"""What operators work on: a tick with its window, and the conditions that it must meet to become a signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from pipeline.checked import WrongValue, number, text
from pipeline.events import Bound, Reading, Side, Signal, Trade


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


OF_ITSELF = ("price", "size", "momentum", "range", "volume_ratio")
"""What rules read off a frame itself: no reading is called so, since none would be heard."""

NOTHING: Mapping[str, float] = MappingProxyType({})
"""The values of a frame without any."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One tick and what its window holds: an immutable value, from which every reading can be computed.

    It carries the conditions it must meet rather than their results: a reading is computed when a burst, a gauge or a
    DEBUG log asks for it, and costs nothing on the many ticks at which none does. Prices are in the symbol's currency,
    sizes in shares (or coins), momentum and range are fractions.
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
    values: Mapping[str, float] = NOTHING  # what op.readings put on it, by name
    go: int = 0  # where op.when points it: +1, -1 or 0
    carry: Callable[[Frame], dict[str, Any]] | None = None  # what a signal of it is to carry, as that op.when says
    seen: tuple[float, ...] = ()  # what the conditions with a memory saw of it, in the order of the pipe
    rules: tuple[tuple[str, int], ...] = ()  # those of op.when, each with where it points; 0 where it does not hold

    def __getitem__(self, name: str) -> float:
        """Return what `op.readings` put on the frame under a name. Raises WrongValue where that is nothing."""
        found = self.values.get(name)
        if found is None:
            if not self.ready:
                raise WrongValue(
                    f"the frame has no reading {name!r} yet: it is not ready; where frame.ready is False, return None"
                )
            has = f"it has {', '.join(self.values)}" if self.values else "it has none"
            raise WrongValue(f"the frame has no reading {name!r}: {has}; op.readings({name}=...) puts it there")
        return found

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
        """+1, -1 or 0: as the first condition that has a direction says, without one the sign of the momentum."""
        if not self.ready:
            return 0
        for condition in self.conditions:
            if condition.direction is not None:
                return condition.direction(self)
        return (self.momentum > 0) - (self.momentum < 0)

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Its numbers by name, what each rule of `op.when` said, and what each condition saw, in the order of the pipe.

        A number that has the name of a condition is left out: that one shows it. Conditions are asked for show, also
        where the pipe never asks: one that raises is left out, and costs nothing. Where the pipe does ask, it raises
        there, and fails that symbol's strategy.
        """
        readings = self._plain_readings()
        for condition in self.conditions:
            try:
                value, passed = condition.value(self), condition.passed(self)
            except Exception:  # an author's function may raise anything
                continue
            readings.append(Reading(condition.name, value, condition.threshold, passed, condition.bound))
        return tuple(readings)

    def _plain_readings(self) -> list[Reading]:
        """Return what is there without a condition."""
        if not self.values and not self.rules:
            return []
        names = {condition.name for condition in self.conditions}
        numbers = [Reading(name, value, 0.0, True, "none") for name, value in self.values.items() if name not in names]
        return numbers + [Reading(name, float(go), 1.0, go != 0, "rule") for name, go in self.rules]

    @property
    def passed(self) -> bool:
        """Whether the tick has a direction and every condition is met."""
        return self.direction != 0 and all(c.passed(self) for c in self.conditions)

    def given(self, condition: Condition) -> Frame:
        """Return this frame with one more condition to meet."""
        return msgspec.structs.replace(self, conditions=(*self.conditions, condition))


def signal_of(frame: Frame, side: Side | None = None) -> Signal:
    """Make the signal that a passing frame stands for, to its own side unless one is given.

    Raises WrongValue for a frame that points nowhere.
    """
    if side is None:
        direction = frame.direction
        if not direction:
            raise WrongValue("a frame that points neither up nor down is no signal: ask whether it `passed`")
        side = Side.LONG if direction > 0 else Side.SHORT
    carried = frame.carry(frame) if frame.carry is not None and frame.go == side.sign else {}
    return Signal(
        symbol=frame.tick.symbol,
        ts=frame.tick.ts,
        side=side,
        price=frame.price,
        momentum=frame.momentum,
        volume_ratio=frame.volume_ratio,
        range=frame.range,
        readings=frame.readings,
        **carried,
    )


def needs_frames(name: str, value: Any) -> None:
    """Raise TypeError, saying what to do, unless `value` is a frame."""
    if not isinstance(value, Frame):
        raise TypeError(
            f"{name} works on frames but got a {type(value).__name__}: put op.window(seconds=...) before it in the pipe"
        )
