"""The exits that a strategy lists: `exits = [op.stop_loss(0.001), op.trailing_stop(0.001)]`."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import Observable

from pipeline.checked import number
from pipeline.events import EPSILON, Trade
from pipeline.exits.exit import Exit
from pipeline.exits.flat_market import flat_market as flat_market_of
from pipeline.exits.held import ExitSignal, Held, fraction_of_position
from pipeline.exits.market import Market
from pipeline.exits.on_move import profit_target as profit_target_of, stop_loss as stop_loss_of
from pipeline.exits.time_stop import time_stop as time_stop_of
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Operator, Scheduler, Step, lift
from pipeline.operators.logic.rule import Holds, Rule, named, rule_of
from pipeline.operators.rolling import count
from pipeline.probe import Level, Probe

Leaves = Callable[[float], bool]
"""Whether a position is left at the price of a tick."""

AtPrice = Callable[[], float | None]
"""The price at which it would be left now; None while there is none. It is for those who look, and decides nothing."""


def _fraction(who: str, given: float) -> float:
    found = number(f"op.{who}: the fraction is", given)
    if not found > 0:
        raise ValueError(f"op.{who}: the fraction must be more than 0 (0.001 is 0.1 %), not {given}")
    if found >= 1:
        raise ValueError(f"op.{who}: the fraction must be less than 1 (0.01 is 1 %), not {given}")
    return found


def profit_target(fraction: float) -> Exit:
    """Leave (TP) when the price moved by `fraction` or more in the position's favour."""
    fraction = _fraction("profit_target", fraction)
    return Exit(
        f"profit_target({fraction:g})", lambda held, market: market.ticks.pipe(profit_target_of(held, fraction))
    )


def take_profit(fraction: float, part: float = 0.5) -> Exit:
    """Leave with a part of the position (TP), once, when the price moved by `fraction` or more in its favour.

    `part` is a fraction of what is held then, in whole shares: the nearest number of them (of two, the smaller), and
    one at least. A part that is all of it closes the position; what is left has the other exits.
    """
    fraction = _fraction("take_profit", fraction)
    part = fraction_of_position("op.take_profit: the part", part)
    name = f"take_profit({fraction:g}, {part:g})"

    def make(held: Held) -> tuple[Leaves, AtPrice]:
        said, entry, sign = False, held.entry_price, held.side.sign

        def leaves(price: float) -> bool:
            nonlocal said
            due = not (said and part < 1) and sign * (price / entry - 1) >= fraction - EPSILON
            said = said or due
            return due

        return leaves, lambda: None if said and part < 1 else entry * (1 + sign * fraction)

    def begin(held: Held, market: Market) -> Observable[ExitSignal]:
        return market.ticks.pipe(_leaving(held, "TP", make, part, name))

    return Exit(name, begin, part)


def stop_loss(fraction: float) -> Exit:
    """Leave (SL, at market) when the price moved by `fraction` or more against the position."""
    fraction = _fraction("stop_loss", fraction)
    return Exit(
        f"stop_loss({fraction:g})",
        lambda held, market: market.ticks.pipe(stop_loss_of(held, fraction)),
        stop=fraction,
        loss=fraction,
    )


def time_stop(seconds: float) -> Exit:
    """Leave (TIME) `seconds` after the entry, with or without a tick arriving."""
    if not number("op.time_stop: seconds is", seconds) > 0:
        raise ValueError(f"op.time_stop: seconds must be more than 0, not {seconds}")
    return Exit(f"time_stop({seconds:g})", lambda held, market: time_stop_of(held, seconds, market.clock), hold=seconds)


def flat_market(seconds: int, threshold: float) -> Exit:
    """Leave (FLAT) at the close of the `seconds`-th one-second candle in a row that moved by `threshold` or less."""
    seconds = count("op.flat_market: seconds", seconds)
    limit = number("op.flat_market: the threshold is", threshold)
    return Exit(
        f"flat_market({seconds}, {limit:g})",
        lambda held, market: market.candles.pipe(flat_market_of(held, seconds, limit)),
    )


