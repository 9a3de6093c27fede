"""A symbol's lane through the core: its market, its strategy's subscription, its position's exits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from reactivex import Observable, abc

from actors.actor import Actor, Context
from actors.chains import Chain, ChainSettings, ChainState
from actors.messages import BurstBlocked, EntryLooked
from actors.metrics import Metrics
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import BurstEnded, BurstStarted, Frame, Signal, Trade, signal_of
from pipeline.exits import ExitSignal, Held
from pipeline.operators.candles import Candles
from pipeline.operators.lift import Callbacks, Source
from pipeline.strategy import Exits, Market, Strategy


class Lane:
    """All that belongs to one symbol. The core pushes ticks in; signals and wishes to exit come out."""

    __slots__ = (
        "_context",
        "_fallback",
        "_guard",
        "_metrics",
        "_on_exit",
        "_on_signal",
        "_strategy",
        "_subscription",
        "ask",
        "bid",
        "candles",
        "chain",
        "clock",
        "guarded",
        "heeded",
        "held_at_input",
        "index",
        "last_ts",
        "late",
        "listener",
        "symbol",
        "ticks",
        "watched",
    )

    def __init__(
        self,
        symbol: str,
        index: int,
        clock: InputClock,
        strategy: Strategy,
        fallback: Exits,
        metrics: Metrics,
        context: Context,
        chains: ChainSettings,
        on_signal: Callable[[Signal], None],
        on_exit: Callable[[ExitSignal], None],
        debug: bool,
    ) -> None:
        self.symbol = symbol
        self.index = index
        self.last_ts = 0
        self.late = 0  # ticks that came before the last one's time, and were not used
        self.bid: float | None = None
        self.ask: float | None = None
        self.held_at_input = 0
        self.guarded = False  # a position is open and its exits are subscribed
        self.listener: Actor | None = None  # hears of each trade before the exits do
        self.heeded = False  # guarded, or listened to: what the tick path asks
        self.ticks: Source[Trade] = Source()  # what the strategy hears
        self.clock = SymbolClock(clock, index)
        self.chain = Chain(symbol, chains, context, self.clock, self._subscribe, self._unsubscribe)
        self.watched = _Watched(self.chain.fail)  # what the exits of an open position hear, before the strategy
        self.clock.on_fault = self.chain.fail
        if debug:
            self.clock.see_frame = self._see_frame
        self.clock.see_burst = self._see_burst
        self.candles = Candles(self.clock)
        self._strategy = strategy
        self._fallback = fallback  # exits for a position whose own cannot even be subscribed
        self._metrics = metrics
        self._context = context
        self._on_signal = on_signal
        self._on_exit = on_exit
        self._guard: _Guard | None = None  # of the newest position
        self._subscription: abc.DisposableBase | None = None
        self._subscribe()

    @property
    def price(self) -> float:
        """The last accepted trade's; 0 before the first."""
        return self.candles.price

    def _subscribe(self) -> None:
        try:
            signals = self._strategy.entries(self.ticks)
            self._subscription = signals.subscribe(self._emit, self.chain.fail, scheduler=self.clock)
        except Exception as error:  # an author's composition may raise anything; it costs that chain only
            self.chain.fail(error)

    def _unsubscribe(self) -> None:
        self.ticks = Source()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(Exception):  # it is stopped already: what it raises at its end is nobody's news
                subscription.dispose()
        self.clock.frame = None  # nobody asks the conditions of a chain that is stopped

    def _emit(self, value: Signal | Frame) -> None:
        """Take what the strategy says: signals, or frames where the pipe ends without `bursts`."""
        if value.__class__ is Signal:
            self._on_signal(value)
        elif isinstance(value, Frame):
            self.clock.frame = value
            self.clock.ready += value.ready
            if self.clock.see_frame is not None:
                self.clock.see_frame(value)
            if value.passed:
                self._on_signal(signal_of(value))
        else:
            raise TypeError(f"a strategy must give signals (or frames), not a {type(value).__name__}")

    def forget_prices(self) -> None:
        """Know of no price until the next tick or quote: what is to be closed waits for it."""
        self.bid = self.ask = None
        self.candles.forget_price()

    def remove(self, reason: str) -> None:
        """Stop the strategy of this symbol, and its own exits with it: the default ones guard what is open."""
        self.chain.remove(reason)
        if self.guarded and self._guard is not None:
            self._guard.fall_back()

    def restart(self) -> None:
        """End the strategy's stream and subscribe it anew: windows warm up again. One that does not run stays so."""
        if self.chain.runs:
            self.finish()
        if self.chain.runs:
            self._subscribe()

    def finish(self) -> None:
        """End the strategy's stream: a burst that still runs is counted."""
        self.clock.guarded(self.ticks.on_completed)
        if self._subscription is not None:
            self._subscription.dispose()

    def guard(self, held: Held) -> abc.DisposableBase:
        """Subscribe the exits of a position; they watch from the next tick on."""
        market = Market(self.watched, self.candles, self.clock)
        removed = self.chain.state is ChainState.REMOVED
        own = self._fallback if removed else self._strategy.exits
        self._guard = _Guard(self, lambda: self._watched_exits(own, held, market), lambda: self._fallback(held, market))
        return self._guard

    def listen(self, actor: Actor | None) -> None:
        """Let an actor hear of each trade from the next one on; None ends that."""
        self.listener = actor
        self.heeded = self.guarded or actor is not None

    def leave(self, wish: ExitSignal) -> None:
        """Take what an exit says."""
        if not isinstance(wish, ExitSignal):
            raise TypeError(f"an exit must give an ExitSignal, not a {type(wish).__name__}")
        if wish.symbol != self.symbol:
            raise ValueError(f"an exit of {self.symbol} must leave {self.symbol}, not {wish.symbol}")
        self._on_exit(wish)

    def _watched_exits(self, own: Exits, held: Held, market: Market) -> Observable[ExitSignal]:
        found: object = own(held, market)
        if not isinstance(found, Observable):
            raise TypeError(f"exits must return an observable, not a {type(found).__name__}: is there a `return`?")
        return found

    def _see_frame(self, frame: Frame) -> None:
        if frame.ready:
            self._context.publish(EntryLooked(self.symbol, frame.tick.ts, frame.readings))

    def _see_burst(self, event: BurstStarted | BurstEnded) -> None:
        if isinstance(event, BurstStarted):
            self._metrics.bursts += 1
        elif event.blocked is not None:
            self._context.publish(
                BurstBlocked(self.symbol, event.side, event.ticks, event.blocked, self.clock.clock.now)
            )


