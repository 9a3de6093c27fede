"""The deterministic core: one ordered log of inputs, run to completion, one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import assert_never

import msgspec
from reactivex.internal import noop

from actors.actor import Actor, Message, Receiver
from actors.book import Book
from actors.brokers.simulated import SimulatedBroker
from actors.engine.core_settings import CoreSettings as CoreSettings
from actors.engine.reloading import Reloading
from actors.engine.snapshots import book_of, summary_of
from actors.engine.strategy_instance import Failures
from actors.engine.symbol_context import SymbolContext
from actors.engine.symbol_contexts import SymbolContexts
from actors.engine.trading_day import TradingDays
from actors.engine.wiring import wire
from actors.execution.messages import OrderNews, ReviewPosition
from actors.execution.policy import ExecutionPolicy, SimulatedExecution, VenueExecution
from actors.messages import (
    BrokerChanged,
    Command,
    Fact,
    FeedChanged,
    MarketHours,
    RemoveChain,
    ReplaceStrategy,
    RestartChain,
    Rollover,
    SymbolCommand,
    SymbolStale,
)
from actors.orders import AccountReport, AssetReport, FeesReport, OrderCommand
from actors.portfolio.metrics import Metrics
from actors.portfolio.strategy_figures import StrategyFigures
from pipeline.checked import FAULTS
from pipeline.clock import InputClock
from pipeline.events import (
    Clock,
    ExternalSignal,
    Gap,
    PriceBand,
    Prints,
    Quote,
    Refused,
    Signal,
    Trade,
    TradingStatus,
)
from pipeline.exits import ExitSignal, Held, SignalExits
from pipeline.strategy import Strategies, Strategy
from pipeline.venues.conditions import UNDONE

_Standing = FeedChanged | SymbolStale | BrokerChanged | MarketHours | TradingStatus | PriceBand | AssetReport
"""Inputs that hold until the next of their kind: a session that another goes on from hands them on."""

_Strategies = RemoveChain | RestartChain | ReplaceStrategy
_OfAccount = AccountReport | FeesReport
_Commands = Command | SymbolCommand | _Strategies
_News = Gap | Refused | Prints | ExternalSignal | _Commands | Rollover | Book | _OfAccount | OrderNews | _Standing
"""Inputs that are no market data."""

Input = Trade | Quote | Clock | _News

MAX_MESSAGES_PER_INPUT = 10_000
INFINITY = float("inf")


class MailboxOverflow(RuntimeError):
    """One input set off more messages than any sane program does: two actors are talking in circles."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"one input set off more than {limit} messages between the actors")
        self.limit = limit


