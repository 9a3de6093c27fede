"""What the core has of one symbol: its prices, its strategy's subscription, its position's exits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from reactivex import Observable, abc

from actors.actor import Actor, Context
from actors.engine.boundary import admit_exit, admit_signal
from actors.engine.core_settings import CoreSettings
from actors.engine.guard import Guard, GuardedBy
from actors.engine.strategy_instance import Failures, InstanceState, StrategyInstance
from actors.engine.streams import SymbolStreams
from actors.messages import BurstBlocked, EntryLooked, GuardChanged
from pipeline.checked import FAULTS
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import Signal, Trade
from pipeline.exits import ExitSignal, Held, Market, SignalExits
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Callbacks, Source
from pipeline.operators.timing.candles import Candles
from pipeline.probe import BurstEnded, Probe
from pipeline.strategy import Exits, Strategy, Streams, default_exits


class SymbolContext:
    """Holds all that belongs to one symbol. The core pushes ticks in; signals and wishes to exit come out."""

    def __init__(
        self,
        symbol: str,
        index: int,
        clock: InputClock,
        strategy: Strategy,
        settings: CoreSettings,
        context: Context,
        failures: Failures,
        on_signal: Callable[[Signal], None],
        on_exit: Callable[[ExitSignal], None],
        debug: bool,
        streams: SymbolStreams,
        market: Callable[[str, SymbolClock], Streams],
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
        self.heeded = False  # guarded, or listened to, or its streams are heard: what the tick path asks
        self.streams = streams
        self.ticks: Source[Trade] = Source()  # what the strategy hears
        self.probe = Probe(self._publish_frame if debug else None, self._publish_burst)
        self.clock = SymbolClock(clock, index, lambda error: self.instance.fail(error), self.probe)
        self.instance = StrategyInstance(
            symbol, settings.chains, context, self.clock, failures, self._subscribe, self._unsubscribe, strategy.entries
        )
        # The exits' own: what they raise, and when they stop, is told apart.
        self.exit_clock = SymbolClock(clock, index, self._exit_failed)
        self.watched = _Watched(self._exit_failed)  # what the exits of an open position hear, before the strategy
        self.guard_now: Guard | None = None  # of the open position
        self.candles = Candles(self.exit_clock)
        self._strategy = strategy
        self._exits: Exits = strategy.exits  # of the open position, if there is one
        self._default = default_exits(settings.strategy)  # exits for a position whose own cannot even be subscribed
        self._fallback = settings.fallback
        self._context = context
        self._on_signal = on_signal
        self._on_exit = on_exit
        self._market = market
        self._subscription: abc.DisposableBase | None = None
        streams.follow(self._judge_heed)
        self._judge_heed()
        self._subscribe()

    @property
    def price(self) -> float:
        """The last accepted trade's; 0 before the first."""
        return self.candles.price

    def _subscribe(self) -> None:
        self.instance.begins()
        self.probe.begin()
        try:
            signals = self._strategy.signals(self._heard(self.clock, self.ticks))
            self._subscription = signals.subscribe(self._emit, self.instance.fail, scheduler=self.clock)
        except FAULTS as error:  # an author's composition may raise anything; it costs that symbol only
            self.instance.fail(error)
        if self.instance.on_probation and self.instance.runs:
            self.ticks.subscribe(self.instance.note_good_tick)  # behind the strategy: it dealt with that tick

    def _heard(self, clock: SymbolClock, ticks: Observable[Trade]) -> Streams:
        return self.streams.of(clock, ticks, lambda symbol: self._market(symbol, clock))

    def _judge_heed(self) -> None:
        self.heeded = self.guarded or self.listener is not None or self.streams.heard

    def _unsubscribe(self) -> None:
        self.ticks = Source()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(*FAULTS):  # it is stopped already: what it raises at its end changes nothing
                subscription.dispose()
        self.probe.frame = None  # the conditions of a strategy that is stopped are not asked

    def _emit(self, said: Signal) -> None:
        """Pass on a signal of the strategy, checked."""
        self._on_signal(admit_signal(said, self.symbol, self.clock.clock.now, self.last_ts, self.candles.price))

    def forget_prices(self) -> None:
        """Know of no price until the next tick or quote: what is to be closed waits for it."""
        self.bid = self.ask = None
        self.candles.forget_price()

    def remove(self, reason: str) -> None:
        """Stop the strategy of this symbol, and its own exits with it: the default ones guard what is open."""
        self.instance.remove(reason)
        if self.guarded and self.guard_now is not None:
            self.guard_now.fall_back("its strategy was removed")

    def restart(self) -> None:
        """End the strategy's stream and subscribe it again: windows warm up afresh. One that does not run stays so."""
        if self.instance.runs:
            self.finish()
        if self.instance.runs:
            self._subscribe()

    def finish(self) -> None:
        """End the strategy's stream: a burst that still runs is counted."""
        self.clock.guarded(self.ticks.on_completed)
        subscription = self._subscription
        if subscription is not None:
            self.clock.guarded(subscription.dispose)

    def guard(self, held: Held | None, carried: SignalExits | None = None) -> None:
        """Subscribe the exits of a position, in place of others: they watch from the next tick on. None ends that.

        They are those that its signal `carried`, or else the strategy's.
        """
        if self.guard_now is not None:
            self.guard_now.dispose()
        self.guard_now = None
        self.guarded = held is not None
        self._judge_heed()
        if held is None:
            return
        self.exit_clock.probe.begin()
        heard = self._heard(self.exit_clock, self.watched)
        market = Market(self.watched, self.candles, self.exit_clock, heard.quotes, lambda: self.probe.frame)
        removed = self.instance.state is InstanceState.REMOVED
        self._exits = carried.begin if carried is not None else self._strategy.exits
        own = self._default if removed else self._exits
        self.guard_now = Guard(
            held,
            lambda: self._watched_exits(own, held, market),
            lambda: self._default(held, market),
            GuardedBy.DEFAULT if removed else GuardedBy.OWN,
            self._fallback,
            self.exit_clock,
            self.leave,
            self._on_exit,
            self._exits_failed,
            self._guard_changed,
        )

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """What its strategy measures by `op.metric`, and its exits, by name."""
        measured = self.probe.metrics | self.exit_clock.probe.metrics
        return {name: found.summary() for name, found in sorted(measured.items()) if found.count}

    @property
    def time_stop_ts(self) -> int | None:
        """When the first of the position's exits that said when it will, closes it, in ns; None where none did."""
        return min(self.exit_clock.probe.deadlines, default=None)

    def listen(self, actor: Actor | None) -> None:
        """Send an actor each trade from the next one on; None ends that."""
        self.listener = actor
        self._judge_heed()

    def leave(self, said: ExitSignal) -> None:
        """Pass on an exit's wish, checked."""
        self._on_exit(admit_exit(said, self.symbol))

    def _exits_failed(self, error: BaseException) -> None:
        self.instance.fail(error, self._exits)

    def _exit_failed(self, error: BaseException) -> None:
        """Count the failure of one exit, and note it with the guard."""
        self._exits_failed(error)
        if self.guard_now is not None:
            self.guard_now.note(error)

    def _guard_changed(self, words: str, reason: str) -> None:
        self._context.publish(GuardChanged(self.symbol, words, reason, self._context.now, self._context.input))

    def _watched_exits(self, own: Exits, held: Held, market: Market) -> Observable[ExitSignal]:
        found: object = own(held, market)
        if not isinstance(found, Observable):
            raise TypeError(f"exits must return an observable, not a {type(found).__name__}: is there a `return`?")
        return found

    def _publish_frame(self, frame: Frame) -> None:
        if frame.ready:
            self._context.publish(EntryLooked(self.symbol, frame.tick.ts, frame.readings))

    def _publish_burst(self, burst: BurstEnded) -> None:
        if burst.blocked is not None:
            self._context.publish(BurstBlocked(self.symbol, burst.side, burst.ticks, burst.blocked, self._context.now))


class _Watched(Source[Trade]):
    """A source whose observers are independent: one that raises is told of, and the others hear the tick as well."""

    def __init__(self, on_fault: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._on_fault = on_fault
        self.on_next = self._to_all

    def _set(self, observers: tuple[Callbacks, ...]) -> None:
        self._observers = observers

    def _to_all(self, value: Trade) -> None:
        for observer in self._observers:
            try:
                observer.on_next(value)
            except FAULTS as fault:  # an exit of an author's own; the others still guard the position
                self._on_fault(fault)