class _Watched(Source[Trade]):
    """A source whose observers are independent: one that raises is told of, and the others hear the tick as well."""

    def __init__(self, on_fault: Callable[[Exception], None]) -> None:
        super().__init__()
        self._on_fault = on_fault
        self.on_next = self._to_all

    def _set(self, observers: tuple[Callbacks, ...]) -> None:
        self._observers = observers

    def _to_all(self, value: Trade) -> None:
        for observer in self._observers:
            try:
                observer.on_next(value)
            except Exception as fault:  # an exit of an author's own; the others still guard the position
                self._on_fault(fault)


class _Guard(abc.DisposableBase):
    """The subscription of a position's exits. Should they fail as a whole, the default ones take their place."""

    def __init__(
        self, lane: Lane, own: Callable[[], Observable[ExitSignal]], default: Callable[[], Observable[ExitSignal]]
    ) -> None:
        self._lane = lane
        self._default = default
        self._inner: abc.DisposableBase | None = None
        lane.guarded = lane.heeded = True
        try:
            subscription = own().subscribe(lane.leave, self._replace, scheduler=lane.clock)
        except Exception as error:  # an author's exits may raise anything: a position is never left without any
            self._replace(error)
        else:
            if self._inner is None:
                self._inner = subscription

    def _replace(self, error: Exception) -> None:
        self._lane.chain.fail(error)
        if self._lane.guarded:
            self.fall_back()

    def fall_back(self) -> None:
        """Let the default exits take the place of the position's own."""
        if self._inner is not None:
            self._inner.dispose()
        self._inner = self._default().subscribe(self._lane.leave, scheduler=self._lane.clock)

    def dispose(self) -> None:
        self._lane.guarded = False
        self._lane.heeded = self._lane.listener is not None
        if self._inner is not None:
            self._inner.dispose()
