"""Risk: may this signal be traded, and may the bot trade at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from actors.actor import Context, Port, assert_known
from actors.book import Book, StrategyDay
from actors.execution.messages import CancelEntries, CloseAll, Enter, FromRisk, OrderOver
from actors.execution.order_cache import OrdersView
from actors.messages import (
    SHUTDOWN,
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
    SymbolStale,
    TradingState,
)
from actors.orders import AccountReport, AssetReport
from actors.portfolio.positions import PositionNews, PositionsView
from actors.risk.limits import Limits
from actors.risk.strategy_shares import StrategyShares
from actors.risk.venue_facts import ForeignOrders, Told, VenueFacts
from pipeline.events import EPSILON, SECOND, PriceBand, Signal, TradingStatus

SESSION_ENDS = "the session ends"


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

    def __post_init__(self) -> None:
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
_LESS_THAN_HALTED = (TradingState.PAUSED, TradingState.REDUCING)
"""States that a command does not set while the bot is halted by hand: only `resume` lifts that."""


class _MarketClosing(msgspec.Struct, frozen=True):
    """The market is about to close, at `close` (ns)."""

    close: int


class Mismatch(msgspec.Struct, frozen=True):
    """The account and the book do not agree, each difference in a few words: halt, and touch nothing."""

    differences: tuple[str, ...]


RiskMessage = (
    Signal | Command | FeedChanged | Told | AccountOpened | PositionNews | OrderOver | Mismatch | _MarketClosing
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

    The core calls `check_daily_loss`, `check_share`, `start_day` and `restore` past the mailbox, on its own thread and
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
        shares: StrategyShares | None = None,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._facts = facts
        self._cutoff = round(limits.settings.flatten_before_close_s * SECOND)
        self._flatten_late = limits.settings.flatten_late
        self._context = context
        self._positions = positions
        self._orders = orders
        self._tell_executor = tell_executor
        self._shares = shares  # of strategies, where there are several
        self._quantity = Decimal(str(settings.position_size))
        self._by_hand = TradingState.ACTIVE
        self._by_hand_reason = ""
        self._by_hand_cause: HaltCause | None = None  # of HALTED
        self._halted_before = ""  # a person's reason to halt, which a mismatch came after
        self._ending: TradingState | None = None  # what a shutdown set; it ends with the session
        self._daily_halt = False
        self._feed = FeedChanged(FeedState.LIVE)  # a tape is always live; a live feed says what it is
        # Symbols with a position or a working order.
        self._busy: set[str] = (
            set()
        )  # reserved at approval: the order shows in `orders` only once its message is delivered
        self._cooldown: dict[str, int] = {}  # signals still to be skipped, by symbol
        self.day_start_equity = positions.equity
        self._loss_floor = 0.0  # equity and open profit at or below this: halt
        self.date = ""  # of the trading day; empty before the first
        self._awaited_close: int | None = None  # ns
        self._closed_for = 0  # ns: the close before which positions were closed last
        self._signal_input = 0  # the last that raised a signal
        self._signals_of_input = 0  # how many it has raised

    # ------------------------------------------------------------------------------------------- state

    @property
    def state(self) -> TradingState:
        return TradingState.HALTED if self._daily_halt else self._ending or self._by_hand

    @property
    def halt_cause(self) -> HaltCause | None:
        """Why the state is HALTED; None in any other."""
        if self._daily_halt:
            return HaltCause.LOSS_LIMIT
        return self._by_hand_cause if self.state is TradingState.HALTED else None

    @property
    def state_reason(self) -> str:
        if self._daily_halt:
            return HaltCause.LOSS_LIMIT.value
        if self._ending is not None:
            return SESSION_ENDS
        before = f"; halted before that: {self._halted_before}" if self._halted_before else ""
        return f"{self._by_hand_reason}{before}"

    def snapshot(self) -> RiskSnapshot:
        """Return what is to be written down."""
        cooldown = {symbol: left for symbol, left in self._cooldown.items() if left > 0}
        return RiskSnapshot(
            date=self.date,
            state=self._by_hand,
            reason=self._by_hand_reason,
            daily_halt=self._daily_halt,
            cooldown=cooldown,
            halt_cause=self._by_hand_cause,
            halted_before=self._halted_before,
            strategies=self._shares.days() if self._shares is not None else {},
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

    def _own_refusal(self, symbol: str) -> Refusal | None:
        """Return what this actor's own state rules out, or None."""
        if self.state is not TradingState.ACTIVE:
            return Refusal(self.state)
        if self._feed.state is not FeedState.LIVE:
            return Refusal.STALE_FEED
        if self._feed.delay_s:
            return Refusal.DELAYED_FEED
        if self._shares is not None and self._shares.refuses(symbol):
            return Refusal.STRATEGY_HALTED
        # The tick that closes a position opens none: `held_at_input` remembers what it found.
        if symbol in self._busy or self._context.symbol_view(symbol).held_at_input == self._context.input:
            return Refusal.POSITION_OPEN
        if self._cooldown.get(symbol, 0) > 0:
            return Refusal.COOLDOWN
        return None

    def _verdict(self, signal: Signal, quantity: Decimal) -> Refusal | None:
        """Return the first reason not to trade so much of a signal now, or None; it changes nothing."""
        view = self._context.symbol_view(signal.symbol)
        now = self._context.now
        return (
            self._own_refusal(signal.symbol)
            or self._signals_refusal(signal, quantity, now)
            or self._facts.refusal(view, signal.side, quantity, now, self._cutoff)
            or self._limits.refusal(view, signal.side, quantity, now)
        )

    def _signals_refusal(self, signal: Signal, quantity: Decimal, now: int) -> Refusal | None:
        """Return what a signal asks for and is not to get, or None."""
        until = signal.good_until
        if until is not None and now >= until:
            return Refusal.EXPIRED
        return Refusal.MAX_QUANTITY if quantity > self._quantity_for(signal.symbol) else None

    def _quantity_for(self, symbol: str) -> Decimal:
        return self._quantity if self._shares is None else self._shares.quantity(symbol, self._quantity)

    def _on_signal(self, signal: Signal) -> None:
        quantity = Decimal(repr(signal.quantity)) if signal.quantity else self._quantity_for(signal.symbol)
        reason = self._verdict(signal, quantity)
        if reason is Refusal.COOLDOWN:
            self._cooldown[signal.symbol] -= 1
        decision = self._next_decision()
        self._context.publish(SignalRaised(signal, decision, reason is None, reason, self._context.input))
        if reason is None:
            self._busy.add(signal.symbol)
            self._limits.entered(signal.symbol, signal.side, quantity, self._context.now)
            self._tell_executor(Enter(signal, decision, quantity))

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
        self.check_daily_loss()
        self.check_share(trade.symbol)

    def _free(self, symbol: str) -> None:
        """Allow entries in a symbol again once it has neither a position nor a working order."""
        if symbol not in self._positions.open and not self._orders.is_working(symbol):
            self._busy.discard(symbol)

    def check_daily_loss(self) -> None:
        """Halt until the next day if equity and open profit fell to the day's loss limit."""
        if self._daily_halt:
            return
        worth = self._positions.equity_reading
        for position in self._positions.open.values():
            # After a restart there may be no price yet: then there is neither profit nor loss.
            price = self._context.symbol_view(position.symbol).price
            worth += position.open_profit(price) if price > 0 else 0.0
        if worth <= self._loss_floor + EPSILON:
            previous = self.state
            self._daily_halt = True
            self._changed(previous)
            self._tell_executor(CloseAll(ExitReason.HALT))

    def check_share(self, symbol: str) -> None:
        """Halt the strategy of a symbol if it has lost its share of the day's loss limit."""
        if self._shares is None or self._daily_halt:
            return
        name = self._shares.halt_if_over(symbol, self._position_profit)
        if name is not None:
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
        self._by_hand = book.state
        self._by_hand_reason = book.reason
        self._by_hand_cause = book.halt_cause
        self._halted_before = book.halted_before
        self._daily_halt = book.daily_halt
        self._cooldown = dict(book.cooldown)
        if self._shares is not None and book.strategies is not msgspec.UNSET:
            self._shares.restore(book.strategies)
        self._busy = {position.symbol for position in book.positions} | {entry.order.symbol for entry in book.orders}
        self.date = book.date
        self._count_losses_from(book.tally.day_start_equity if book.date else self._positions.equity)
        if self.state is not previous:
            self._changed(previous, reason=self.state_reason or "as before")

    def _count_losses_from(self, equity: Decimal) -> None:
        self.day_start_equity = equity
        # equity + open profit - start <= limit x start, solved for what is looked at on every tick
        self._loss_floor = float(self.day_start_equity) * (1 + self._settings.daily_loss_limit)
        if self._shares is not None:
            self._shares.measure_by(self.day_start_equity)

    def start_day(self, date: str, ts: int) -> None:
        """Begin the trading day of `date` at `ts`: the daily-loss halt ends, and losses count from here."""
        if date == self.date:
            return  # it goes on from an earlier session
        self.date = date
        previous = self.state
        self._daily_halt = False
        if self._shares is not None:
            self._shares.begin_day()
        self._count_losses_from(self._positions.equity)
        self._context.publish(DayStarted(date, self._positions.equity, ts, self._context.input))
        if self.state is not previous:
            self._changed(previous, reason="a new trading day")

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
        # No entry is approved now, but one may fill late, or be found in the account.
        if self._flatten_late and self._facts.closing(self._context.now, self._cutoff):
            self._tell_executor(CloseAll(ExitReason.CLOSE))

    # ---------------------------------------------------------------------------------------- commands

    def _on_command(self, command: Command) -> None:
        previous = self.state
        if command.name not in _COMMANDS:
            raise UnknownCommand(command.name)
        state, for_executor = _COMMANDS[command.name]
        self._apply(state, command)
        if for_executor is not None:
            self._tell_executor(for_executor)
        if self.state is not previous:
            self._changed(previous)

    def _on_mismatch(self, mismatch: Mismatch) -> None:
        """Halt without closing anything: what is in the account may not be ours."""
        reason = f"{HaltCause.MISMATCH}: {'; '.join(mismatch.differences)}"
        if self._by_hand is TradingState.HALTED and self._by_hand_reason == reason:
            return
        previous = self.state
        if self._by_hand_cause is HaltCause.COMMAND:
            self._halted_before = self._by_hand_reason  # it holds, whatever becomes of the mismatch
        self._by_hand, self._by_hand_reason, self._by_hand_cause = TradingState.HALTED, reason, HaltCause.MISMATCH
        self._tell_executor(CancelEntries())
        self._changed(previous, reason)

    def _apply(self, state: TradingState, command: Command) -> None:
        if self._by_hand is TradingState.HALTED and state in _LESS_THAN_HALTED:
            return
        if command.source == SHUTDOWN:
            self._ending = state
            return
        self._by_hand = state
        self._by_hand_cause = HaltCause.COMMAND if state is TradingState.HALTED else None
        self._halted_before = ""
        by = f" by {command.source}" if command.source else ""
        self._by_hand_reason = "" if state is TradingState.ACTIVE else command.reason or f"{command.name}{by}"

    def _changed(self, previous: TradingState, reason: str = "") -> None:
        self._context.publish(
            StateChanged(self.state, previous, reason or self.state_reason, self._context.now, self._context.input)
        )
