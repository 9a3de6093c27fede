"""Exits: each an operator from what happens to `ExitSignal`; `rx.merge` makes one stream of them.

All of them watch one `Held` position and fall silent with the subscription that the executor disposes of
when the position is closed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import force_setattr
from reactivex import Observable, abc
from reactivex.disposable import Disposable

from pipeline.checked import note_maker, text
from pipeline.clock import RANK_TIME_STOP, SymbolClock
from pipeline.events import EPSILON, SECOND, Candle, Side, Trade
from pipeline.operators.lift import Callbacks, Direct, Operator, Scheduler, Step, lift
from pipeline.operators.probe import Probe


class Held(msgspec.Struct, frozen=True):
    """An open position as its exits see it: prices as floats, times in ns."""

    symbol: str
    side: Side
    entry_price: float
    entry_ts: int


class ExitSignal(msgspec.Struct, frozen=True, dict=True):
    """A wish to close a position; `reason` is TP, SL, TIME, FLAT or one of your own."""

    symbol: str
    reason: str

    def __post_init__(self) -> None:
        note_maker(self)
        if self.symbol.__class__ is not str:
            force_setattr(self, "symbol", text("an exit's symbol is", self.symbol))
        force_setattr(self, "reason", text("an exit's reason is", self.reason))


def profit_target(held: Held, fraction: float) -> Operator[Trade, ExitSignal]:
    """Exit (TP) when the price moved by `fraction` or more in the position's favour."""
    goal = fraction - EPSILON
    return _on_move(held, "TP", lambda move: move >= goal)


def stop_loss(held: Held, fraction: float) -> Operator[Trade, ExitSignal]:
    """Exit (SL) when the price moved by `fraction` or more against the position."""
    floor = -fraction + EPSILON
    return _on_move(held, "SL", lambda move: move <= floor)


def flat_market(held: Held, seconds: int, threshold: float) -> Operator[Candle, ExitSignal]:
    """Exit (FLAT) at the close of the `seconds`-th one-second candle in a row that moved by `threshold` or less.

    Only candles that start at or after the entry count; a candle's move is |close / previous close - 1|.
    """
    limit = threshold + EPSILON

    def make(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
        run = 0

        def on_next(candle: Candle) -> None:
            nonlocal run
            if candle.start < held.entry_ts:
                return
            before = candle.previous_close
            run = run + 1 if before is not None and abs(candle.close / before - 1) <= limit else 0
            if run >= seconds:
                emit(ExitSignal(held.symbol, "FLAT"))

        return Step(on_next)

    return lift(make)


def time_stop(held: Held, seconds: float, clock: SymbolClock) -> Observable[ExitSignal]:
    """Exit (TIME) `seconds` after the entry, with or without a tick arriving."""
    due = held.entry_ts + round(seconds * SECOND)
    return _At(due, ExitSignal(held.symbol, "TIME"), clock)


def _on_move(held: Held, reason: str, beyond: Callable[[float], bool]) -> Operator[Trade, ExitSignal]:
    """Exit when `beyond` holds of move = direction x (price / entry price - 1)."""
    sign = held.side.sign
    entry = held.entry_price

    def make(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
        def on_next(tick: Trade) -> None:
            if beyond(sign * (tick.price / entry - 1)):
                emit(ExitSignal(held.symbol, reason))

        return Step(on_next)

    return lift(make)


class _At(Direct[ExitSignal]):
    """One value at one time of the core's clock."""

    def __init__(self, due: int, value: ExitSignal, clock: SymbolClock) -> None:
        super().__init__()
        self._due = due
        self._value = value
        self._clock = clock

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        deadlines, due = Probe.of(scheduler).deadlines, self._due

        def fire() -> None:
            deadlines.remove(due)
            observer.on_next(self._value)

        def cancel() -> None:
            timer.cancel()
            if due in deadlines:
                deadlines.remove(due)

        deadlines.append(due)
        timer = self._clock.at(due, fire, RANK_TIME_STOP)
        return Disposable(cancel)
