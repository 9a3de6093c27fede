"""What guards an open position: the exits of its strategy, and beneath them a fallback that no exit can take away."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from math import inf

import msgspec
from reactivex import Observable, abc

from actors.messages import ExitReason
from pipeline.checked import FAULTS
from pipeline.clock import RANK_OTHER, SymbolClock, Timer
from pipeline.events import EPSILON, SECOND, Side
from pipeline.exits import ExitSignal, Held

Subscribable = Callable[[], Observable[ExitSignal]]


class Fallback(msgspec.Struct, frozen=True):
    """When a position is closed whatever its exits say or do not say; None: never (as in recordings of old)."""

    stop: float | None = None  # fraction that the price moved against the position
    hold_s: float | None = None  # seconds since the entry

    @classmethod
    def of(cls, stop: float | None, hold_s: float | None, stop_loss: float, time_stop_s: float) -> Fallback:
        """Make it at least twice as wide as the stop loss, and at least twice as long as the time stop."""
        return cls(stop and max(stop, 2 * stop_loss), hold_s and max(hold_s, 2 * time_stop_s))

    def due(self, held: Held) -> int | None:
        """Return when it closes a position at the latest, in ns."""
        return None if self.hold_s is None else held.entry_ts + round(self.hold_s * SECOND)

    def prices(self, held: Held) -> tuple[float, float]:
        """Return the prices at or below, and at or above which it closes a position."""
        if self.stop is None:
            return -inf, inf
        worst = held.entry_price * (1 - held.side.sign * (self.stop - EPSILON))
        return (worst, inf) if held.side is Side.LONG else (-inf, worst)

    def __str__(self) -> str:
        against = f"{self.stop * 100:.4g} % against it" if self.stop is not None else ""
        held = f"{self.hold_s:g} s after its entry" if self.hold_s is not None else ""
        return " or ".join(filter(None, (against, held)))


class GuardedBy(StrEnum):
    """Whose exits watch a position, beside the fallback."""

    OWN = "OWN"
    FAULTY = "FAULTY"  # its own, one of which raised
    DEFAULT = "DEFAULT"
    NONE = "NONE"  # its own have ended


_WORDS = {
    GuardedBy.OWN: "its own exits",
    GuardedBy.FAULTY: "its own exits (one of them failed)",
    GuardedBy.DEFAULT: "the default exits",
}


class Guard(abc.DisposableBase):
    """The subscription of a position's exits.

    Should they fail as a whole, the default ones take their place. The fallback is none of them: a timer of the core's
    own, and a look at each tick that they have seen (`check_fallback`), which ends with the position only.

    `leave` hears of what an exit says, `close` of the fallback, whose reason is no exit's to give, `failed` of what an
    author's code raised, and `changed`, in words, of each time that something else guards the position than before,
    and why. The subscriptions' time comes from `clock`.
    """

    def __init__(
        self,
        held: Held,
        own: Subscribable,
        default: Subscribable,
        by: GuardedBy,
        fallback: Fallback,
        clock: SymbolClock,
        leave: Callable[[ExitSignal], None],
        close: Callable[[ExitSignal], None],
        failed: Callable[[BaseException], None],
        changed: Callable[[str, str], None],
    ) -> None:
        self.by = by
        self.fallback = fallback
        self.fallback_ts = fallback.due(held)  # ns; None without one
        self._held = held
        self._default = default
        self._clock = clock
        self._leave = leave
        self._close = close
        self._failed = failed
        self._changed = changed
        self._inner: abc.DisposableBase | None = None
        self._disposed = False
        self._said = False  # a wish to exit, which holds until the position is closed: the executor sees it through
        self._fell = False
        self._low, self._high = fallback.prices(held)
        self._timer: Timer | None = None
        if self.fallback_ts is not None:  # not the symbol's clock's: what this raises is no fault of an author's
            self._timer = clock.clock.at(self.fallback_ts, self._fall, RANK_OTHER, clock.symbol_index)
        self._subscribe(own)

    def _subscribe(self, exits: Subscribable) -> None:
        before = self._inner
        try:
            subscription = exits().subscribe(self._say, self._replace, self._end, scheduler=self._clock)
        except FAULTS as error:  # an author's exits may raise anything: a position is never left without any
            self._replace(error)
        else:
            if self._inner is before and not self._disposed:
                self._inner = subscription
            else:  # it failed while it was subscribed, and others stand in its place
                _let_go(subscription)

    def check_fallback(self, price: float) -> None:
        """Close the position if the price of a tick, which the exits have seen, is beyond the fallback."""
        if price <= self._low or price >= self._high:
            self._fall()

    @property
    def words(self) -> str:
        """What guards the position, for people."""
        exits, fallback = _WORDS.get(self.by), str(self.fallback)
        if exits is None:
            return f"the fallback alone (it closes it {fallback})" if fallback else "nothing"
        return f"{exits}, and beneath them the fallback ({fallback})" if fallback else exits

    def note(self, error: BaseException) -> None:
        """Take note that one of the exits raised; the others of them go on."""
        if self.by is GuardedBy.OWN:
            self._become(GuardedBy.FAULTY, f"{type(error).__name__} in an exit")

    def fall_back(self, reason: str) -> None:
        """Put the default exits in the place of the position's own."""
        inner, self._inner = self._inner, None
        _let_go(inner)
        self._become(GuardedBy.DEFAULT, reason)
        try:
            self._inner = self._default().subscribe(self._say, scheduler=self._clock)
        except FAULTS as error:  # an author's operators may have set all the timers that there are
            self._failed(error)
            self._become(GuardedBy.NONE, "the default ones cannot be subscribed either")

    def _say(self, wish: ExitSignal) -> None:
        self._leave(wish)
        self._said = self._said or wish.part >= 1  # what a part leaves is to be guarded further on

    def _replace(self, error: BaseException) -> None:
        self._failed(error)
        if not self._disposed and self.by is not GuardedBy.DEFAULT:
            self.fall_back("its own failed")

    def _end(self) -> None:
        if not self._disposed and not self._said and self.by is not GuardedBy.DEFAULT:
            self._become(GuardedBy.NONE, "they ended and never said to leave")

    def _become(self, by: GuardedBy, reason: str) -> None:
        if by is not self.by:
            self.by = by
            self._changed(self.words, reason)

    def _fall(self) -> None:
        """Close the position; where an exit has said to and it is open yet, at once: it waits for no price any more."""
        if not self._fell:
            self._fell = True
            self._close(ExitSignal(self._held.symbol, ExitReason.FALLBACK))
            self._said = True

    def dispose(self) -> None:
        self._disposed = True
        if self._timer is not None:
            self._timer.cancel()
        _let_go(self._inner)


def _let_go(subscription: abc.DisposableBase | None) -> None:
    if subscription is not None:
        with suppress(*FAULTS):  # what an author's code raises at its end is not reported, and stops nothing
            subscription.dispose()