def trailing_stop(fraction: float, after: float = 0.0) -> Exit:
    """Leave (TRAIL) when the price has come back by `fraction` from the best one since the entry.

    The entry's own price is the first best one, so that it is a stop loss of the same width, too; unless it is to trail
    only once the price has been `after` in the position's favour: then another exit has to guard what is below.
    """
    fraction = _fraction("trailing_stop", fraction)
    after = _fraction("trailing_stop", after) if after else 0.0

    def make(held: Held) -> tuple[Leaves, AtPrice]:
        best, entry, sign = held.entry_price, held.entry_price, held.side.sign

        def leaves(price: float) -> bool:
            nonlocal best
            if sign * (price - best) > 0:
                best = price
                return False
            trails = not after or sign * (best / entry - 1) >= after - EPSILON
            return trails and sign * (price / best - 1) <= EPSILON - fraction

        def at_price() -> float | None:
            trails = not after or sign * (best / entry - 1) >= after - EPSILON
            return best * (1 - sign * fraction) if trails else None

        return leaves, at_price

    name = f"trailing_stop({fraction:g}, after={after:g})" if after else f"trailing_stop({fraction:g})"
    return _at_price(name, "TRAIL", make, None if after else fraction)


def break_even(after: float) -> Exit:
    """Leave (BREAK_EVEN) at the entry's price or worse, once the price has been `after` in the position's favour."""
    after = _fraction("break_even", after)

    def make(held: Held) -> tuple[Leaves, AtPrice]:
        armed, entry, sign = False, held.entry_price, held.side.sign

        def leaves(price: float) -> bool:
            nonlocal armed
            move = sign * (price / entry - 1)
            armed = armed or move >= after - EPSILON
            return armed and move <= EPSILON

        return leaves, lambda: entry if armed else None

    return _at_price(f"break_even({after:g})", "BREAK_EVEN", make)


def volatility_stop(reading: str, times: float = 2.0) -> Exit:
    """Leave (VOL_STOP) when the price moved against the position by `times` what a reading was at the entry.

    The reading is one of `op.readings`, in money: `op.volatility_stop("atr", 3)` with `atr=op.atr(14)`.

    A strategy whose frames have no such reading is refused as it is loaded. Where that shows only at the entry,
    WrongValue is raised there, which leaves the default exits.
    """
    if not number("op.volatility_stop: times is", times) > 0:
        raise ValueError(f"op.volatility_stop: times must be more than 0, not {times}")

    def begin(held: Held, market: Market) -> Observable[ExitSignal]:
        frame = market.frame()
        if frame is None:
            raise ValueError("op.volatility_stop: the strategy showed no frame before the entry")
        reach, sign = times * frame[reading], held.side.sign
        level = held.entry_price - sign * reach

        def leaves(price: float) -> bool:
            return sign * (price - held.entry_price) <= EPSILON - reach

        return market.ticks.pipe(_leaving(held, "VOL_STOP", lambda _: (leaves, lambda: level)))

    return Exit(f"volatility_stop({reading}, {times:g})", begin, asks=named(reading))


def exit_when(rule: Rule | Holds, reason: str = "TURNED") -> Exit:
    """Leave, for `reason`, when a rule holds of the newest of the strategy's own frames: until the reading turns.

    It is asked at each tick, before the strategy sees that tick: the frame is that of the tick, or the candle, before.
    """
    inner = rule_of("op.exit_when", rule)

    def begin(held: Held, market: Market) -> Operator[Trade, ExitSignal]:
        def make(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
            holds = inner.begin()
            seen: Frame | None = None

            def on_next(_: Trade) -> None:
                nonlocal seen
                frame = market.frame()
                if frame is not None and frame is not seen and frame.ready:
                    seen = frame
                    if holds(frame):
                        emit(ExitSignal(held.symbol, reason))

            return Step(on_next)

        return lift(make)

    return Exit(
        f"exit_when({inner.name})", lambda held, market: market.ticks.pipe(begin(held, market)), asks=inner.asks
    )


def _at_price(
    name: str, reason: str, make: Callable[[Held], tuple[Leaves, AtPrice]], stop: float | None = None
) -> Exit:
    return Exit(name, lambda held, market: market.ticks.pipe(_leaving(held, reason, make)), stop=stop)


def _leaving(
    held: Held, reason: str, make: Callable[[Held], tuple[Leaves, AtPrice]], part: float = 1.0, name: str = ""
) -> Operator[Trade, ExitSignal]:
    """Leave at each tick whose price is one to leave at; `make` gives, once a subscription, what sees each of them.

    With it comes what tells those who look at which price that would be.
    """

    def step(emit: Callable[[ExitSignal], None], scheduler: Scheduler) -> Step:
        leaves, at_price = make(held)

        def on_next(tick: Trade) -> None:
            if leaves(tick.price):
                emit(ExitSignal(held.symbol, reason, part, name))

        return Step(on_next, dispose=Probe.of(scheduler).show(Level(reason, part, at_price)))

    return lift(step)
