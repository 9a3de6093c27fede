"""What the core has of one symbol: its prices, its strategy's subscription, its position's exits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable, abc

from actors.actor import Actor, Context
from actors.engine.authors import described
from actors.engine.boundary import admit_exit, admit_signal
from actors.engine.chain import Chain
from actors.engine.core_settings import CoreSettings
from actors.engine.guard import Guard, GuardedBy
from actors.engine.strategy_instance import Failures, InstanceState, StrategyInstance
from actors.engine.streams import SymbolStreams
from actors.messages import BurstBlocked, EntryLooked, GuardChanged
from pipeline.checked import FAULTS
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import Signal, Trade
from pipeline.exits import ExitSignal, Held, Market, SignalExits, stop_of
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Callbacks, Source
from pipeline.operators.timing.candles import Candles
from pipeline.probe import BurstEnded, FlatRun, Level, Probe
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
        self._failures = failures
        self._context = context
        on_frame = self._publish_frame if debug else None
        hearing = self._emit, self._chain_failed, on_frame, self._publish_burst, streams.externals
        # Makes a chain of a strategy for this symbol, which is not subscribed yet.
        self.new_chain: Callable[[Strategy], Chain] = lambda strategy: Chain(strategy, clock, index, *hearing)
        self._chains = settings.chains
        self._chain = self.new_chain(strategy)
        self.ticks = self._chain.ticks  # what the strategy hears: what the tick path asks
        self.instance = self._new_instance()
        self._guarding: Chain | None = None  # whose exits watch the open position
        self._kept: abc.DisposableBase | None = None  # its ticks, where it was replaced: its exits may ask its frames
        # The exits' own: what they raise, and when they stop, is told apart.
        self.exit_clock = SymbolClock(clock, index, self._exit_failed, externals=streams.externals)
        self.watched = _Watched(self._exit_failed)  # what the exits of an open position hear, before the strategy
        self.guard_now: Guard | None = None  # of the open position
        self.candles = Candles(self.exit_clock)
        self._exits: Exits = strategy.exits  # of the open position, if there is one
        self._default = default_exits(settings.strategy)  # exits for a position whose own cannot even be subscribed
        self._fallback = settings.fallback
        self._on_signal = on_signal
        self._on_exit = on_exit
        self._market = market
        streams.follow(self._judge_heed)
        self._judge_heed()
        self._subscribe()

    @property
    def price(self) -> float:
        """The last accepted trade's; 0 before the first."""
        return self.candles.price

    def stop_of(self, signal: Signal) -> float | None:
        """Return where the exits of a signal's position stop it, as a fraction against it; None if they do not say."""
        carried = signal.exits
        exits = carried.begin if isinstance(carried, SignalExits) else self._chain.strategy.exits
        return stop_of(exits)

    @property
    def chain(self) -> Chain:
        """The strategy that runs, as it is subscribed."""
        return self._chain

    @property
    def probe(self) -> Probe:
        """What the strategy that runs shows."""
        return self._chain.probe

    @property
    def clock(self) -> SymbolClock:
        """The time of the strategy that runs."""
        return self._chain.clock

    def _new_instance(self) -> StrategyInstance:
        chain, failures = self._chain, self._failures
        subscribing = self._subscribe, self._unsubscribe, chain.strategy.entries
        return StrategyInstance(self.symbol, self._chains, self._context, chain.clock, failures, *subscribing)

    def _chain_failed(self, error: Any) -> None:
        self.instance.fail(error)

    def _subscribe(self) -> None:
        self.instance.begins()
        self._chain.subscribe(self.heard_by(self._chain))
        if self.instance.on_probation and self.instance.runs:
            self.ticks.subscribe(self.instance.note_good_tick)  # behind the strategy: it dealt with that tick

    def heard_by(self, chain: Chain) -> Streams:
        """Return what a chain of this symbol may listen to."""
        return self._heard(chain.clock, chain.ticks)

    def _heard(self, clock: SymbolClock, ticks: Observable[Trade]) -> Streams:
        return self.streams.of(clock, ticks, lambda symbol: self._market(symbol, clock))

    def succeed(self, chain: Chain) -> None:
        """Go on with a chain that was rehearsed, whatever became of the one before it.

        That one is stopped; but as long as its exits watch the open position, it goes on without a word, since they may
        ask for its frames.
        """
        before = self._chain
        self.instance.retire()
        if before is self._guarding and self.instance.runs:
            before.live, before.on_signal, before.on_fault = False, _ignore, self._kept_failed
            self._kept = self.watched.subscribe(before.hear)
        else:
            before.unsubscribe()
        chain.probe.succeed(before.probe)
        chain.live, chain.on_signal, chain.on_fault = True, self._emit, self._chain_failed
        self._chain, self.ticks = chain, chain.ticks
        self.instance = self._new_instance()
        self.instance.begins()

    def _kept_failed(self, error: Any) -> None:
        self._note_failure(error, self._guarding)
        self._let_go_of_kept()

    def _let_go_of_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None and self._guarding is not None:
            kept.dispose()
            self._guarding.unsubscribe()

    def _note_failure(self, error: Any, chain: Chain | None) -> None:
        """Count what a strategy raised that was replaced: it costs the one in its place nothing."""
        words = described(error, chain.strategy.exits if chain is not None else None)
        self._failures.note(self.symbol, error, words, self._context.now, self._context.input)

    def _judge_heed(self) -> None:
        self.heeded = self.guarded or self.listener is not None or self.streams.heard

    def _unsubscribe(self) -> None:
        self._chain.unsubscribe()
        self.ticks = self._chain.ticks

    def _emit(self, said: Signal) -> None:
        """Pass on a signal of the strategy, checked, and with what was said from outside as it was made."""
        now = self.clock.clock.now
        signal = admit_signal(said, self.symbol, now, self.last_ts, self.candles.price)
        self._on_signal(signal.heard(self.streams.externals.in_force(now)))

    def forget_prices(self) -> None:
        """Know of no price until the next tick or quote: what is to be closed waits for it."""
        self.bid = self.ask = None
        self.candles.forget_price()

    def holds(self, ts: int) -> bool:
        """Whether a tick of that time (ns) is still in the strategy's window; without any, nothing leaves its memory.

        Of other operators it is not known what they remember: they are restarted with the window, or not.
        """
        span = self.probe.warm_up
        return not span or self.last_ts - ts < span

    def remove(self, reason: str) -> None:
        """Stop the strategy of this symbol, and its own exits with it: the default ones guard what is open."""
        self.instance.remove(reason)
        self._let_go_of_kept()
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
        self._chain.finish()

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
            self._let_go_of_kept()
            self._guarding = None
            return
        self.exit_clock.probe.begin()
        if self._guarding is None:
            self._guarding = self._chain
        probe = self._guarding.probe
        heard = self._heard(self.exit_clock, self.watched)
        market = Market(self.watched, self.candles, self.exit_clock, heard.quotes, lambda: probe.frame)
        removed = self.instance.state is InstanceState.REMOVED
        self._exits = carried.begin if carried is not None else self._guarding.strategy.exits
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

    @property
    def flat_run(self) -> FlatRun | None:
        """How many flat candles in a row the position's exits have seen: of several, the nearest to its end."""
        return min(self.exit_clock.probe.flat_runs, key=lambda run: run.seconds - run.seen, default=None)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The prices at which the position's exits leave, of those that said so; an author's own may not."""
        return tuple(self.exit_clock.probe.levels)

    def listen(self, actor: Actor | None) -> None:
        """Send an actor each trade from the next one on; None ends that."""
        self.listener = actor
        self._judge_heed()

    def leave(self, said: ExitSignal) -> None:
        """Pass on an exit's wish, checked."""
        self._on_exit(admit_exit(said, self.symbol))

    def _exits_failed(self, error: BaseException) -> None:
        if self._guarding is None or self._guarding is self._chain:
            self.instance.fail(error, self._exits)
        else:
            self._note_failure(error, self._guarding)

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


def _ignore(_: object) -> None: ...


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
