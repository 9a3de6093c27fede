"""candles: closed candles of whole seconds, also through seconds without trades."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from pipeline.checked import number
from pipeline.clock import RANK_CANDLE, SymbolClock, Timer
from pipeline.events import SECOND, Candle, Trade
from pipeline.operators.lift import Callbacks, Direct, Lifted, MakeStep, Scheduler, Step


def candles(
    seconds: float | None = None,
    *,
    ticks: int | None = None,
    volume: float | None = None,
    dollars: float | None = None,
) -> Callable[[Observable[Trade]], Observable[Candle]]:
    """Close a candle every so many seconds (1), or once so many ticks, shares or dollars were traded.

    ```
    ticks     --1-2---3-------4---|
              candles(seconds=1)     closed at each mark, also where nothing was traded
    candles   ------C-----C-----C-
    ```

    Candles of seconds close at multiples of that time since 1970, UTC, by the core's clock, whether or not a tick
    arrives; the first one begins with the first tick. The others close with the tick that fills them, all of which
    belongs to them. They must be subscribed with a symbol's clock as the scheduler, as every strategy is.

    O(1): 0.4 us a tick. Raises ValueError unless exactly one length is given, above 0.
    """
    lengths = {"seconds": seconds, "ticks": ticks, "volume": volume, "dollars": dollars}
    given = {name: number(f"op.candles: {name} is", found) for name, found in lengths.items() if found is not None}
    by, length = next(iter(given.items()), ("seconds", 1.0))
    if len(given) > 1 or not length > 0:
        raise ValueError("op.candles: give one of seconds, ticks, volume and dollars, more than 0")

    def make(emit: Callable[[Candle], None], scheduler: Scheduler) -> Step:
        if not isinstance(scheduler, SymbolClock):
            raise TypeError("candles need the core's time: subscribe with a SymbolClock as the scheduler")
        candle = _Running(emit)
        if by == "seconds":
            timed = _Timed(candle, scheduler, round(length * SECOND))
            return Step(timed.on_next, dispose=timed.stop)

        filled = _FILLED[by]

        def on_next(tick: Trade) -> None:
            candle.add(tick)
            if filled(candle) >= length:
                candle.close(candle.start, tick.ts)
                candle.clear()

        return Step(on_next)

    return lambda source: _OfTicks(source, make)


_FILLED = {"ticks": attrgetter("trades"), "volume": attrgetter("volume"), "dollars": attrgetter("notional")}
"""How full a candle is that no clock closes."""


class _OfTicks(Lifted[Candle]):
    def __init__(self, source: Observable[Trade], make: MakeStep) -> None:
        super().__init__(source, make, "candles, those of op.candles")
        self.readings = frozenset()


class _Running:
    """The candle that runs."""

    def __init__(self, emit: Callable[[Candle], None]) -> None:
        self._emit = emit
        self._previous: float | None = None
        self._symbol = ""
        self.start = 0
        self.price = self.open = self.high = self.low = self.volume = self.notional = 0.0
        self.trades = 0

    def add(self, tick: Trade) -> None:
        price = tick.price
        if not self.trades:
            self._symbol = tick.symbol
            self.start = tick.ts
            self.open = self.high = self.low = price
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.price = price
        self.trades += 1
        self.volume += tick.size
        self.notional += price * tick.size

    def close(self, start: int, end: int) -> None:
        """Emit it as one from `start` to `end`."""
        price = self.price
        previous, self._previous = self._previous, price
        if self.trades:
            opened, high, low = self.open, self.high, self.low
        else:
            opened = high = low = price
        volume, notional, trades = self.volume, self.notional, self.trades
        self._emit(Candle(self._symbol, start, end, price, previous, opened, high, low, volume, notional, trades))

    def clear(self) -> None:
        """Begin the next one."""
        self.trades = 0
        self.volume = self.notional = 0.0


class _Timed:
    """Closes a candle at every multiple of its length, from the first tick on."""

    def __init__(self, candle: _Running, clock: SymbolClock, length: int) -> None:
        self._candle = candle
        self._clock = clock
        self._length = length
        self._end = 0
        self._timer: Timer | None = None

    def stop(self) -> None:
        """Close no more of them."""
        if self._timer is not None:
            self._timer.cancel()

    def on_next(self, tick: Trade) -> None:
        if not self._end:
            self._end = (self._clock.clock.now // self._length + 1) * self._length
            self._timer = self._clock.at(self._end, self._close, RANK_CANDLE)
        self._candle.add(tick)

    def _close(self) -> None:
        end = self._end
        self._end += self._length
        self._timer = self._clock.at(self._end, self._close, RANK_CANDLE)
        self._candle.close(end - self._length, end)
        self._candle.clear()


class Candles(Direct[Candle]):
    """A symbol's candles, hot: each whole second of `now` from its first tick on has one.

    A candle closes at the next whole second with the last price, whether or not a tick arrived. Without a subscriber
    no timer runs, and a tick costs one comparison: what pushes ticks calls `update`, or does what it does in line. A
    subscriber gets every candle that closes from then on; each knows its predecessor's close.
    """

    def __init__(self, clock: SymbolClock) -> None:
        super().__init__()
        self.end = 0  # ns: when the running candle closes
        self.price = 0.0  # the last price
        self._clock = clock
        self._time = clock.clock
        self._previous: float | None = None  # the close before the running candle
        self._symbol = ""
        self._observers: tuple[Callbacks, ...] = ()
        self._timer: Timer | None = None

    @property
    def observed(self) -> bool:
        """Whether there is a subscriber."""
        return bool(self._observers)

    def update(self, tick: Trade) -> None:
        """Set the running candle's price to that of a tick at `now`."""
        if self._time.now >= self.end:
            self.roll(tick.symbol)
        self.price = tick.price

    def roll(self, symbol: str) -> None:
        """Pass over the candles that closed unseen, all of them at the last price, to the one that runs now."""
        if self.end and self.price:
            self._previous = self.price
        self._symbol = symbol
        self.end = (self._time.now // SECOND + 1) * SECOND

    def forget_price(self) -> None:
        """Forget the price, and close no candle until the next tick: that one's candle is a first one again."""
        self.price = 0.0
        self._previous = None

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        """Add an observer, which is called with the candles that close from now on."""
        self._observers = (*self._observers, observer)
        if self._timer is None:
            if self._time.now >= self.end:
                self.roll(self._symbol)
            self._timer = self._clock.at(self.end, self._close, RANK_CANDLE)
        return Disposable(lambda: self._leave(observer))

    def _leave(self, observer: Callbacks) -> None:
        self._observers = tuple(o for o in self._observers if o is not observer)
        if not self._observers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        candle = Candle(self._symbol, self.end - SECOND, self.end, self.price, self._previous)
        self.end += SECOND
        self._timer = self._clock.at(self.end, self._close, RANK_CANDLE)
        if not self.price:
            return  # a position that was taken up again is guarded before its first tick: nothing can close yet
        self._previous = self.price
        for observer in self._observers:
            self._clock.guarded(partial(observer.on_next, candle))
