"""candles: closed candles of whole seconds, also through seconds without trades."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from pipeline.clock import RANK_CANDLE, SymbolClock, Timer
from pipeline.events import SECOND, Candle, Trade
from pipeline.operators.lift import Callbacks, Direct, Scheduler


def candles() -> Callable[[Observable[Trade]], Observable[Candle]]:
    """Close a candle at each whole second of the scheduler's `now`; see `Candles`.

    It must be subscribed with a symbol's clock as the scheduler, as every strategy is.
    """

    def operator(source: Observable[Trade]) -> Observable[Candle]:
        def subscribe(observer: abc.ObserverBase[Candle], scheduler: Scheduler = None) -> abc.DisposableBase:
            if not isinstance(scheduler, SymbolClock):
                raise TypeError("candles need the core's time: subscribe with a SymbolClock as the scheduler")
            stream = Candles(scheduler)

            def on_next(tick: Trade) -> None:
                stream.update(tick)
                if not stream.observed:  # the first tick starts the first candle
                    listening.add(stream.subscribe(observer))

            listening = CompositeDisposable()
            ticks = source.subscribe(on_next, observer.on_error, observer.on_completed, scheduler=scheduler)
            listening.add(ticks)
            return listening

        return _OfTicks(subscribe)

    return operator


class _OfTicks(Observable[Candle]):
    gives = "candles, those of op.candles"


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
