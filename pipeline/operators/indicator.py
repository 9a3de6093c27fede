"""Indicators: numbers that are followed from item to item, and the operator that puts them on a frame by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from reactivex import Observable
from reactivex.disposable import CompositeDisposable

from pipeline.checked import number, text
from pipeline.events import Candle, Trade
from pipeline.operators.frame import NOTHING, OF_ITSELF, Frame
from pipeline.operators.framing import Framing, Join, check_asked
from pipeline.operators.lift import Operator, Scheduler, Step, readings_of

Item = Trade | Candle | Frame
"""What an indicator is shown, one after the other. Each has `symbol`, `ts`, `price` and `size`."""

Measure = Callable[[Any], float | None]
"""Called with each item, in order. Returns the indicator's value, or None as long as it has not seen enough."""


class Begin(NamedTuple):
    """What an indicator has at the beginning of a subscription: the clock, and a place for what has to end with it."""

    scheduler: Scheduler
    subscriptions: CompositeDisposable


class Indicator(msgspec.Struct, frozen=True, eq=False):
    """A number that is followed; `begin` is called once a subscription, so its memory is that subscription's own."""

    name: str
    begin: Callable[[Begin], Measure]
    asks: frozenset[str] = frozenset()  # for readings that stand before it in the pipe, by name

    def of(self, source: Indicator) -> Indicator:
        """Return this indicator of another one's values in place of prices: `op.ema(9).of(op.log_return())`."""
        inner, outer = source.begin, self.begin

        def begin(start: Begin) -> Measure:
            measure, follow = inner(start), outer(start)

            def value(item: Any) -> float | None:
                found = measure(item)
                return None if found is None else follow(_Point(item.symbol, item.ts, found, item.size))

            return value

        return Indicator(f"{self.name} of {source.name}", begin)


class _Point(NamedTuple):
    """A value in the place of a price."""

    symbol: str
    ts: int
    price: float
    size: float


def indicator(name: str, make: Callable[[], Measure]) -> Indicator:
    """Return an indicator of your own: `make()` gives the function that is called with each item.

    >>> def highest():
    ...     best = 0.0
    ...     def value(item):
    ...         nonlocal best
    ...         best = max(best, item.price)
    ...         return best
    ...     return value
    >>> session_high = indicator("session_high", highest)
    """
    return Indicator(text("an indicator's name is", name), lambda _: make())


def bar_of(item: Any) -> tuple[float, float, float]:
    """Return high, low and close of a candle; of anything else its price, three times."""
    if item.__class__ is Candle:
        return item.high, item.low, item.close
    price = item.price
    return price, price, price


def readings(**indicators: Indicator) -> Operator[Any, Frame]:
    """Put indicators on every item, each under its name: `frame["rsi"]`.

    ```
    candles   --c1------c2------c3--------
              readings(fast=ema(2))
    frames    --(None)--(fast)--(fast)----   ready from the second on
    ```

    Works on ticks, candles and frames. A frame is `ready` once every indicator has a value, and its window is if it has
    one. Cost: that of the indicators, and 0.6 us a frame.

    Raises TypeError for what is no indicator, ValueError for a name that rules read off the frame itself (`price`) and,
    as the pipe is built, for one that another op.readings before it has given.
    """
    for name, given in indicators.items():
        if not isinstance(given, Indicator):
            raise TypeError(f"op.readings: {name} is a {type(given).__name__}, not an indicator such as op.ema(9)")
        if name in OF_ITSELF:
            raise ValueError(f"op.readings: rules read {name} off the frame itself: give the reading another name")

    def step(emit: Callable[[Frame], None], scheduler: Scheduler, join: Join) -> Step:
        subscriptions = CompositeDisposable()
        start = Begin(scheduler, subscriptions)
        measures = tuple((name, given.name, given.begin(start)) for name, given in indicators.items())
        born_with = join(())

        def on_next(item: Any) -> None:
            warm = True
            values: dict[str, float] = {}
            for name, made_by, measure in measures:
                found = measure(item)
                if found is None:
                    warm = False
                elif found.__class__ is float and found - found == 0.0:
                    values[name] = found
                else:
                    values[name] = number(f"the indicator {made_by} gave", found, measure)
            if item.__class__ is Frame:
                if item.values is not NOTHING:
                    values = {**item.values, **values}
                ready, conditions = item.ready and warm, join(item.conditions)
                emit(msgspec.structs.replace(item, values=values, ready=ready, conditions=conditions))
                return
            price = item.price
            tick = item if item.__class__ is Trade else Trade(item.symbol, item.ts, price, item.size)
            emit(Frame(tick, price, warm, 0.0, 1, price, 0.0, 0.0, price, price, born_with, values))

        return Step(on_next, dispose=subscriptions.dispose)

    def operator(source: Observable[Any]) -> Observable[Frame]:
        for name, given in indicators.items():
            check_asked(f"op.readings: {name}", given.asks, source)
            if name in (readings_of(source) or ()):
                raise ValueError(f"op.readings: there is a reading {name} before it in the pipe: give it another name")
        return Framing(source, "op.readings", step, windowed=False, puts=frozenset(indicators))

    return operator