class Core:
    """Takes inputs in order and states facts.

    `run(inputs)` handles each input to the end before the next: its time and the timers that are due, the exits of
    the symbol's position, the strategy's chain, and every message that these put into the actors' mailboxes. It
    reads no clock, no socket, no file and no random number that is not made of the settings' seed, so the same
    settings and inputs state the same facts.

    `on_fact(fact)` is called for each fact as it happens. `debug` publishes every look at an entry as well. `broker`
    takes the orders; without one, they are filled by the simulated broker, in here. The reports of a broker outside
    come in as inputs, and `book` ("mb-<bot>-<session>") is what their ids begin with. `policy` says how orders are
    priced and timed: by default as the settings say at a broker outside, and at market in here. `any_time_moves` is
    for recordings of old: in them, whatever had a time moved `now`. By `reloading` alone inputs replace the strategy.
    """

    def __init__(
        self,
        settings: CoreSettings,
        strategy: Strategy | Strategies,
        on_fact: Callable[[Fact], None] = noop,
        *,
        book: str = "paper",
        debug: bool = False,
        broker: Receiver[OrderCommand] | None = None,
        policy: ExecutionPolicy | None = None,
        any_time_moves: bool = False,
        reloading: Reloading | None = None,
    ) -> None:
        self.settings = settings
        self.reloading = reloading
        self._any_time_moves = any_time_moves
        self.input = 0
        self.told_ts = -1
        self._others = 0  # inputs that are no trades
        self._interrupted = False
        self._standing: dict[tuple[type, str], Input] = {}
        self.clock = InputClock(self._settle)
        self._contexts = SymbolContexts(self.clock, self._make_context)
        self.contexts = self._contexts.by_symbol
        self.metrics = Metrics(Decimal(str(settings.risk.starting_equity)))
        if policy is None:
            policy = VenueExecution(settings.orders) if broker is not None else SimulatedExecution()
        self.positions, self.orders, self.executor, self.risk, self.reconciler, self.broker = wire(
            self, settings, policy, book, self._guard, self._exits_stop, broker
        )
        self._priceless = self.executor.exits.priceless
        self._name = book
        self._strategies = strategy if isinstance(strategy, Strategies) else Strategies(strategy)
        self.claims = settings.claims
        self._by_symbol = bool(self.claims) or settings.risk.symbol_loss_limit is not None  # losses have a limit
        self._figures = StrategyFigures(settings.strategies, self.claims) if settings.strategies else None
        if missing := settings.strategies.keys() - self._strategies.named.keys():
            raise ValueError(f"the settings name strategies that were not given: {', '.join(sorted(missing))}")
        self.failures = Failures()
        self._on_fact = on_fact
        self._debug = debug
        self._mailbox: deque[tuple[Actor, object]] = deque()
        self._days = TradingDays(self.clock, settings.risk.timezone, self._begin_day)

    # ----------------------------------------------------------------------------------------- context

    @property
    def now(self) -> int:
        return self.clock.now

    @property
    def ticks(self) -> int:
        """Trades accepted so far."""
        return self.input - self._others - self.metrics.late

    def tell(self, actor: Receiver[Message], message: Message) -> None:
        self._mailbox.append((actor, message))

    def wake(self, actor: Receiver[Message], message: Message, at: int) -> None:
        self.clock.at(at, lambda: self.tell(actor, message))

    def listen(self, symbol: str, actor: Actor | None) -> None:
        self.symbol_view(symbol).listen(actor)

    def publish(self, fact: Fact) -> None:
        self.metrics.fold(fact)
        if self._figures is not None:
            self._figures.fold(fact)
        self._on_fact(fact)

    @property
    def orders_over_by(self) -> int:
        """When the last order that waits in the simulation is over, in ns; 0 without one."""
        return self.broker.over_by if isinstance(self.broker, SimulatedBroker) else 0

    def symbol_view(self, symbol: str) -> SymbolContext:
        return self.contexts.get(symbol) or self._open_context(symbol, self.now)

    @property
    def at_work(self) -> tuple[str, tuple[int, int]] | None:
        """The symbol whose strategy or exits run now, and a mark of the one thing they are at; from any thread."""
        index = self.clock.at_work
        return None if index is None else (self._contexts.symbol(index), (self.input, self.clock.turn))

    # ------------------------------------------------------------------------------------------ inputs

    def run(self, inputs: Iterable[Input]) -> None:
        """Handle inputs in order, each to its end: all of them, unless it is interrupted."""
        try:
            self._run(inputs if self.reloading is None else self.reloading.keep(inputs))
        finally:
            self.clock.at_work = None
            self._interrupted = False

    def interrupt(self) -> None:
        """Make `run` return after the input that it is at, from any thread; `input` says how far it came."""
        self._interrupted = True

    def _run(self, inputs: Iterable[Input]) -> None:
        contexts = self.contexts
        clock = self.clock
        mailbox = self._mailbox
        for number, event in enumerate(inputs, self.input + 1):
            self.input = number
            if event.__class__ is not Trade:
                self._others += 1
                self._on_other(event)  # type: ignore[arg-type]  # which is no trade
                if self._interrupted:
                    return
                continue
            # A trade, by far the most frequent input: this loop is the tick path, and has no call that it can spare.
            ts = event.ts
            context = contexts.get(event.symbol) or self._open_context(event.symbol, ts)
            if ts < context.last_ts:
                self.metrics.late += 1
                context.late += 1
                continue
            context.last_ts = ts
            if ts > clock.now:
                if ts >= clock.next_due:
                    clock.advance(ts)
                else:
                    clock.now = ts
            clock.at_work = context.index
            bid = event.bid
            if bid is not None:
                ask = event.ask
                if ask is not None and 0 < bid <= ask < INFINITY:
                    context.bid = bid
                    context.ask = ask
            candles = context.candles
            if clock.now >= candles.end:
                candles.roll(event.symbol)
            candles.price = event.price
            if context.heeded:
                self._heed(context, event)
            try:
                context.ticks.on_next(event)
            except FAULTS as error:  # an author's operator may raise anything; it costs that chain only
                context.instance.fail(error)
            if mailbox:
                self._settle()
            if self._interrupted:
                return

    def _heed(self, context: SymbolContext, tick: Trade) -> None:
        """Show a tick to whom its symbol's streams have beside its own strategy, then to the order that waits for it,
        then to the exits of the position that was open before it; look at the position's fallback and the loss limit.
        """
        if context.streams.heard:
            context.streams.tell(tick, quoted=tick.bid is not None and tick.bid == context.bid)
            if self._mailbox:
                self._settle()
            self.clock.at_work = context.index
        guarded = context.guarded
        if guarded:
            context.held_at_input = self.input
        if context.listener is not None:
            self.tell(context.listener, tick)
            self._settle()
        if guarded and context.guarded:
            if self._priceless:
                self.tell(self.executor, ReviewPosition(context.symbol))
            context.watched.on_next(tick)
            if self._mailbox:
                self._settle()
            if (guard := context.guard_now) is not None:
                guard.check_fallback(tick.price)
                if self._mailbox:
                    self._settle()
        if context.guarded:
            self.risk.check_losses()
            if self._by_symbol:
                self.risk.check_symbol(context.symbol)
            if self._mailbox:
                self._settle()

    def book(self) -> Book:
        """Return what the bot owns and remembers now."""
        book = book_of(self._name, self.now, self.metrics, self.risk, self.positions, self.executor)
        return self.reconciler.completed(book) if self.reconciler is not None else book

    def standing(self) -> tuple[Input, ...]:
        """Return what was told and still holds: of feed and broker, what is halted, which strategies are removed."""
        return *self._standing.values(), *self._contexts.removals(self.now)

    def _restore(self, book: Book) -> None:
        """Take a book up again; its positions are guarded from here on, and what ran out meanwhile is due at once."""
        # Without timers: the day that the next input is in may be the book's own.
        self.clock.now = max(self.clock.now, book.ts)
        self.metrics.restore(book.tally)
        self.metrics.account = book.account
        self.positions.restore(book)
        self.risk.restore(book)
        self.executor.restore(book)
        for symbol, reason in book.closing.items():  # a kill does not call off what was to be closed
            self.tell(self.executor, ExitSignal(symbol, reason))
        if self.reconciler is not None:
            self.reconciler.restore(book)

    def finish(self) -> None:
        """End every strategy's stream, as at the end of a tape: bursts that still run are counted."""
        self._contexts.finish()
        self._settle()

    def _guard(self, symbol: str, held: Held | None, carried: SignalExits | None) -> None:
        context = self.symbol_view(symbol)
        with self.clock.working_for(context.index):
            context.guard(held, carried)

    def _exits_stop(self, signal: Signal) -> float | None:
        return self.symbol_view(signal.symbol).stop_of(signal)

    def _on_other(self, event: Quote | Clock | _News) -> None:
        self.clock.at_work = None
        if isinstance(event, Quote):
            self._on_quote(event)
        elif isinstance(event, Clock):
            self._move_now(event.ts)
        else:
            self._on_news(self._dated(event))
        if self._mailbox:
            self._settle()

    def _dated(self, event: _News) -> _News:
        """Return an input that is no market data with a time that is data: no later than `now`, and moving nothing.

        `now` is the market's: trades, quotes and clocks move it, whose time is bounded by what the venue's clock shows
        where they come in (`pipeline/admission.py`; clocks of our own are read off that clock). Whatever else is told,
        by a broker, a calendar, a person or one of our own threads, is of another clock: it can neither bring a timer
        about nor date a position into the future. A book is ours: `now` goes on where it was written.
        """
        if isinstance(event, Refused | Prints | Book):
            return event
        if self._any_time_moves:
            self._move_now(event.ts)
        self.told_ts = event.ts
        bounded = self.not_after_now(event.ts)
        return event if bounded == event.ts else msgspec.structs.replace(event, ts=bounded)

    def not_after_now(self, ts: int) -> int:
        if self._any_time_moves or not self.clock.now:  # as long as no time is known, there is nothing to compare with
            return ts
        return min(ts, self.clock.now)

    def _on_news(self, event: _News) -> None:
        if isinstance(event, Refused):
            self.metrics.rejected[event.reason] += event.count
        elif isinstance(event, Prints):
            self.metrics.count_prints(event.kind, event.count, event.size)
        elif isinstance(event, Gap):
            if not self._contexts.restart(event):
                self.metrics.count_prints(UNDONE, 1, 0.0)
        elif isinstance(event, Book):
            self._restore(event)
        elif isinstance(event, OrderNews):
            self.tell(self.executor, event)
        elif isinstance(event, RemoveChain | RestartChain):
            self._contexts.change(event)
        elif isinstance(event, ReplaceStrategy):
            if self.reloading is not None:
                strategy = self.reloading.carry_out(event, self._contexts, self)
                if strategy is not None:
                    self._strategies = Strategies(strategy)
        elif isinstance(event, AccountReport):
            if self.reconciler is not None:  # without a broker's account there is nothing to compare
                self.tell(self.reconciler, event)
        elif isinstance(event, FeesReport):
            self.tell(self.positions, event)
        elif isinstance(event, ExternalSignal):
            self._contexts.streams(event.symbol).externals.hear(event)
        elif isinstance(event, Command | SymbolCommand):
            self.tell(self.risk, event)
        elif isinstance(event, _Standing):
            self._standing[type(event), getattr(event, "symbol", "")] = event
            self.tell(self.risk, event)
            if isinstance(event, BrokerChanged):
                self.tell(self.executor, event)
        elif not isinstance(event, Rollover):  # which is the session's to carry out
            assert_never(event)

    def _on_quote(self, quote: Quote) -> None:
        context = self.contexts.get(quote.symbol) or self._open_context(quote.symbol, quote.ts)
        self._move_now(quote.ts)
        if 0 < quote.bid <= quote.ask < INFINITY:
            context.bid = quote.bid
            context.ask = quote.ask
            if self._priceless:
                self.tell(self.executor, ReviewPosition(quote.symbol))
            context.streams.quotes.on_next(quote)

    def _open_context(self, symbol: str, ts: int) -> SymbolContext:
        """Begin a symbol's context at `ts`: what its strategy subscribes has the time of its first input."""
        self._move_now(ts)
        return self._contexts.open(symbol)  # a timer that was due may have opened it

    def _make_context(self, symbol: str, index: int) -> SymbolContext:
        name = self.claims.get(symbol)
        strategy = self._strategies.rest if name is None else self._strategies.named[name]
        ports = self, self.failures, partial(self.tell, self.risk), partial(self.tell, self.executor), self._debug
        heard = self._contexts.streams(symbol), self._contexts.market
        return SymbolContext(symbol, index, self.clock, strategy, self.settings.of(name), *ports, *heard)

    # -------------------------------------------------------------------------------------------- time

    def _move_now(self, ts: int) -> None:
        if ts > self.clock.now:
            self.clock.advance(ts)

    def _begin_day(self, date: str, ts: int) -> None:
        # A day that was begun is not begun again after one that came later: a halt for its losses would end early.
        if self._any_time_moves or date > self.risk.date:
            self.risk.start_day(date, ts)

    # --------------------------------------------------------------------------------------- mailboxes

    def _settle(self) -> None:
        """Deliver messages until every mailbox is empty."""
        clock, mailbox = self.clock, self._mailbox
        at_work, clock.at_work = clock.at_work, None
        delivered = 0
        while mailbox:
            actor, message = mailbox.popleft()
            actor.receive(message)
            delivered += 1
            if delivered > MAX_MESSAGES_PER_INPUT:
                raise MailboxOverflow(MAX_MESSAGES_PER_INPUT)
        clock.at_work = at_work

    # ----------------------------------------------------------------------------------------- summary

    def summary(self) -> dict[str, object]:
        """Return the fields of summary.json."""
        earned = self.ticks, self.metrics, self.risk, self.positions
        return summary_of(*earned, self._contexts, self.failures, self._figures, self._strategies)
