"""The dashboard's read model: a pure fold of the bot's messages into what is shown.

It reads no clock and does no I/O. Whatever happens between two calls of `drain` is coalesced there, and every
collection is bounded: the oldest entries go first.

What is told of one symbol at a time (`OF_A_SYMBOL`) concerns only those who look at it; of all symbols there is the
list of `prices`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, KeysView
from typing import Any

import msgspec

from actors.messages import (
    AccountOpened,
    BrokerChanged,
    BurstBlocked,
    ChainFailed,
    ChainRemoved,
    ChainRestarted,
    DayStarted,
    FeedChanged,
    FeedState,
    OrderChanged,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    SignalRaised,
    StateChanged,
    StrategyHalted,
    StrategyRefused,
    StrategyReplaced,
    SymbolHalted,
    SymbolLocked,
    SymbolStale,
    SymbolUnlocked,
    TradingState,
)
from actors.orders import OrderRejected
from pipeline.events import SECOND
from web.bars import PriceCourse, WorthCourse
from web.decisions import Decisions
from web.ledger import Ledger, Scope
from web.messages import (
    SLOW,
    ChainLate,
    DiskSeen,
    ExecutionParted,
    GaugesSeen,
    Heard,
    MetricsSeen,
    OpenPosition,
    OperatorsSeen,
    QueueSeen,
    SeriesRecalled,
    SessionStarted,
    SymbolRecalled,
    TicksSeen,
    ToWeb,
    TradesTold,
    WorthSeen,
)
from web.notices import Notice, notice_of
from web.recent import Recent
from web.shapes import metrics_data, number, summary_data, trade_data
from web.symbol_view import BARS_TOLD, SymbolView
from web.symbol_views import SymbolViews
from web.why import Known, why
from web.words import REASONS

TRADES_SHOWN = 100
BURSTS_SHOWN = 100
NOTICES_SHOWN = 50

_GONE_BACK = 5_000_000_000  # ns: so much earlier than what was shown, it is no old news, but an earlier time
_REPORTS_A_SENTENCE = 10  # a sentence whose figures alone change is told with every such report
_SECTIONS_SHOWN = ("strategy", "risk", "execution")
"""The settings that may leave the process: how it trades. Others may hold a venue's keys."""

_ONLY_NOTICED: tuple[type, ...] = (
    *(AccountOpened, ChainFailed, ChainRemoved, ChainRestarted, DayStarted, OrderRejected),
    *(ExecutionParted, StrategyHalted, StrategyRefused, StrategyReplaced, SymbolHalted, SymbolLocked, SymbolUnlocked),
)
"""What changes nothing that is shown but the list of events."""

OF_A_SYMBOL = ("ticks", "gauges", "operators", "measured", "why", "marks")
"""Events that have their data by symbol (`ticks`: under "symbols")."""

Event = tuple[str, Any]
"""A name of the event stream, and its data, ready for JSON."""


