"""Telemetry: what the web process is told, a few times a second, off the tick path."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, get_args

from loguru import logger

from actors.brokers.alpaca.broker import MOST_IN_FLIGHT, AlpacaBroker
from actors.engine.core import Core, Input
from actors.gateway.gate import Gate
from actors.messages import (
    BurstBlocked,
    ExitReason,
    Fact,
    FeedChanged,
    OrderChanged,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    SignalRaised,
)
from actors.orders import OVER, OrderRole, OrderStatus
from pipeline.clock import MAX_TIMERS
from pipeline.events import SECOND, Quote, Trade
from service.conditions import Judge
from service.live.children import MAX_WAITING, WebProcess
from service.live.entry_watch import EntryWatch
from service.live.execution_quality import ExecutionQuality
from service.live.heard import TickAges
from service.live.no_resume import why_not_resume
from service.live.operators import Operators
from service.live.trade_history import TradeHistory
from service.live.trade_ticks import TickKeeper
from service.live.unused import Unused
from service.live.worth import Worth
from web.bars import PriceCourse, bars_of
from web.messages import (
    SLOW,
    UNUSED,
    Bar,
    DiskSeen,
    GaugesSeen,
    MetricsSeen,
    OpenPosition,
    PriceLevel,
    QueueSeen,
    SeriesRecalled,
    SessionStarted,
    ShownFact,
    SymbolRecalled,
    Tick,
    TicksSeen,
)

TICKS_SHOWN = 50  # per symbol and message: as many as the dashboard lists
KEPT_INPUTS = 20_000  # between two messages; beyond it the oldest are not shown
_KEPT_FACTS = 1_000  # told again to a web process that was restarted
_KEPT_SIGNALS = 100  # likewise; apart, since they are many more than trades
_KEPT_ORDERS = 400  # likewise, what became of the entries that these asked for

_RESTING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
_SHOWN = get_args(ShownFact)
_COUNTS = ("ticks", "ticks_late", "ticks_rejected", "trades", "wins", "losses", "breakeven", "total_pnl")
_TABLES = ("funnel", "blocked", "refusals")
_TABLES_IF_ANY = ("prints", "prints_shares")

Summary = dict[str, Any]


class Telemetry:
    """Gathers inputs and facts, and says what they come to.

    `gather` and `note_fact` are on the tick path and only append; `messages` is called about ten times a second.
    """

    def __init__(
        self,
        core: Core,
        session: SessionStarted,
        *,
        chart_points: int = 3_600,
        max_symbols: int = 64,
        window_s: float = 0.0,
        unused: Unused | None = None,
        operators: Operators | None = None,
        trades: TradeHistory | None = None,
        quality: ExecutionQuality | None = None,
    ) -> None:
        self.queues: dict[str, int] = {}  # depth and drops by name
        self.left_out = 0  # inputs that were not even kept
        self.slow: dict[
            str, str
        ] = {}  # symbols whose strategies were slow of late, and how; written before each report
        self._gate_halted: str | None = None  # why no entry leaves until the bot is started again
        self._bounded: tuple[QueueSeen, ...] = ()  # the queues that have a bound
        self._core = core
        self._before: Summary = {}  # of the sessions that are over
        self._session = session
        self.tick_keeper = TickKeeper(window_s, max_symbols)
        self._unused = unused
        self._operators = operators
        self._trades = trades
        self.quality = quality
        self._inputs: deque[Input] = deque(maxlen=KEPT_INPUTS)
        self._facts: list[Fact | DiskSeen] = []
        self._history: deque[Fact | DiskSeen] = deque(maxlen=_KEPT_FACTS)
        self._signals: deque[SignalRaised] = deque(maxlen=_KEPT_SIGNALS)
        self._orders: deque[OrderSubmitted | OrderChanged] = deque(maxlen=_KEPT_ORDERS)
        self._entry_orders: set[str] = set()  # ids of those that work
        self._filled = 0  # entries that were, at least in part
        self._filled_last: dict[str, str] = {}  # by symbol: the decision that was filled last
        self._ages = TickAges()
        self._entries = EntryWatch()
        self._feed: FeedChanged | None = None  # the newest; it may be as old as the session
        self._chart_points = chart_points
        self._max_symbols = max_symbols
        self._histories: dict[str, ChartHistory] = {}  # by symbol
        self._quotes: dict[str, tuple[float, float]] = {}
        self._skipped: Counter[str] = Counter()  # ticks that were not even kept, by symbol
        self._judge = Judge()
        self._worth = Worth(chart_points)

    def follow(self, core: Core, name: str, started_ts: int) -> None:
        """Go on with the core of the next session, and its book's name; what the last one came to counts on."""
        self._before = self.summary()
        self._core = core
        if self.quality is not None:
            self.quality.follow(core)
        if self._trades is not None:
            self._trades.follow(name, started_ts)

    def summary(self) -> Summary:
        """Return what the run has come to so far."""
        return together(self._before, self._core.summary())

    def gather(self, inputs: Sequence[Input]) -> None:
        """Take what was fed to the core."""
        kept = self._inputs
        over = len(kept) + len(inputs) - KEPT_INPUTS
        if over > 0:
            self.left_out += over
            oldest = chain((kept.popleft() for _ in range(min(len(kept), over))), inputs[: max(0, over - len(kept))])
            self._skipped.update(event.symbol for event in oldest if isinstance(event, Trade))
        kept.extend(inputs)

    @property
    def gathered(self) -> int:
        """Inputs that wait to be shown."""
        return len(self._inputs)

    def note_disk(self, seen: DiskSeen) -> None:
        """Take what is said of a disk, for the dashboard of now and for one that is restarted."""
        self._facts.append(seen)
        self._history.append(seen)

    def note_fact(self, fact: Fact) -> None:
        """Take a fact, if it is one that the dashboard shows."""
        if self._trades is not None:
            self._trades.note_fact(fact)
        if self.quality is not None:
            self.quality.note_fact(fact)
        if not isinstance(fact, _SHOWN) or (
            isinstance(fact, OrderSubmitted | OrderChanged) and not self._follows(fact)
        ):
            return
        self._facts.append(fact)
        if isinstance(fact, BurstBlocked):
            return
        self._entries.look_soon()
        if isinstance(fact, SignalRaised):
            self._signals.append(fact)
        elif isinstance(fact, OrderSubmitted | OrderChanged):
            self._orders.append(fact)
        elif isinstance(fact, FeedChanged):
            self._feed = fact
            self._ages.note_feed()
        else:
            self._history.append(fact)
            if isinstance(fact, PositionOpened) and not fact.adopted and not fact.undone:
                self._count_filled(fact)

    def _follows(self, fact: OrderSubmitted | OrderChanged) -> bool:
        """Whether the news is of an entry: what becomes of exits and stops, trades tell."""
        if isinstance(fact, OrderSubmitted):
            if fact.order.role is not OrderRole.ENTRY:
                return False
            self._entry_orders.add(fact.order.id)
            return True
        followed = fact.order in self._entry_orders
        if fact.status in OVER:
            self._entry_orders.discard(fact.order)
        return followed

    def _count_filled(self, opened: PositionOpened) -> None:
        """Count an entry at its first fill; a position that grows is stated again."""
        if self._filled_last.get(opened.symbol) != opened.decision:
            self._filled_last[opened.symbol] = opened.decision
            self._filled += 1

    def history(self) -> list[Any]:
        """Return what a web process has to know that starts in the middle of a session."""
        feed = [] if self._feed is None else [self._feed]
        recalled = chain.from_iterable(history.messages() for history in self._histories.values())
        worth = self._worth.recalled()
        # What is told here is not told once more with the next messages.
        self._facts = [fact for fact in self._facts if isinstance(fact, BurstBlocked)]
        trades = self._trades.told() if self._trades is not None else ()
        told = (self._session, *trades, *self._signals, *self._orders, *self._history, *feed)
        return [*told, *self._readings(), *worth, *recalled]

    def messages(self) -> list[Any]:
        """Return what happened since the last call."""
        facts, self._facts = self._facts, []
        operators = self._operators.messages(self._core) if self._operators is not None else ()
        trades = self._trades.new() if self._trades is not None else ()
        closed = [fact for fact in facts if isinstance(fact, PositionClosed)]
        parted = self.quality.parted() if self.quality is not None else ()
        ticks, readings = self._ticks(), self._readings()
        return [*ticks, *facts, *parted, *trades, *operators, *self._worth.messages(self._core, closed), *readings]

    def _readings(self) -> list[GaugesSeen | MetricsSeen]:
        return [*gauges(self._core, self._judge), self._metrics()]

    def _ticks(self) -> list[TicksSeen]:
        inputs, self._inputs = self._inputs, deque(maxlen=KEPT_INPUTS)
        skipped = self._skipped
        ticks: dict[str, list[Tick]] = {}
        for event in inputs:
            if isinstance(event, Trade):
                if event.bid is not None and event.ask is not None:
                    self._quotes[event.symbol] = (event.bid, event.ask)
                bid, ask = self._quotes.get(event.symbol, (None, None))
                ticks.setdefault(event.symbol, []).append(Tick(event.ts, event.price, event.size, bid, ask))
            elif isinstance(event, Quote):
                self._quotes[event.symbol] = (event.bid, event.ask)
        # Those of a symbol of which nothing was kept are told of with its next tick.
        self._skipped = Counter({symbol: count for symbol, count in skipped.items() if symbol not in ticks})
        self._ages.note_ticks(chain(ticks, self._skipped))
        bars: dict[str, tuple[Bar, ...]] = {}
        for symbol, seen in ticks.items():
            self.tick_keeper.note_ticks(symbol, seen)
            if (history := self._history_of(symbol, seen[0].price)) is not None:
                bars[symbol] = history.add(seen, skipped[symbol])
        if self._unused is not None:
            self._unused.update({symbol: len(seen) + skipped[symbol] for symbol, seen in ticks.items()}, self._core)
        told = []
        for symbol, seen in ticks.items():
            shown = tuple(seen[-TICKS_SHOWN:])
            told.append(TicksSeen(symbol, shown, len(seen) - len(shown) + skipped[symbol], bars.get(symbol, ())))
        return told

    def _history_of(self, symbol: str, first_price: float) -> ChartHistory | None:
        """Return what is kept of a symbol; None if it is one of more than can be shown."""
        history = self._histories.get(symbol)
        if history is None and len(self._histories) < self._max_symbols:
            history = self._histories[symbol] = ChartHistory(symbol, first_price, self._chart_points, TICKS_SHOWN)
        return history

    def _metrics(self) -> MetricsSeen:
        core = self._core
        summary = self.summary()
        return MetricsSeen(
            now=core.now,
            state=core.risk.state,
            state_reason=core.risk.state_reason,
            summary=summary,
            positions=tuple(self._positions()),
            refusals=summary["refusals"],
            queues=dict(self.queues),
            bounded=self._bounded,
            chains=self._chains(),
            locks=core.risk.locks.words,
            symbols_halted=core.risk.account.halted,
            no_resume=why_not_resume(core, self._gate_halted),
            no_entry=self._entries.no_entry(core),
            filled=self._filled,
            heard=self._ages.heard(),
            execution=self.quality.figures() if self.quality is not None else {},
            windows={
                symbol: context.probe.warm_up / SECOND
                for symbol, context in core.contexts.items()
                if context.probe.warm_up
            },
        )

    def note_queues(self, gate: Gate, web: WebProcess, broker: AlpacaBroker | None) -> None:
        """Note what waits in each queue, and what was dropped; it is told with the next messages."""
        self._gate_halted = gate.halted
        self.queues = {"gate": gate.depth, "web_bytes": web.waiting, "web_dropped": web.dropped}
        bounded = [
            QueueSeen("gate", gate.depth, gate.limit, "inputs", gate.overflowed),
            QueueSeen("dashboard pipe", web.waiting, MAX_WAITING, "bytes", web.dropped),
            QueueSeen("ticks to show", self.gathered, KEPT_INPUTS, "inputs", self.left_out),
            QueueSeen("timers", self._core.clock.waiting, MAX_TIMERS, "timers"),
        ]
        if broker is not None:
            counts = broker.counts
            self.queues |= {f"broker_{name}": count for name, count in counts.items() if count}
            bounded.append(QueueSeen("broker", counts["in_flight"], MOST_IN_FLIGHT, "orders", counts["turned_away"]))
        self._bounded = tuple(bounded)

    def _chains(self) -> dict[str, str]:
        """Return how each symbol fares: its strategy, or that it hears nothing, also where it never did."""
        chains = {}
        for symbol, context in self._core.contexts.items():
            slow = self.slow.get(symbol) if context.instance.runs else None
            chains[symbol] = context.instance.described if slow is None else f"{SLOW}: {slow}"
        for symbol, why in self._unused.states.items() if self._unused is not None else ():
            known = self._core.contexts.get(symbol)
            if known is None or known.instance.runs:
                chains[symbol] = f"{UNUSED}: {why}"
        return chains

    def _levels(self, symbol: str) -> Iterator[PriceLevel]:
        """Yield the prices at which the exits of a position say that they leave, and that of the stop at the venue."""
        for level in self._core.contexts[symbol].levels:
            if (price := level.price()) is not None:
                yield PriceLevel(level.reason, price, level.part)
        for order in self._core.orders.of(symbol):
            stop = order.request.stop if order.role is OrderRole.STOP and order.status in _RESTING else None
            if stop is not None:
                yield PriceLevel(ExitReason.STOP.value, float(stop))

    def _positions(self) -> Iterator[OpenPosition]:
        for position in self._core.positions.open.values():
            context = self._core.contexts[position.symbol]
            guard, price, flat = context.guard_now, context.price, context.flat_run
            yield OpenPosition(
                symbol=position.symbol,
                side=position.side,
                quantity=float(position.quantity),
                entry_price=position.price_held,
                entry_ts=position.entry_ts,
                last_price=price,
                open_profit=position.open_profit(price) if price > 0 else 0.0,  # it may not be known yet
                time_stop_ts=context.time_stop_ts,
                fallback_ts=guard.fallback_ts if guard is not None else None,
                exits=guard.by.value if guard is not None else "NONE",
                guard=guard.words if guard is not None else "nothing",
                flat_candles=flat.seen if flat is not None else None,
                flat_candles_of=flat.seconds if flat is not None else None,
                decision=position.decision,
                levels=tuple(self._levels(position.symbol)),
            )


