"""Indicators: numbers that are followed from item to item, and the operator that puts them on a frame by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from pipeline.checked import number, text
from pipeline.events import Candle, Trade
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Callbacks, Direct, Operator, Scheduler, directed
from pipeline.probe import Probe

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

    Raises TypeError for what is no indicator.
    """
    for name, given in indicators.items():
        if not isinstance(given, Indicator):
            raise TypeError(f"op.readings: {name} is a {type(given).__name__}, not an indicator such as op.ema(9)")
    return lambda source: _Readings(source, indicators)


class _Readings(Direct[Frame]):
    name = "readings"

    def __init__(self, source: Observable[Any], indicators: dict[str, Indicator]) -> None:
        super().__init__()
        self.gives = "frames, those of op.readings"
        self.directed = directed(source) or False
        self.windowed = bool(getattr(source, "windowed", None))
        self._source = source
        self._indicators = indicators

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        subscriptions = CompositeDisposable()
        start = Begin(scheduler, subscriptions)
        measures = tuple((name, given.name, given.begin(start)) for name, given in self._indicators.items())
        emit = observer.on_next

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
            emit(_framed(item, values, warm))

        Probe.note(scheduler, self, on_next, emit)
        source = self._source.subscribe(on_next, observer.on_error, observer.on_completed, scheduler=scheduler)
        subscriptions.add(source)
        return subscriptions


def _framed(item: Any, values: dict[str, float], warm: bool) -> Frame:
    """Return the frame that shows an item with some more values."""
    if item.__class__ is Frame:
        return msgspec.structs.replace(item, values={**item.values, **values}, ready=item.ready and warm)
    price = item.price
    tick = item if item.__class__ is Trade else Trade(item.symbol, item.ts, price, item.size)
    return Frame(tick, price, warm, 0.0, 1, price, 0.0, 0.0, price, price, (), values)
