"""Risk: may this signal be traded, and may the bot trade at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import UNSET, Meta

from actors.actor import Context, Port, SymbolView, assert_known
from actors.book import AccountDay, Book, StrategyDay, SymbolLock
from actors.execution.messages import CancelEntries, CloseAll, Enter, FromRisk, OrderOver
from actors.execution.order_cache import OrdersView
from actors.messages import (
    AccountOpened,
    BrokerChanged,
    Command,
    DayStarted,
    ExitReason,
    FeedChanged,
    FeedState,
    HaltCause,
    MarketHours,
    PositionClosed,
    PositionOpened,
    Refusal,
    SignalRaised,
    StateChanged,
    StrategyHalted,
    SymbolCommand,
    SymbolHalted,
    SymbolStale,
    TradingState,
)
from actors.orders import AccountReport, AssetReport
from actors.portfolio.positions import PositionNews, PositionsView
from actors.risk.account_limits import AccountLimits, Verdict
from actors.risk.entry_rules import EntryRules, Size
from actors.risk.limits import Limits
from actors.risk.manual_state import SESSION_ENDS as SESSION_ENDS, ManualState
from actors.risk.sizing import SizeMethod, Sizing
from actors.risk.strategy_shares import StrategyShares
from actors.risk.symbol_locks import SymbolLocks
from actors.risk.venue_facts import ForeignOrders, Told, VenueFacts
from pipeline.events import EPSILON, SECOND, PriceBand, Signal, TradingStatus


class RiskSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[risk]: how much may be at stake."""

    max_open_positions: Literal[1] = 1  # per symbol; the only value allowed for now
    daily_loss_limit: Annotated[float, Meta(ge=-1, lt=0)] = -0.05  # fraction of the day's first equity
    cooldown_trades_after_loss: Annotated[int, Meta(ge=0)] = 2  # signals of the symbol to skip
    position_size: Annotated[float, Meta(gt=0, le=1e9)] = 1.0  # shares; the most that a signal may ask for
    starting_equity: Annotated[float, Meta(gt=0)] = 10_000.0  # money
    cost_guard: Literal["off", "warn", "refuse"] = "warn"  # when a round trip costs more than the profit target brings
    # What closes a position that its exits do not, at market; None, which only recordings of old say, is never.
    fallback_stop: Annotated[float, Meta(gt=0, lt=1)] | None = 0.005  # fraction; at least twice the stop loss
    fallback_hold_s: Annotated[float, Meta(gt=0)] | None = 600.0  # since the entry; at least twice the time stop
    timezone: str = "America/New_York"  # where the trading day begins at midnight
    size: SizeMethod = "shares"  # what the size of an entry is computed from; shares: it is `position_size`
    # Of any other size: money (dollars; risk_per_stop: what the stop may lose), or percent of the equity (10 is 10 %).
    size_amount: Annotated[float, Meta(gt=0)] | None = None
    drawdown_limit: Annotated[float, Meta(ge=-1, lt=0)] | None = None  # fraction of the highest equity; then HALTED
    symbol_loss_limit: Annotated[float, Meta(ge=-1, lt=0)] | None = None  # of the day's first equity, in one symbol

    def __post_init__(self) -> None:
        if self.size != "shares" and self.size_amount is None:
            wants = {"percent": "percent of the equity, such as 10"}.get(self.size, "money, such as 1000")
            raise ValueError(f'size = "{self.size}" wants risk.size_amount, {wants}')
        if self.size == "shares" and self.size_amount is not None:
            raise ValueError('size_amount is of size = "dollars", "percent" or "risk_per_stop": set risk.size as well')
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"timezone {self.timezone!r} is not known: use a name like America/New_York") from None


_COMMANDS: dict[str, tuple[TradingState, CloseAll | CancelEntries | None]] = {
    "pause": (TradingState.PAUSED, None),
    "resume": (TradingState.ACTIVE, None),
    "reduce": (TradingState.REDUCING, CancelEntries()),
    "flatten": (TradingState.PAUSED, CloseAll(ExitReason.FLATTEN)),
    "halt": (TradingState.HALTED, CloseAll(ExitReason.HALT)),
}
"""The state that a command sets, and what it asks of the executor."""