class ChartHistory:
    """One symbol's newest ticks, and its prices for the chart; both are bounded."""

    def __init__(self, symbol: str, first_price: float, seconds: int, ticks: int) -> None:
        self._symbol = symbol
        self._first_price = first_price
        self._seen = 0  # ticks, the skipped ones included
        self._prices = PriceCourse(seconds)
        self._ticks: deque[Tick] = deque(maxlen=ticks)

    def add(self, ticks: Sequence[Tick], skipped: int) -> tuple[Bar, ...]:
        """Take ticks in their order; return what they add to each second. `skipped` more came that were not kept."""
        bars = bars_of(ticks)
        self._prices.see(bars)
        self._ticks.extend(ticks)
        self._seen += len(ticks) + skipped
        return bars

    def messages(self) -> Iterator[SymbolRecalled | SeriesRecalled]:
        """Yield what was kept, in messages that fit into a frame."""
        yield SymbolRecalled(self._symbol, self._seen, self._first_price, tuple(self._ticks))
        for part in self._prices.parts():
            yield SeriesRecalled(self._symbol, part)


def gauges(core: Core, judge: Judge) -> Iterator[GaugesSeen]:
    """Yield the readings of each symbol's newest frame; what is doubtful about its conditions is logged once."""
    for context in core.contexts.values():
        if (frame := context.probe.frame) is not None:
            with core.clock.working_for(context.index):
                readings, doubts = judge.readings(frame)
            for doubt in doubts:
                bound = logger.bind(logger="microbot.strategy", event=doubt.event, condition=doubt.condition)
                bound.warning("{}", doubt.sentence)
            probe = context.probe
            warm_up = frame.count, probe.min_ticks, probe.warm_up / SECOND
            yield GaugesSeen(frame.symbol, frame.ts, frame.ready, readings, *warm_up)


