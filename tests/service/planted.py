"""Strategies with one fault each, as authors make them: what `microbot check` has to find, and name."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from reactivex import Observable, operators as rx

from microbot import Frame, Market, Scheduler, Side, Signal, Step, Strategy, Trade, op

Ticks = Observable[Trade]
Signals = Observable[Signal]


def bursts(ticks: Ticks, *conditions: Any) -> Signals:
    pipe: Any = ticks.pipe(op.window(seconds=15), op.momentum(0.0002))
    for condition in conditions:
        pipe = pipe.pipe(condition)
    return pipe.pipe(op.bursts())  # type: ignore[no-any-return]


def sound(ticks: Ticks) -> Signals:
    return bursts(ticks)


def _long(tick: Trade) -> Signal:
    return Signal(tick.symbol, 0, Side.LONG, 0)


def speaks_at_the_end(ticks: Ticks) -> Signals:
    return ticks.pipe(rx.last(), rx.map(_long))


PRICES: dict[tuple[str, int], float] = {}


def knows_the_run_before(ticks: Ticks) -> Signals:
    def make(emit: Callable[[Signal], None], scheduler: Scheduler) -> Step:
        count = 0

        def on_next(tick: Trade) -> None:
            nonlocal count
            count += 1
            PRICES[tick.symbol, count] = tick.price
            if PRICES.get((tick.symbol, count + 1), 0.0) > tick.price:
                emit(Signal(tick.symbol, 0, "LONG", 0))  # type: ignore[arg-type]

        return Step(on_next)

    return ticks.pipe(op.lift(make))


def says_of_the_tick_before(ticks: Ticks) -> Signals:
    def made(pair: tuple[Trade, Trade]) -> Signal:
        before, now = pair
        return Signal(before.symbol, before.ts, "LONG" if now.price > before.price else "SHORT", before.price)  # type: ignore[arg-type]

    def moved(pair: tuple[Trade, Trade]) -> bool:
        return pair[0].price != pair[1].price

    return ticks.pipe(rx.pairwise(), rx.filter(moved), rx.map(made))


WINDOW: deque[float] = deque(maxlen=20)


def shares_its_window(ticks: Ticks) -> Signals:
    def move(frame: Frame) -> float:
        WINDOW.append(frame.price)
        return frame.price / WINDOW[0] - 1

    return ticks.pipe(op.window(seconds=15), op.condition("move", move, either_way=0.0003), op.bursts())


def reads_a_clock(ticks: Ticks) -> Signals:
    return bursts(ticks, op.condition("clock", lambda frame: float(time.time() > 0), at_least=0.5))


def reads_the_date(ticks: Ticks) -> Signals:
    return bursts(ticks, op.condition("hour", lambda frame: float(datetime.now().hour), at_least=0))  # noqa: DTZ005


def rolls_dice(ticks: Ticks) -> Signals:
    return bursts(ticks, op.condition("dice", lambda frame: random.uniform(0, 1), at_least=0))


def reads_a_file(ticks: Ticks) -> Signals:
    return bursts(ticks, op.condition("file", lambda frame: len(Path(__file__).read_bytes()), at_least=0))


def keeps_everything(ticks: Ticks) -> Signals:
    def make() -> Callable[[Frame], float]:
        prices: list[float] = []

        def value(frame: Frame) -> float:
            prices.append(frame.price)
            return float(len(prices))

        return value

    return bursts(ticks, op.running_condition("all", make, at_least=0))


def is_slow(ticks: Ticks) -> Signals:
    def make() -> Callable[[Frame], float]:
        return lambda frame: float(sum(n * n for n in range(20_000)))

    return bursts(ticks, op.running_condition("slow", make, at_least=0))


def misspells_a_side(ticks: Ticks) -> Signals:
    def made(tick: Trade) -> Signal:
        return Signal(tick.symbol, 0, "long", 0)  # type: ignore[arg-type]

    return ticks.pipe(rx.map(made))


def fails_on_a_silence(ticks: Ticks) -> Signals:
    def make() -> Callable[[Frame], float]:
        last = 0

        def value(frame: Frame) -> float:
            nonlocal last
            before, last = last, frame.ts
            if before and frame.ts - before > 600_000_000_000:
                raise RuntimeError("ten minutes without a tick")
            return 1.0

        return value

    return bursts(ticks, op.running_condition("busy", make, at_least=0))


def divides_by_nothing(held: Any, market: Market) -> Observable[Any]:
    return market.ticks.pipe(rx.map(lambda tick: 1 / 0))


exit_that_raises = Strategy("exit_that_raises", sound, divides_by_nothing)
exit_that_never_fires = Strategy("exit_that_never_fires", sound, [op.stop_loss(0.001), op.profit_target(0.9)])
good = Strategy("good", sound, [op.stop_loss(0.001), op.trailing_stop(0.001), op.time_stop(seconds=30)])


def carries_an_exit_that_never_fires(ticks: Ticks) -> Signals:
    far = [op.profit_target(0.9)]
    up = op.when(op.rising("price"), go="LONG", exits=far)
    return ticks.pipe(op.candles(seconds=1), op.readings(mean=op.sma(2)), up, op.once_per("rise"))


def carries_another_quantity_each_time(ticks: Ticks) -> Signals:
    up = op.when(op.rising("price"), go="LONG", quantity=lambda frame: random.random())
    return ticks.pipe(op.candles(seconds=1), op.readings(mean=op.sma(2)), up, op.once_per("rise"))