class _MarketClosing(msgspec.Struct, frozen=True):
    """The market is about to close, at `close` (ns)."""

    close: int


class Mismatch(msgspec.Struct, frozen=True):
    """The account and the book do not agree, each difference in a few words: halt, and touch nothing."""

    differences: tuple[str, ...]


RiskMessage = (
    Signal
    | Command
    | SymbolCommand
    | FeedChanged
    | Told
    | AccountOpened
    | PositionNews
    | OrderOver
    | Mismatch
    | _MarketClosing
)


class RiskSnapshot(NamedTuple):
    """What risk writes down: the trading day, the state set by hand and why, the halt of the day, the cooldown."""

    date: str
    state: TradingState
    reason: str
    daily_halt: bool
    cooldown: dict[str, int]  # signals still to be skipped, by symbol
    halt_cause: HaltCause | None
    halted_before: str
    strategies: dict[str, StrategyDay]
    locks: dict[str, SymbolLock]
    account_day: AccountDay | None


class UnknownCommand(ValueError):
    """Raised for a command name that does not exist; edges validate names first."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no command {name!r}")
        self.name = name


class Risk:
    """The actor that approves or refuses signals, and owns the trading state.

    A refusal is a value from `Refusal`, published with its signal. The state is what a person set (ACTIVE,
    PAUSED, REDUCING, HALTED), overruled by HALTED while the daily-loss halt is on; `resume` lifts the first, only a
    new trading day the second.

    The core calls `check_losses`, `check_symbol`, `start_day` and `restore` past the mailbox, on its own thread and
    between two messages: each runs to completion, and must have taken effect before the strategy sees the tick or the
    day.
    """

    def __init__(
        self,
        settings: RiskSettings,
        context: Context,
        positions: PositionsView,
        orders: OrdersView,
        limits: Limits,
        facts: VenueFacts,
        tell_executor: Port[FromRisk],
        account: AccountLimits,
        shares: StrategyShares | None = None,
        sizing: Sizing | None = None,
    ) -> None:
        self._settings = settings
        self._facts = facts
        self._cutoff = round(limits.settings.flatten_before_close_s * SECOND)
        self.rules = EntryRules(settings.position_size, self._cutoff, facts, limits, account, shares, sizing)
        self._flatten_late = limits.settings.flatten_late
        self._context = context
        self._positions = positions
        self._orders = orders
        self._tell_executor = tell_executor
        self.account = account
        self._shares = shares  # of strategies, where there are several
        self._manual = ManualState()
        self.locks = SymbolLocks(context, settings.timezone)
        self._daily_halt = False
        self._feed = FeedChanged(FeedState.LIVE)  # a tape is always live; a live feed says what it is
        # Symbols with a position or a working order; from the approval on: the order shows in `orders` once delivered.
        self._busy: set[str] = set()
        self._cooldown: dict[str, int] = {}  # signals still to be skipped, by symbol
        self.day_start_equity = positions.equity
        self._loss_floor = 0.0  # equity and open profit at or below this: halt for the day
        self._floor = 0.0  # the higher one of that and the drawdown's
        self.date = ""  # of the trading day; empty before the first
        self._awaited_close: int | None = None  # ns
        self._closed_for = 0  # ns: the close before which positions were closed last
        self._signal_input = 0  # the last that raised a signal
        self._signals_of_input = 0  # how many it has raised

    # ------------------------------------------------------------------------------------------- state

    @property
    def state(self) -> TradingState:
        return TradingState.HALTED if self._daily_halt else self._manual.in_force

    @property
    def halt_cause(self) -> HaltCause | None:
        """Why the state is HALTED; None in any other."""
        if self._daily_halt:
            return HaltCause.LOSS_LIMIT
        return self._manual.cause if self.state is TradingState.HALTED else None

    @property
    def state_reason(self) -> str:
        return HaltCause.LOSS_LIMIT.value if self._daily_halt else self._manual.sentence

    def snapshot(self) -> RiskSnapshot:
        """Return what is to be written down."""
        cooldown = {symbol: left for symbol, left in self._cooldown.items() if left > 0}
        return RiskSnapshot(
            date=self.date,
            state=self._manual.state,
            reason=self._manual.reason,
            daily_halt=self._daily_halt,
            cooldown=cooldown,
            halt_cause=self._manual.cause,
            halted_before=self._manual.halted_before,
            strategies=self._shares.days() if self._shares is not None else {},
            locks=self.locks.to_book(),
            account_day=self.account.to_book(),
        )

    def receive(self, message: RiskMessage) -> None:
        match message:
            case Signal():
                self._on_signal(message)
            case PositionClosed():
                self._on_position_closed(message)
            case PositionOpened():
                self._on_position_opened(message)
            case Command():
                self._on_command(message)
            case SymbolCommand():
                self._on_symbol_command(message)
            case FeedChanged():
                self._feed = message
                self._context.publish(message)
            case SymbolStale():
                if message.stale is not self._facts.is_stale(message.symbol):  # a next session is told what held before
                    self._facts.remember(message)
                    self._context.publish(message)
            case OrderOver():
                self._free(message.symbol)
            case Mismatch():
                self._on_mismatch(message)
            case AccountOpened():
                if not message.resumed:
                    self.account.measure_drawdown_from(message.equity)
                    self._count_losses_from(message.equity)
            case MarketHours():
                self._facts.remember(message)
                self._schedule_flatten()
            case BrokerChanged():
                self._facts.remember(message)
                self._context.publish(message)
            case AccountReport() | AssetReport() | TradingStatus() | PriceBand() | ForeignOrders():
                self._facts.remember(message)
            case _MarketClosing():
                self._on_market_closing(message)
            case _:
                assert_known(self, message)

    # ----------------------------------------------------------------------------------------- signals

    def state_refusal(self, symbol: str) -> Refusal | None:
        """Return what this actor's own state rules out, or None; it changes nothing."""
        if self.state is not TradingState.ACTIVE:
            return Refusal.DRAWDOWN if self.halt_cause is HaltCause.DRAWDOWN else Refusal(self.state)
        if self._feed.state is not FeedState.LIVE:
            return Refusal.STALE_FEED
        if self._feed.delay_s:
            return Refusal.DELAYED_FEED
        if self._shares is not None and self._shares.refuses(symbol):
            return Refusal.STRATEGY_HALTED
        if self.locks.lock_of(symbol) is not None:
            return Refusal.LOCKED
        if self.account.symbol_refusal(symbol):
            return Refusal.SYMBOL_LOSS
        # The tick that closes a position opens none: `held_at_input` remembers what it found.
        if symbol in self._busy or self._context.symbol_view(symbol).held_at_input == self._context.input:
            return Refusal.POSITION_OPEN
        if self._cooldown.get(symbol, 0) > 0:
            return Refusal.COOLDOWN
        return None

    def verdict(self, signal: Signal, size: Size, view: SymbolView) -> Verdict:
        """Return the first reason not to trade so much of a signal now; it changes nothing."""
        symbol, reason = signal.symbol, self.state_refusal(signal.symbol)
        if reason is None:
            return self.rules.verdict(signal, size, view, self._context.now)
        if reason is Refusal.LOCKED:
            return Verdict(reason, self.locks.said_of(symbol))
        if reason is Refusal.SYMBOL_LOSS:
            return Verdict(reason, self.account.symbol_refusal(symbol))
        return Verdict(reason, self.state_reason if reason is Refusal.DRAWDOWN else "")

    def _on_signal(self, signal: Signal) -> None:
        symbol, view, number = signal.symbol, self._context.symbol_view(signal.symbol), self._context.input
        size = self.rules.size(signal, view, self._positions.equity)
        reason, why = self.verdict(signal, size, view)
        if reason is Refusal.COOLDOWN:
            self._cooldown[symbol] -= 1
        decision = self._next_decision()
        how, because = size.sized or UNSET, why or UNSET
        self._context.publish(SignalRaised(signal, decision, reason is None, reason, number, how, because))
        if reason is None:
            self._busy.add(symbol)
            self.rules.entered(signal, size.quantity, view, self._context.now)
            self._tell_executor(Enter(signal, decision, size.quantity))

    def _next_decision(self) -> str:
        """Name a decision by its cause: the input, and its place among the signals of that input."""
        number = self._context.input
        nth = self._signals_of_input + 1 if self._signal_input == number else 1
        self._signal_input, self._signals_of_input = number, nth
        return f"{number}" if nth == 1 else f"{number}-{nth}"

    # ------------------------------------------------------------------------------------ losses, days

    def _on_position_closed(self, trade: PositionClosed) -> None:
        self._free(trade.symbol)
        if trade.pnl < -EPSILON:
            self._cooldown[trade.symbol] = self._settings.cooldown_trades_after_loss
        if self._shares is not None:
            self._shares.count(trade)
        self.account.closed(trade)
        self._place_floor()
        self.check_losses()
        self.check_symbol(trade.symbol)

    def _free(self, symbol: str) -> None:
        """Allow entries in a symbol again once it has neither a position nor a working order."""
        if symbol not in self._positions.open and not self._orders.is_working(symbol):
            self._busy.discard(symbol)
            self.account.over(symbol)

    def check_losses(self) -> None:
        """Halt if equity and open profit fell to the day's loss limit, or too far below the highest equity."""
        if self._daily_halt:
            return
        worth = self._positions.equity_reading
        for position in self._positions.open.values():
            # After a restart there may be no price yet: then there is neither profit nor loss.
            price = self._context.symbol_view(position.symbol).price
            worth += position.open_profit(price) if price > 0 else 0.0
        if worth > self._floor + EPSILON:
            return
        previous = self.state
        if deep := self._manual.state is not TradingState.HALTED and self.account.deep(worth):
            self._manual.halt(HaltCause.DRAWDOWN, f"{HaltCause.DRAWDOWN}: {deep}")
        self._daily_halt = worth <= self._loss_floor + EPSILON
        if deep or self._daily_halt:
            if self.state is not previous:
                self._changed(previous)
            self._tell_executor(CloseAll(ExitReason.HALT))

    def check_symbol(self, symbol: str) -> None:
        """Halt a symbol, or its strategy, if it has lost what it may lose in a day."""
        if self._daily_halt:
            return
        if said := self.account.halt_if_over(symbol, self._position_profit):
            self._context.publish(SymbolHalted(symbol, said, self._context.now, self._context.input))
            self._tell_executor(CloseAll(ExitReason.HALT, frozenset((symbol,))))
        if self._shares is None:
            return
        if (name := self._shares.halt_if_over(symbol, self._position_profit)) is not None:
            symbols = self._shares.symbols(name)
            self._context.publish(StrategyHalted(name, tuple(sorted(symbols)), self._context.now, self._context.input))
            self._tell_executor(CloseAll(ExitReason.HALT, symbols))

    def _position_profit(self, symbol: str) -> float:
        """Return the profit of a position: of what is held at the last price, and of the parts that were closed."""
        position = self._positions.open.get(symbol)
        if position is None:
            return 0.0
        price = self._context.symbol_view(symbol).price  # after a restart there may be none yet
        return float(position.banked or 0) + (position.open_profit(price) if price > 0 else 0.0)

    def restore(self, book: Book) -> None:
        """Go on where an earlier session ended: its state, its day, its cooldown."""
        previous = self.state
        self._manual.restore(book)
        self._daily_halt = book.daily_halt
        self._cooldown = dict(book.cooldown)
        if self._shares is not None and book.strategies is not msgspec.UNSET:
            self._shares.restore(book.strategies)
        self.account.restore(book)
        self.locks.restore(book.locks or {})
        self._busy = {position.symbol for position in book.positions} | {entry.order.symbol for entry in book.orders}
        self.date = book.date
        self._count_losses_from(book.tally.day_start_equity if book.date else self._positions.equity)
        if self.state is not previous:
            self._changed(previous, reason=self.state_reason or "as before", taken_up=True)

    def _count_losses_from(self, equity: Decimal) -> None:
        self.day_start_equity = equity
        # equity + open profit - start <= limit x start, solved for what is looked at on every tick
        self._loss_floor = float(self.day_start_equity) * (1 + self._settings.daily_loss_limit)
        if self._shares is not None:
            self._shares.measure_by(self.day_start_equity)
        self.account.measure_by(equity)
        self._place_floor()

    def _place_floor(self) -> None:
        self._floor = max(self._loss_floor, self.account.floor)

    def start_day(self, date: str, ts: int) -> None:
        """Begin the trading day of `date` at `ts`: the daily-loss halt ends, and losses count from here."""
        if date == self.date:
            return  # it goes on from an earlier session
        self.date = date
        previous = self.state
        self._daily_halt = False
        if self._shares is not None:
            self._shares.begin_day()
        self.account.begin_day()
        self._count_losses_from(self._positions.equity)
        self._context.publish(DayStarted(date, self._positions.equity, ts, self._context.input))
        if self.state is not previous:
            self._changed(previous, reason="a new trading day")
        if self._settings.drawdown_limit is not None:
            self.check_losses()  # what the halt of the day before hid

    # ----------------------------------------------------------------------------------- the market's hours

    def _schedule_flatten(self) -> None:
        """Be told, once, when the positions are to be closed before the market closes next: now, if that is past."""
        now = self._context.now
        if not now:  # the next close is not known before time is: the hours are told again then
            return
        reached = now if self._flatten_late else now + self._cutoff
        close = self._facts.next_close(max(reached, self._closed_for))
        if close == self._awaited_close:
            return
        self._awaited_close = close
        if close is not None:
            self._context.wake(self, _MarketClosing(close), max(now, close - self._cutoff))

    def _on_market_closing(self, due: _MarketClosing) -> None:
        if due.close == self._awaited_close:  # else the hours have changed since
            self._tell_executor(CloseAll(ExitReason.CLOSE))
            self._closed_for = due.close
            self._schedule_flatten()

    def _on_position_opened(self, opened: PositionOpened) -> None:
        self._busy.add(opened.symbol)
        self.account.opened(opened)
        # No entry is approved now, but one may fill late, or be found in the account.
        if self._flatten_late and self._facts.closing(self._context.now, self._cutoff):
            self._tell_executor(CloseAll(ExitReason.CLOSE))

    # ---------------------------------------------------------------------------------------- commands

    def _on_command(self, command: Command) -> None:
        previous = self.state
        if command.name not in _COMMANDS:
            raise UnknownCommand(command.name)
        state, for_executor = _COMMANDS[command.name]
        deep = self._manual.is_deep
        self._manual.apply(state, command)
        if deep and self._manual.state is TradingState.ACTIVE:
            self.account.measure_drawdown_from(self._positions.equity)
            self._place_floor()
        if for_executor is not None:
            self._tell_executor(for_executor)
        if self.state is not previous:
            self._changed(previous)

    def _on_mismatch(self, mismatch: Mismatch) -> None:
        """Halt without closing anything: what is in the account may not be ours."""
        reason = f"{HaltCause.MISMATCH}: {'; '.join(mismatch.differences)}"
        previous = self.state
        if self._manual.halt(HaltCause.MISMATCH, reason):
            self._tell_executor(CancelEntries())
            self._changed(previous, reason)

    def _on_symbol_command(self, command: SymbolCommand) -> None:
        """Do what is asked for one symbol; no other hears of it."""
        self.locks.obey(command)
        if command.name == "flatten":
            self._tell_executor(CloseAll(ExitReason.FLATTEN, frozenset((command.symbol,))))

    def _changed(self, previous: TradingState, reason: str = "", *, taken_up: bool = False) -> None:
        told = self._context.now, self._context.input, taken_up
        self._context.publish(StateChanged(self.state, previous, reason or self.state_reason, *told))