class ReadModel:
    """What the dashboard shows, folded from everything that the bot has said."""

    def __init__(self, max_symbols: int = 64, chart_points: int = 3_600) -> None:
        self._max_symbols = max_symbols
        self._chart_points = chart_points
        self._running = True
        self._own_queues: tuple[QueueSeen, ...] = ()
        self._folds: dict[type, Callable[[Any], None]] = {
            SessionStarted: self._session_started,
            SymbolRecalled: self._symbol_recalled,
            SeriesRecalled: self._series_recalled,
            TicksSeen: self._ticks_seen,
            GaugesSeen: self._gauges_seen,
            OperatorsSeen: self._operators_seen,
            MetricsSeen: self._metrics_seen,
            WorthSeen: self._worth_seen,
            SignalRaised: lambda message: self._decisions.raised(message),
            PositionOpened: self._position_opened,
            PositionClosed: self._position_closed,
            StateChanged: self._state_changed,
            ChainLate: self._chain_late,
            DiskSeen: self._noticed,
            **dict.fromkeys(_ONLY_NOTICED, self._noticed),
            BrokerChanged: self._broker_changed,
            BurstBlocked: self._burst_blocked,
            FeedChanged: self._feed_changed,
            SymbolStale: self._symbol_stale,
            OrderSubmitted: lambda message: self._decisions.submitted(message),
            OrderChanged: lambda message: self._decisions.changed(message),
            TradesTold: self._trades_told,
        }
        self._clear()

    def _clear(self) -> None:
        self._session: SessionStarted | None = None
        self._now = 0  # venue time, ns: the largest heard of
        self._symbols = SymbolViews(self._max_symbols, self._chart_points)
        self._positions: tuple[OpenPosition, ...] = ()  # as of the metrics, which come behind every batch of ticks
        self._trades: Recent[dict[str, Any]] = Recent(TRADES_SHOWN)
        self._decisions = Decisions()
        self.ledger = Ledger()
        self._bursts: Recent[BurstBlocked] = Recent(BURSTS_SHOWN)
        self._notices: Recent[Notice] = Recent(NOTICES_SHOWN)
        self._summary = summary_data({})
        self._metrics: MetricsSeen | None = None
        self.worth = WorthCourse(self._chart_points)
        self._worth_since = math.inf  # the first second of it that has changed
        self.heard = Heard()  # how old the news is, as of the bot's last report
        self._feed = FeedChanged(FeedState.CONNECTING)
        self._broker: BrokerChanged | None = None  # None where fills are simulated
        self._stale: dict[str, str] = {}  # symbols that are, and why
        self._state: dict[str, Any] = _state_data(TradingState.ACTIVE, "", 0)
        # What has not been told to the event stream yet, beside what is untold of each of those above.
        self._changed: set[str] = set()  # "gauges", "position", "ledger", "metrics", "feed", "state", "bot", "snapshot"
        self._reports = 0

    # ------------------------------------------------------------------------------------------ telling

    @property
    def running(self) -> bool:
        """Whether the bot is there."""
        return self._running

    @property
    def now(self) -> int:
        """Venue time, ns: the latest heard of."""
        return self._now

    def figures(self) -> dict[str, Any]:
        """Return the figures of closed trades, by scope, ready for JSON."""
        return {scope.value: self.ledger.figures(scope, self._now) for scope in Scope}

    @property
    def symbols(self) -> KeysView[str]:
        """The symbols that are shown, the first one first."""
        return self._symbols.names

    def view(self, symbol: str) -> dict[str, Any]:
        """Return all there is to show of one symbol, ready for JSON."""
        view = self._symbols[symbol]
        return view.snapshot() | view.moment(self._now, self.heard)

    def snapshot(self, look: Collection[str] | None = None) -> dict[str, Any]:
        """Return all there is to show, ready for JSON. Times are nanoseconds.

        Of symbols that are not among those looked at there is no more than a list shows; None looks at all.
        """
        symbols = {
            view.name: (view.snapshot() if look is None or view.name in look else view.brief())
            | view.moment(self._now, self.heard)
            for view in self._symbols
        }
        return {
            "bot": {"running": self._running},
            "session": _session_data(self._session) if self._session is not None else None,
            "now": self._now,
            "feed": self._feed_data(),
            "broker": _broker_data(self._broker) if self._broker is not None else None,
            "state": self._state,
            **(self._metrics_data() if look is None else self._common_metrics()),
            "funnel": self._summary["funnel"],
            "blocked": self._summary["blocked"],
            "symbols": symbols,
            "symbols_ignored": self._symbols.ignored,
            "positions": self._positions,
            "ledger": {"version": self.ledger.version},
            "trades": list(self._trades.shown),
            "signals": self._decisions.shown,
            "bursts": list(self._bursts.shown),
            "notices": list(self._notices.shown),
        }

    def prices(self) -> dict[str, tuple[float, float | None, int]]:
        """Return last price, first price and time of the last tick of each symbol that had one since the last call."""
        return self._symbols.prices()

    def standing(self) -> dict[str, dict[str, Any]]:
        """Return the data of the events that `drain` tells again and again as a whole, as they are now."""
        return {"metrics": self._common_metrics(), "position": {"positions": self._positions}}

    def drain(self) -> list[Event]:
        """Return what has changed since the last call as events, coalesced: one of a kind, but one per trade or signal.

        A new session gives one `snapshot` and nothing else.
        """
        changed, self._changed = self._changed, set()
        if "snapshot" in changed:
            self._forget_untold()
            return [("snapshot", self.snapshot())]
        news = ((part, self._symbols.untold(part)) for part in OF_A_SYMBOL)
        events: list[Event] = [
            (part, {"now": self._now, "symbols": new} if part == "ticks" else new) for part, new in news if new
        ]
        events += [("signal", signal) for signal in self._decisions.untold_signals]
        if outcomes := self._decisions.untold_outcomes:
            events.append(("outcomes", outcomes))
        events += [("burst", burst) for burst in self._bursts.untold]
        if "position" in changed:
            events.append(("position", {"positions": self._positions}))
        events += [("trade", trade) for trade in self._trades.untold]
        if "ledger" in changed:
            events.append(("ledger", {"version": self.ledger.version}))
        told = (("metrics", self._common_metrics), ("feed", self._feed_data), ("state", self._state.copy))
        events += [(name, data()) for name, data in told if name in changed]
        if self._worth_since < math.inf:
            events.append(("worth", self.worth.since(self._worth_since)[-BARS_TOLD:]))
        events += [("notice", notice) for notice in self._notices.untold]
        if "bot" in changed:
            events.append(("bot", {"running": self._running}))
        self._forget_untold()
        return events

    def _forget_untold(self) -> None:
        self._symbols.forget_untold()
        self._decisions.forget_untold()
        for recent in (self._bursts, self._trades, self._notices):
            recent.untold.clear()
        self._worth_since = math.inf

    def _feed_data(self) -> dict[str, Any]:
        feed = self._feed
        told = {"state": feed.state.value, "reason": feed.reason, "ts": feed.ts, "delay_s": feed.delay_s or 0}
        return told | {"stale": dict(self._stale), "age_s": self.heard.feed_s}

    def _metrics_data(self) -> dict[str, Any]:
        return metrics_data(self._metrics, self._own_queues) | {
            "now": self._now,
            "metrics": self._summary,
            "chains": {view.name: view.chain for view in self._symbols},
            "windows": {view.name: view.window_s for view in self._symbols if view.window_s},
        }

    def _common_metrics(self) -> dict[str, Any]:
        """Return the metrics without what the strategies measure, which is told symbol by symbol."""
        data = self._metrics_data()
        return data | {"metrics": {name: told for name, told in self._summary.items() if name != "metrics"}}

    # ------------------------------------------------------------------------------------------ folding

    def apply(self, message: ToWeb | SymbolRecalled | SeriesRecalled) -> None:
        """Fold one message in."""
        self._folds[type(message)](message)

    def see_queues(self, *queues: QueueSeen) -> None:
        """Take in how this process's own queues are; they are told with the bot's."""
        self._own_queues = queues

    def bot_stopped(self, reason: str) -> None:
        """Fold in that the bot has gone: its pipe ended."""
        self._running = False
        self._changed.add("bot")
        for view in self._symbols:
            self._consider(view)
        self._feed_changed(FeedChanged(FeedState.DOWN, self._now, reason))

    def _moved_to(self, ts: int) -> None:
        self._now = max(self._now, ts)

    @property
    def now_s(self) -> float:
        """The venue's time, to the end of its second."""
        return float(self._now // SECOND + 1)

    def course_of(self, symbol: str) -> PriceCourse | None:
        """Return what is known of a symbol's prices; None of a symbol that is not shown."""
        view = self._symbols.get(symbol)
        return view.prices if view is not None else None

    def _noticed(self, message: Any) -> None:
        settings = self._session.settings if self._session is not None else {}
        self._notices.add(notice_of(message, str(settings.get("risk", {}).get("timezone", "UTC"))))

    def _session_started(self, message: SessionStarted) -> None:
        self._clear()
        self._session = message
        self._summary["equity"] = number(message.settings.get("risk", {}).get("starting_equity", 0.0))
        self.ledger = Ledger(message.run, str(message.settings.get("risk", {}).get("timezone", "UTC")))
        for symbol in message.symbols:
            self._symbols.of(symbol)
        self._changed.add("snapshot")

    def _symbol_recalled(self, message: SymbolRecalled) -> None:
        if (view := self._symbols.of(message.symbol)) is None:
            return
        view.recall(message)
        if view.last is not None:
            self._moved_to(view.last.ts)
        self._changed.add("snapshot")

    def _series_recalled(self, message: SeriesRecalled) -> None:
        if not message.symbol:
            self.worth.recall(message.part)
        elif (view := self._symbols.of(message.symbol)) is not None:
            view.prices.recall(message.part)
        self._changed.add("snapshot")

    def _worth_seen(self, message: WorthSeen) -> None:
        self._worth_since = min(self._worth_since, self.worth.see(message))

    def _ticks_seen(self, message: TicksSeen) -> None:
        if (view := self._symbols.of(message.symbol)) is None:
            return
        view.see(message)
        if view.last is not None:
            self._moved_to(view.last.ts)

    def _gauges_seen(self, message: GaugesSeen) -> None:
        if (view := self._symbols.of(message.symbol)) is not None:
            view.see_gauges(message)

    def _operators_seen(self, message: OperatorsSeen) -> None:
        if (view := self._symbols.of(message.symbol)) is not None:
            view.see_operators(message.operators)

    def _metrics_seen(self, message: MetricsSeen) -> None:
        self._metrics = message
        self.heard = message.heard
        if message.now < self._now - _GONE_BACK:
            self._now = message.now  # a session that restarted at an earlier time
        self._moved_to(message.now)
        self._summary = summary_data(message.summary)
        self._summary["funnel"]["filled"] = message.filled
        for symbol, chain in message.chains.items():
            if (view := self._symbols.of(symbol)) is not None:
                view.chain = chain
        for symbol, found in self._summary.get("metrics", {}).items():
            if (view := self._symbols.get(symbol)) is not None:
                view.see_measured(found)
        for symbol, window_s in message.windows.items():
            if (view := self._symbols.of(symbol)) is not None:
                view.window_s = window_s
        self._changed.add("metrics")
        if message.positions != self._positions:
            self._positions = message.positions
            self._changed.add("position")
        told = _state_data(message.state, message.state_reason, message.now, message.no_resume)
        if told | {"ts": 0} != self._state | {"ts": 0}:
            self._set_state(told)
        self._reports += 1
        for view in self._symbols:
            self._consider(view)

    def _consider(self, view: SymbolView) -> None:
        """Make a symbol's sentence: another reason is told at once, another figure once a second or so."""
        seen = self._metrics
        position = next((held for held in self._positions if held.symbol == view.name), None)
        no_entry = seen.no_entry.get(view.name) if seen is not None else None
        state = self._running, self._state["state"], self._state["reason"], self._feed, view.chain
        found = why(Known(*state, no_entry, position, view.seen_gauges, view.ticks_seen, self._now))
        if view.why is None or found.code != view.why.code or self._reports % _REPORTS_A_SENTENCE == 0:
            view.see_why(found)

    def _burst_blocked(self, message: BurstBlocked) -> None:
        self._bursts.add(message)
        if (view := self._symbols.of(message.symbol)) is not None:
            view.blocked = message

    def _position_opened(self, message: PositionOpened) -> None:
        self._decisions.opened(message)
        if (view := self._symbols.of(message.symbol)) is not None:
            view.mark_entry(message)

    def _position_closed(self, message: PositionClosed) -> None:
        trade = trade_data(message)
        if trade in self._trades.shown:
            return  # told again after the web process came back
        self._trades.add(trade)
        self._decisions.closed(message)
        if (view := self._symbols.of(message.symbol)) is not None:
            view.mark_exit(message)

    def _trades_told(self, message: TradesTold) -> None:
        self.ledger.take(message)
        self._changed.add("ledger")

    def _set_state(self, state: dict[str, Any]) -> None:
        self._state = state
        self._changed.add("state")

    def _state_changed(self, message: StateChanged) -> None:
        self._set_state(_state_data(message.state, message.reason, message.ts))
        self._noticed(message)

    def _feed_changed(self, message: FeedChanged) -> None:
        self._feed = message
        self.heard = msgspec.structs.replace(self.heard, feed_s=0.0)
        self._changed.add("feed")
        self._noticed(message)

    def _broker_changed(self, message: BrokerChanged) -> None:
        self._broker = message
        self._noticed(message)

    def _symbol_stale(self, message: SymbolStale) -> None:
        self._changed.add("feed")
        if not message.stale:
            self._stale.pop(message.symbol, None)
        elif self._symbols.of(message.symbol) is None:
            return
        else:
            self._stale[message.symbol] = message.reason
        self._noticed(message)

    def _chain_late(self, message: ChainLate) -> None:
        self._noticed(message)
        if (view := self._symbols.of(message.symbol)) is not None:
            view.chain = f"{SLOW}: {message.reason}"  # the metrics wait for the loop that is stuck
            self._changed.add("metrics")


def _state_data(state: TradingState, reason: str, ts: int, no_resume: str = "") -> dict[str, Any]:
    return {"state": state.value, "reason": reason, "ts": ts, "no_resume": no_resume}


def _broker_data(broker: BrokerChanged) -> dict[str, Any]:
    return {"state": broker.state.value, "reason": broker.reason}


def _session_data(session: SessionStarted) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.structs.asdict(session)
    return data | {"settings": {name: session.settings.get(name, {}) for name in _SECTIONS_SHOWN}, "words": REASONS}