def together(before: Summary, now: Summary) -> Summary:
    """Return the summary of a run of which `before` tells the sessions that are over, and `now` the current one.

    Counts are added up. Equity, the day's profit, drawdown, losses in a row and failed strategies are those of now:
    they are carried from session to session.
    """
    if not before:
        return now
    both = dict(now)
    for name in _COUNTS:
        both[name] = before[name] + now[name]
    for name in _TABLES:
        both[name] = _added(before[name], now[name])
    for name in _TABLES_IF_ANY:
        if added := _added(before.get(name, {}), now.get(name, {})):
            both[name] = added
    both["refusals"] = dict(sorted(both["refusals"].items()))
    by_symbol = _added(before["failures"]["by_symbol"], now["failures"]["by_symbol"])
    first = before["failures"]["first"] or now["failures"]["first"]
    both["failures"] = {"count": sum(by_symbol.values()), "by_symbol": by_symbol, "first": first}
    if metrics := _measured(before.get("metrics", {}), now.get("metrics", {})):
        both["metrics"] = metrics
    if "strategies" in now:
        both["strategies"] = {
            name: _strategy_together(before["strategies"][name], found) for name, found in now["strategies"].items()
        }
    both["win_rate"] = both["wins"] / both["trades"] if both["trades"] else 0.0
    return both


def _strategy_together(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    counts = ("signals", "approved", "trades", "wins", "losses", "total_pnl", "failures")
    refusals = dict(sorted(_added(before["refusals"], now["refusals"]).items()))
    symbols = sorted({*before["symbols"], *now["symbols"]})
    return now | {name: before[name] + now[name] for name in counts} | {"refusals": refusals, "symbols": symbols}


def _added(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """Add up counts by name; a name that has counted nothing stays."""
    return {name: before.get(name, 0) + now.get(name, 0) for name in before | now}


def _measured(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Put together what was measured by symbol and name: the last value is that of now, where there is one."""
    both: dict[str, Any] = {}
    for symbol in before | now:
        first, second = before.get(symbol, {}), now.get(symbol, {})
        both[symbol] = {name: _both(first.get(name), second.get(name)) for name in first | second}
    return both


def _both(before: dict[str, float] | None, now: dict[str, float] | None) -> dict[str, float]:
    if before is None or now is None:
        return before or now or {}
    count = before["count"] + now["count"]
    return {
        "last": now["last"],
        "min": min(before["min"], now["min"]),
        "max": max(before["max"], now["max"]),
        "mean": (before["mean"] * before["count"] + now["mean"] * now["count"]) / count,
        "count": count,
    }
