"""The dashboard's read model: a pure fold of the bot's messages into what is shown.

It reads no clock and does no I/O. Whatever happens between two calls of `drain` is coalesced there, and every
collection is bounded: the oldest entries go first.
"""

from __future__ import annotations

from collections.abc import Callable
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
from actors.risk.symbol_locks import until_words
from web.ledger import Ledger, Scope
from web.messages import (
    SLOW,
    ChainLate,
    GaugesSeen,
    MetricsSeen,
    OpenPosition,
    OperatorsSeen,
    QueueSeen,
    SessionStarted,
    SymbolRecalled,
    TicksSeen,
    ToWeb,
    TradesTold,
)
from web.recent import Recent
from web.shapes import number, signal_data, summary_data, trade_data
from web.symbol_view import SymbolView

TRADES_SHOWN = 100
SIGNALS_SHOWN = 100
BURSTS_SHOWN = 100
NOTICES_SHOWN = 50

_GONE_BACK = 5_000_000_000  # ns: so much earlier than what was shown, it is no old news, but an earlier time
_SECTIONS_SHOWN = ("strategy", "risk", "execution")
"""The settings that may leave the process: how it trades. Others may hold a venue's keys."""

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
            TicksSeen: self._ticks_seen,
            GaugesSeen: self._gauges_seen,
            OperatorsSeen: self._operators_seen,
            MetricsSeen: self._metrics_seen,
            SignalRaised: self._signal_raised,
            PositionOpened: self._position_opened,
            PositionClosed: self._position_closed,
            StateChanged: self._state_changed,
            StrategyHalted: self._strategy_halted,
            SymbolLocked: self._symbol_locked,
            SymbolUnlocked: self._symbol_unlocked,
            SymbolHalted: self._symbol_halted,
            DayStarted: self._day_started,
            ChainFailed: self._chain_failed,
            ChainRestarted: self._chain_restarted,
            ChainRemoved: self._chain_removed,
            ChainLate: self._chain_late,
            StrategyReplaced: self._strategy_replaced,
            StrategyRefused: self._strategy_refused,
            BurstBlocked: self._burst_blocked,
            FeedChanged: self._feed_changed,
            SymbolStale: self._symbol_stale,
            AccountOpened: self._account_opened,
            BrokerChanged: self._broker_changed,
            OrderRejected: self._order_rejected,
            TradesTold: self._trades_told,
        }
        self._clear()

    def _clear(self) -> None:
        self._session: SessionStarted | None = None
        self._now = 0  # venue time, ns: the largest heard of
        self._symbols: dict[str, SymbolView] = {}
        self._symbols_ignored: set[str] = set()
        self._positions: tuple[OpenPosition, ...] = ()  # as of the metrics, which come behind every batch of ticks
        self._trades: Recent[dict[str, Any]] = Recent(TRADES_SHOWN)
        self.ledger = Ledger()
        self._signals: Recent[dict[str, Any]] = Recent(SIGNALS_SHOWN)
        self._bursts: Recent[BurstBlocked] = Recent(BURSTS_SHOWN)
        self._notices: Recent[dict[str, Any]] = Recent(NOTICES_SHOWN)
        self._summary = summary_data({})
        self._metrics: MetricsSeen | None = None
        self._feed = FeedChanged(FeedState.CONNECTING)
        self._stale: dict[str, str] = {}  # symbols that are, and why
        self._state: dict[str, Any] = {"state": TradingState.ACTIVE.value, "reason": "", "ts": 0}
        # What has not been told to the event stream yet, beside what is untold of each of those above.
        self._changed: set[str] = set()  # "gauges", "position", "ledger", "metrics", "feed", "state", "bot", "snapshot"
        self._new_gauges: set[str] = set()
        self._new_operators: set[str] = set()

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

    def snapshot(self) -> dict[str, Any]:
        """Return all there is to show, ready for JSON. Times are nanoseconds (`history`: whole seconds)."""
        return {
            "bot": {"running": self._running},
            "session": self._session_data(),
            "now": self._now,
            "feed": self._feed_data(),
            "state": self._state,
            **self._metrics_data(),
            "funnel": self._summary["funnel"],
            "blocked": self._summary["blocked"],
            "symbols": {name: view.snapshot() for name, view in self._symbols.items()},
            "symbols_ignored": len(self._symbols_ignored),
            "positions": self._positions,
            "ledger": {"version": self.ledger.version},
            "trades": list(self._trades.shown),
            "signals": list(self._signals.shown),
            "bursts": list(self._bursts.shown),
            "notices": list(self._notices.shown),
        }

    def drain(self) -> list[Event]:
        """Return what has changed since the last call as events, coalesced: one of a kind, but one per trade or signal.

        A new session gives one `snapshot` and nothing else.
        """
        changed, self._changed = self._changed, set()
        if "snapshot" in changed:
            self._forget_untold()
            return [("snapshot", self.snapshot())]
        events: list[Event] = []
        ticks = {name: new for name, view in self._symbols.items() if (new := view.untold_ticks()) is not None}
        if ticks:
            events.append(("ticks", {"now": self._now, "symbols": ticks}))
        if self._new_gauges:
            events.append(("gauges", {name: self._symbols[name].gauges for name in sorted(self._new_gauges)}))
        if self._new_operators:
            told_of = sorted(self._new_operators)
            events.append(("operators", {name: self._symbols[name].operators for name in told_of}))
        events += [("signal", signal) for signal in self._signals.untold]
        events += [("burst", burst) for burst in self._bursts.untold]
        if "position" in changed:
            events.append(("position", {"positions": self._positions}))
        events += [("trade", trade) for trade in self._trades.untold]
        if "ledger" in changed:
            events.append(("ledger", {"version": self.ledger.version}))
        marks = {name: made for name, view in self._symbols.items() if (made := view.untold_marks())}
        if marks:
            events.append(("marks", marks))
        told = (("metrics", self._metrics_data), ("feed", self._feed_data), ("state", self._state.copy))
        events += [(name, data()) for name, data in told if name in changed]
        events += [("notice", notice) for notice in self._notices.untold]
        if "bot" in changed:
            events.append(("bot", {"running": self._running}))
        self._forget_untold()
        return events

    def _forget_untold(self) -> None:
        for view in self._symbols.values():
            view.forget_untold()
        for recent in (self._signals, self._bursts, self._trades, self._notices):
            recent.untold.clear()
        self._new_gauges.clear()
        self._new_operators.clear()

    def _session_data(self) -> dict[str, Any] | None:
        if self._session is None:
            return None
        data: dict[str, Any] = msgspec.structs.asdict(self._session)
        shown = {name: self._session.settings.get(name, {}) for name in _SECTIONS_SHOWN}
        return data | {"settings": shown}

    def _feed_data(self) -> dict[str, Any]:
        feed = self._feed
        told = {"state": feed.state.value, "reason": feed.reason, "ts": feed.ts, "delay_s": feed.delay_s or 0}
        return told | {"stale": dict(self._stale)}

    def _metrics_data(self) -> dict[str, Any]:
        seen = self._metrics
        return {
            "now": self._now,
            "metrics": self._summary,
            "refusals": dict(seen.refusals) if seen else {},
            "queues": dict(seen.queues) if seen else {},
            "bounded": [*(seen.bounded if seen else ()), *self._own_queues],
            "chains": {name: view.chain for name, view in self._symbols.items()},
            "locks": dict(seen.locks) if seen else {},
            "symbols_halted": dict(seen.symbols_halted) if seen else {},
        }

    # ------------------------------------------------------------------------------------------ folding

    def apply(self, message: ToWeb | SymbolRecalled) -> None:
        """Fold one message in."""
        self._folds[type(message)](message)

    def see_queues(self, *queues: QueueSeen) -> None:
        """Take in how this process's own queues are; they are told with the bot's."""
        self._own_queues = queues

    def bot_stopped(self, reason: str) -> None:
        """Fold in that the bot has gone: its pipe ended."""
        self._running = False
        self._changed.add("bot")
        self._feed_changed(FeedChanged(FeedState.DOWN, self._now, reason))

    def _moved_to(self, ts: int) -> None:
        self._now = max(self._now, ts)

    def _view(self, symbol: str) -> SymbolView | None:
        view = self._symbols.get(symbol)
        if view is None:
            if len(self._symbols) >= self._max_symbols:
                if len(self._symbols_ignored) < self._max_symbols:
                    self._symbols_ignored.add(symbol)
                return None
            view = self._symbols[symbol] = SymbolView(symbol, self._chart_points)
        return view

    def _notice(self, kind: str, ts: int, text: str) -> None:
        self._notices.add({"kind": kind, "ts": ts, "text": text})  # ts 0: before the first tick

    def _session_started(self, message: SessionStarted) -> None:
        self._clear()
        self._session = message
        self._summary["equity"] = number(message.settings.get("risk", {}).get("starting_equity", 0.0))
        self.ledger = Ledger(message.run, str(message.settings.get("risk", {}).get("timezone", "UTC")))
        for symbol in message.symbols:
            self._view(symbol)
        self._changed.add("snapshot")

    def _symbol_recalled(self, message: SymbolRecalled) -> None:
        view = self._view(message.symbol)
        if view is None:
            return
        view.recall(message)
        if view.last is not None:
            self._moved_to(view.last.ts)
        self._changed.add("snapshot")

    def _ticks_seen(self, message: TicksSeen) -> None:
        view = self._view(message.symbol)
        if view is None:
            return
        view.see(message.ticks, message.skipped)
        if view.last is not None:
            self._moved_to(view.last.ts)

    def _gauges_seen(self, message: GaugesSeen) -> None:
        view = self._view(message.symbol)
        if view is not None:
            view.see_gauges(message)
            self._new_gauges.add(message.symbol)

    def _operators_seen(self, message: OperatorsSeen) -> None:
        if (view := self._view(message.symbol)) is not None:
            view.operators = message.operators
            self._new_operators.add(message.symbol)

    def _metrics_seen(self, message: MetricsSeen) -> None:
        self._metrics = message
        if message.now < self._now - _GONE_BACK:
            self._now = message.now  # a session that restarted at an earlier time
        self._moved_to(message.now)
        self._summary = summary_data(message.summary)
        for symbol, chain in message.chains.items():
            if (view := self._view(symbol)) is not None:
                view.chain = chain
        self._changed.add("metrics")
        if message.positions != self._positions:
            self._positions = message.positions
            self._changed.add("position")
        if (message.state.value, message.state_reason) != (self._state["state"], self._state["reason"]):
            self._set_state(message.state, message.state_reason, message.now)

    def _signal_raised(self, message: SignalRaised) -> None:
        self._signals.add(signal_data(message))

    def _burst_blocked(self, message: BurstBlocked) -> None:
        self._bursts.add(message)
        if (view := self._view(message.symbol)) is not None:
            view.blocked = message

    def _position_opened(self, message: PositionOpened) -> None:
        if (view := self._view(message.symbol)) is not None:
            view.mark_entry(message)

    def _position_closed(self, message: PositionClosed) -> None:
        trade = trade_data(message)
        if trade in self._trades.shown:
            return  # told again after the web process came back
        self._trades.add(trade)
        if (view := self._view(message.symbol)) is not None:
            view.mark_exit(message)

    def _trades_told(self, message: TradesTold) -> None:
        self.ledger.take(message)
        self._changed.add("ledger")

    def _set_state(self, state: TradingState, reason: str, ts: int) -> None:
        self._state = {"state": state.value, "reason": reason, "ts": ts}
        self._changed.add("state")

    def _state_changed(self, message: StateChanged) -> None:
        self._set_state(message.state, message.reason, message.ts)
        because = f": {message.reason}" if message.reason else ""
        self._notice("state", message.ts, f"{message.previous.value} to {message.state.value}{because}")

    def _feed_changed(self, message: FeedChanged) -> None:
        self._feed = message
        self._changed.add("feed")
        because = f": {message.reason}" if message.reason else ""
        self._notice("feed", message.ts, f"feed {message.state.value}{because}")

    def _symbol_stale(self, message: SymbolStale) -> None:
        self._changed.add("feed")
        if not message.stale:
            self._stale.pop(message.symbol, None)
            self._notice("feed", message.ts, f"{message.symbol} is heard again")
        elif self._view(message.symbol) is not None:
            self._stale[message.symbol] = message.reason
            self._notice("feed", message.ts, f"{message.symbol} is STALE, and enters nothing: {message.reason}")

    def _account_opened(self, message: AccountOpened) -> None:
        self._notice("broker", message.ts, f"account {message.number} holds {message.cash:,.2f} in cash")

    def _broker_changed(self, message: BrokerChanged) -> None:
        because = f": {message.reason}" if message.reason else ""
        self._notice("broker", message.ts, f"broker {message.state.value}{because}")

    def _order_rejected(self, message: OrderRejected) -> None:
        self._notice("order", message.ts, f"an order of {message.symbol} was rejected: {message.reason}")

    def _strategy_halted(self, message: StrategyHalted) -> None:
        self._notice("state", message.ts, f"the strategy {message.strategy} has lost its share of the day's loss limit")

    def _symbol_locked(self, message: SymbolLocked) -> None:
        settings = self._session.settings if self._session is not None else {}
        until = until_words(message.until, message.ts, str(settings.get("risk", {}).get("timezone", "UTC")))
        self._notice("state", message.ts, f"{message.symbol} is locked {until}: {message.reason}")

    def _symbol_unlocked(self, message: SymbolUnlocked) -> None:
        because = f": {message.reason}" if message.reason else ""
        self._notice("state", message.ts, f"{message.symbol} is unlocked{because}")

    def _symbol_halted(self, message: SymbolHalted) -> None:
        self._notice("state", message.ts, f"{message.symbol} is halted: {message.reason}")

    def _day_started(self, message: DayStarted) -> None:
        self._notice("day", message.ts, f"trading day {message.date} begins with {message.equity:,.2f}")

    def _chain_failed(self, message: ChainFailed) -> None:
        then = "restarts soon" if message.restart_ts else "trades no more"
        self._chain_notice(message, f"failed and {then}: {message.error}")

    def _chain_restarted(self, message: ChainRestarted) -> None:
        self._chain_notice(message, "restarts")

    def _chain_removed(self, message: ChainRemoved) -> None:
        self._chain_notice(message, f"was removed: {message.reason}")

    def _chain_late(self, message: ChainLate) -> None:
        self._chain_notice(message, f"is slow: {message.reason}")
        if (view := self._view(message.symbol)) is not None:
            view.chain = f"{SLOW}: {message.reason}"  # the metrics wait for the loop that is stuck
            self._changed.add("metrics")

    def _strategy_replaced(self, message: StrategyReplaced) -> None:
        warm = f"warmed up with {message.warm_up:,} trades and quotes" if message.warm_up else "cold"
        self._notice("chain", message.ts, f"the strategy {message.strategy} ({message.sha256[:8]}) takes over, {warm}")

    def _strategy_refused(self, message: StrategyRefused) -> None:
        said = f"the strategy {message.strategy} as it was saved is refused, the one before goes on: {message.error}"
        self._notice("chain", message.ts, "\n".join((said, *message.traceback)))

    def _chain_notice(self, message: ChainFailed | ChainRestarted | ChainRemoved | ChainLate, what: str) -> None:
        self._notice("chain", message.ts, f"the strategy of {message.symbol} {what}")
