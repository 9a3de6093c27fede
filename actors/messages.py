"""What comes into the core beside the market, and the facts that it states: in the past tense, all of them frozen.

Orders and what a venue reports of them are in `actors/orders.py`; what one actor tells another is beside the actor.

Times are integer nanoseconds since the Unix epoch, UTC. `input` is the number of the input in the ordered
log that caused the message; `decision` is one id that runs from a signal to the trade that it became.
Money and quantities are exact (`Decimal`) from the fill on; a `float` here is a reading.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.orders import (
    AccountReport,
    AssetReport,
    CancelRefused,
    Execution,
    FeesReport,
    OrderMissing,
    OrderRejected,
    OrderReport,
    OrderStatus,
    SubmitOrder,
    SubmitUnanswered,
)
from pipeline.events import Reading, Side, Signal


class TradingState(StrEnum):
    """What the bot may do at present."""

    ACTIVE = "ACTIVE"  # enters and exits
    PAUSED = "PAUSED"  # exits only; survives a restart
    REDUCING = "REDUCING"  # exits only, working entries cancelled
    # Until `resume` (a daily-loss halt: until the next day) no entries; closed out, unless account and book differ.
    HALTED = "HALTED"


class HaltCause(StrEnum):
    """Why the bot is HALTED. But for COMMAND, the sentence that says so begins with the value."""

    LOSS_LIMIT = "daily loss limit"  # until the next trading day
    MISMATCH = "the account and the book differ"
    RECONCILED = "the account was reconciled"  # after a mismatch; `resume` trades again
    COMMAND = "command"  # a person's; the sentence is theirs
    DRAWDOWN = "drawdown limit"  # until `resume`, also on later days

    @classmethod
    def read_off(cls, reason: str) -> HaltCause:
        """Return what a sentence says, where nothing but the sentence was written down."""
        return next((cause for cause in cls if cause is not cls.COMMAND and reason.startswith(cause)), cls.COMMAND)


class Refusal(StrEnum):
    """Why a signal is not traded. A closed list: each member is a row in the funnel."""

    HALTED = "HALTED"
    PAUSED = "PAUSED"
    REDUCING = "REDUCING"
    STALE_FEED = "STALE_FEED"
    DELAYED_FEED = "DELAYED_FEED"  # its prices are of minutes ago
    POSITION_OPEN = "POSITION_OPEN"
    COOLDOWN = "COOLDOWN"
    EXPIRED = "EXPIRED"  # it was good for less time than it took to get here
    MAX_QUANTITY = "MAX_QUANTITY"
    MAX_NOTIONAL = "MAX_NOTIONAL"
    SPREAD = "SPREAD"
    COST = "COST"
    REPEATED = "REPEATED"
    RATE_LIMIT = "RATE_LIMIT"
    BROKER_DOWN = "BROKER_DOWN"
    BROKER_BLOCKED = "BROKER_BLOCKED"
    BUYING_POWER = "BUYING_POWER"
    LOT_SIZE = "LOT_SIZE"  # the quantity is no multiple of the instrument's step
    DAY_TRADES = "DAY_TRADES"  # of recordings from before 2026-06-04 only: pattern day trading is no more
    NOT_TRADABLE = "NOT_TRADABLE"
    NOT_SHORTABLE = "NOT_SHORTABLE"
    FRACTIONAL = "FRACTIONAL"
    TRADING_HALT = "TRADING_HALT"
    STALE_SYMBOL = "STALE_SYMBOL"  # the feed is live, and silent of this symbol for longer than is usual for it
    PRICE_BAND = "PRICE_BAND"
    PRICE_COLLAR = "PRICE_COLLAR"
    FOREIGN_ORDER = "FOREIGN_ORDER"
    MARKET_CLOSED = "MARKET_CLOSED"
    STRATEGY_HALTED = "STRATEGY_HALTED"  # its strategy has lost its share of the day's loss limit
    LOCKED = "LOCKED"  # a person locked the symbol
    SYMBOL_LOSS = "SYMBOL_LOSS"  # the symbol has lost what it may lose in a day
    DRAWDOWN = "DRAWDOWN"  # halted: the equity fell too far below its highest
    SIZE_ZERO = "SIZE_ZERO"  # what it may be sized to is less than can be ordered
    MAX_EXPOSURE = "MAX_EXPOSURE"
    MAX_POSITIONS = "MAX_POSITIONS"
    TRADES_PER_DAY = "TRADES_PER_DAY"
    LOSING_STREAK = "LOSING_STREAK"


class ExitReason(StrEnum):
    """Why a position was closed."""

    TP = "TP"  # profit target
    SL = "SL"  # stop loss
    TIME = "TIME"  # held for time_stop_seconds
    FLAT = "FLAT"  # the market went to sleep
    HALT = "HALT"  # kill switch: the daily loss limit, or by hand
    FLATTEN = "FLATTEN"  # asked for: `microbot flatten`, or the end of a session
    STOP = "STOP"  # the protective stop at the venue was reached
    BUST = "BUST"  # the venue undid an execution, and what that has left open is closed
    NO_STOP = "NO_STOP"  # the venue would not take a protective stop
    FALLBACK = "FALLBACK"  # none of its exits had closed it: it fell too far, or was held too long
    CLOSE = "CLOSE"  # the market is about to close
    RECONCILED = "RECONCILED"  # the account did not hold it any more, and the user accepted that


class FeedState(StrEnum):
    """How the market-data connection is."""

    CONNECTING = "CONNECTING"
    LIVE = "LIVE"
    STALE = "STALE"
    DOWN = "DOWN"


# ------------------------------------------------------------------------------------------------ inputs


SHUTDOWN = "shutdown"
"""Who gives the commands with which a session ends: they hold until its end, and are no state to survive it."""

RESTART = "restart"
"""What a person calls `RestartChain`."""

COMMANDS = ("pause", "resume", "reduce", "flatten", "halt")


class Command(msgspec.Struct, frozen=True, tag="command", tag_field="type"):
    """Something a person (or an edge) asks for; what is decoded has a name from `COMMANDS`."""

    name: Annotated[str, Meta(pattern=f"^({'|'.join(COMMANDS)})$")]
    ts: int = 0
    source: str = ""  # who asked: "terminal", "dashboard", SHUTDOWN
    reason: str = ""


SYMBOL_COMMANDS = ("flatten", "lock", "unlock")


class SymbolCommand(msgspec.Struct, frozen=True, tag="symbol_command", tag_field="type"):
    """Something a person asks for one symbol: the others go on.

    `lock` refuses its entries until `until` (ns; 0: until `unlock`), and what is open keeps its exits; `flatten`
    closes what is open and locks.
    """

    name: Annotated[str, Meta(pattern=f"^({'|'.join(SYMBOL_COMMANDS)})$")]
    symbol: str
    ts: int = 0
    until: int = 0
    source: str = ""
    reason: str = ""


class FeedChanged(msgspec.Struct, frozen=True, tag="feed", tag_field="type"):
    """The feed's state changed; an input of the core, and a fact for everybody else."""

    state: FeedState
    ts: int = 0
    reason: str = ""
    delay_s: float | UnsetType = UNSET  # that it is behind the market: its prices are to look at, not to trade at


class SymbolStale(msgspec.Struct, frozen=True, tag="symbol_stale", tag_field="type"):
    """A symbol is silent for longer than its own silences are, or is heard again; an input, and a fact."""

    symbol: str
    stale: bool
    ts: int
    reason: str = ""


class BrokerChanged(msgspec.Struct, frozen=True, tag="broker", tag_field="type"):
    """How the line to the broker is: LIVE while orders can be sent and its reports are heard of at once."""

    state: FeedState
    ts: int
    reason: str = ""


class RemoveChain(msgspec.Struct, frozen=True, tag="remove_chain", tag_field="type"):
    """A symbol's strategy takes too long, as an edge measured: it is to stop, so that the others have their time."""

    symbol: str
    ts: int = 0
    reason: str = ""


class RestartChain(msgspec.Struct, frozen=True, tag="restart_chain", tag_field="type"):
    """The user asks to restart a symbol's strategy, which failed or was removed."""

    symbol: str
    ts: int = 0
    reason: str = ""


class MarketHours(msgspec.Struct, frozen=True, tag="market_hours", tag_field="type"):
    """When the market is open: for each session its open and its close (ns), in order. Outside of them it is closed."""

    sessions: tuple[tuple[int, int], ...]
    ts: int = 0


class GateOrder(msgspec.Struct, frozen=True, tag="gate_order", tag_field="type"):
    """The gate sent an order by itself, while the core decided nothing: what becomes of it is the core's to count."""

    order: SubmitOrder
    ts: int


class Rollover(msgspec.Struct, frozen=True, tag="rollover", tag_field="type"):
    """The session ends here, and `next_book` goes on where it is: with its book, and with fresh subscriptions."""

    reason: str  # "size" or "day"
    next_book: str  # what the order ids of the next session begin with
    ts: int = 0


class StrategySource(msgspec.Struct, frozen=True):
    """A strategy as text: what `reference` (FILE.py:NAME) named, and what that file imports from its own folder.

    `files` are texts by their paths relative to the folder, the strategy's own first; `sha256` is of all of them.
    """

    reference: str
    files: dict[str, str]
    sha256: str

    @property
    def short(self) -> str:
        """Name it for people: FILE.py:NAME, and the beginning of its hash."""
        return f"{self.reference} ({self.sha256[:8]})"


class ReplaceStrategy(msgspec.Struct, frozen=True, tag="replace_strategy", tag_field="type"):
    """The strategy's file was saved: another strategy takes the place of the one that runs.

    It is warmed up with the newest `warm_up` trades and quotes before this input; 0: it begins cold.
    """

    source: StrategySource
    warm_up: int
    ts: int = 0


_OrderReport = OrderReport | SubmitUnanswered | OrderMissing | CancelRefused
Report = _OrderReport | BrokerChanged | AccountReport | AssetReport | FeesReport
"""What a broker behind the gate says; each is an input of the core."""


# ------------------------------------------------------------------------------------------------- facts


class Sized(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the size of an entry was computed: `money` divided by `divisor` (money a share), rounded down to `step`.

    `money` is what the entry may cost (dollars, percent), or what its stop may lose (risk_per_stop); `divisor` is the
    price to enter at, or its distance to the stop.
    """

    method: str  # `risk.size`
    money: Decimal  # after the share of the symbol's strategy
    divisor: Decimal
    step: Decimal  # shares
    quantity: Decimal  # shares; the most that the signal may ask for
    price: Decimal  # to enter at
    equity: Decimal | None = None  # of which `money` is a part
    stop: float | None = None  # fraction of the price
    share: Decimal | None = None  # of the strategy


class SignalRaised(msgspec.Struct, frozen=True, tag="signal", tag_field="type"):
    """A signal and what risk said to it."""

    signal: Signal
    decision: str  # the decision's id
    approved: bool
    reason: Refusal | None
    input: int
    sized: Sized | UnsetType = UNSET  # where the size is computed
    why: str | UnsetType = UNSET  # the numbers of a refusal, where it has some


class OrderSubmitted(msgspec.Struct, frozen=True, tag="order_submitted", tag_field="type"):
    order: SubmitOrder
    ts: int
    input: int


class OrderFilled(msgspec.Struct, frozen=True, tag="order_filled", tag_field="type"):
    execution: Execution
    decision: str
    input: int
    fees: dict[str, Decimal] | UnsetType = UNSET  # estimated, money by kind, not rounded; left out where there are none


NOT_OUTLIVED = "the session that sent it ended before it was filled"
"""Why an order at the simulated broker, which is in the session, is canceled at the start of the next one."""


class OrderChanged(msgspec.Struct, frozen=True, tag="order_changed", tag_field="type"):
    """The venue's news of an order moved it to another state, or filled some of it."""

    order: str
    symbol: str
    status: OrderStatus
    previous: OrderStatus
    filled: Decimal  # shares, so far
    ts: int
    input: int
    venue_id: str = ""
    reason: str = ""
    refusals: int = 0  # how often the venue refused to cancel it, this included, if that is what moved it
    decision: str = ""  # that it was sent for, as this session calls it; empty in journals of before that


class PositionOpened(msgspec.Struct, frozen=True, tag="position_opened", tag_field="type"):
    symbol: str
    side: Side
    quantity: Decimal
    entry_price: Decimal
    entry_ts: int
    decision: str
    input: int
    adopted: bool = False  # it was found in the account at the start
    undone: str | UnsetType = UNSET  # it is what an execution that the venue undid has left: the venue's word for that


class ExitDecided(msgspec.Struct, frozen=True, tag="exit_decided", tag_field="type"):
    """A position is to be closed from now on, whatever that takes; a reason that may not wait replaces another.

    With a `quantity`, only so many shares of it are.
    """

    symbol: str
    reason: str
    ts: int
    input: int
    quantity: Decimal | UnsetType = UNSET


class StopPassed(msgspec.Struct, frozen=True, tag="stop_passed", tag_field="type"):
    """The price has been beyond a protective stop for a while, and the stop rests all the same: it is closed at once.

    At some venues a stop is a limit order once it is reached; a price beyond that limit leaves it unfilled.
    """

    symbol: str
    order: str
    stop: Decimal
    limit: Decimal | None  # that the venue gave it; None where it told of none
    price: Decimal  # the last one
    ts: int
    decision: str
    input: int


class PositionClosed(msgspec.Struct, frozen=True, tag="position_closed", tag_field="type"):
    """A finished trade; `pnl` is after `fees`, `pnl_pct` a fraction of the entry's value."""

    symbol: str
    side: Side
    quantity: Decimal
    entry_ts: int
    entry_price: Decimal
    exit_ts: int
    exit_price: Decimal
    exit_reason: str  # an `ExitReason`, or one that an author's own exit gives
    pnl: Decimal
    pnl_pct: float
    fees: Decimal
    equity: Decimal  # after this trade
    decision: str
    input: int


class PositionReduced(msgspec.Struct, frozen=True, tag="position_reduced", tag_field="type"):
    """A part of a position was closed, and the rest stays: `pnl` is that of the part, after its fees.

    It is in the equity from here on; the trade, which is finished when the rest is closed, has it as well.
    """

    symbol: str
    side: Side
    quantity: Decimal  # shares closed
    price: Decimal
    held: Decimal  # shares left
    entry_price: Decimal  # of those as well
    reason: str
    pnl: Decimal
    equity: Decimal  # after it
    ts: int
    decision: str
    input: int


class PositionSplit(msgspec.Struct, frozen=True, tag="position_split", tag_field="type"):
    """The account shows that the stock of a position was split: other shares, worth what it was."""

    symbol: str
    before: Decimal  # shares
    quantity: Decimal  # shares, from here on
    price_before: Decimal  # average price of the entry, money a share
    entry_price: Decimal  # the same, from here on
    ts: int
    decision: str
    input: int


class ProfitCorrected(msgspec.Struct, frozen=True, tag="profit_corrected", tag_field="type"):
    """The venue undid or changed an execution whose profit was counted already: the equity has the difference."""

    symbol: str
    pnl: Decimal  # money more than was counted
    equity: Decimal  # after it
    reason: str  # the venue's word for it
    ts: int
    decision: str
    input: int


class AccountOpened(msgspec.Struct, frozen=True, tag="account_opened", tag_field="type"):
    """The broker's account was seen for the first time: from here on equity is counted from `equity`, at cost."""

    number: str
    cash: Decimal
    equity: Decimal  # cash and what the open positions cost, less what it owes in fees where these are estimated
    ts: int
    input: int
    resumed: bool = False  # the book is of this account already: its day and its losses go on
    fills_until: int | UnsetType = UNSET  # ns: what fills up to then have earned is in `equity`, counted yet or not


class EquityRestated(msgspec.Struct, frozen=True, tag="equity_restated", tag_field="type"):
    """Shares that were in the equity at the account's average price are in it at the book's from here on.

    The two differ after an execution was undone when a part was closed already: a venue may take it out of what is
    left, and the book takes it out of the whole position.
    """

    symbol: str
    change: Decimal  # of the equity, dollars
    equity: Decimal  # after it
    ts: int
    input: int


class BookReconciled(msgspec.Struct, frozen=True, tag="book_reconciled", tag_field="type"):
    """The user accepted that the account is right and the book was not; the differences in words, as they were shown.

    `foreign` and `foreign_orders` are what the account holds and is not ours, from here on.
    """

    account: str
    differences: tuple[str, ...]
    foreign: dict[str, Decimal]
    foreign_orders: tuple[str, ...]
    ts: int
    input: int = 0


class FeesReconciled(msgspec.Struct, frozen=True, tag="fees_reconciled", tag_field="type"):
    """The account was charged fees for the trades of a day: by kind, what was expected and what was charged. Money."""

    date: str  # of the trades, in New York
    expected: dict[str, Decimal]  # the sum of the day's estimates, rounded up to the cent
    charged: dict[str, Decimal]
    residual: Decimal  # charged beyond what was expected; below 0, it was less
    ts: int
    input: int


class StateChanged(msgspec.Struct, frozen=True, tag="state_changed", tag_field="type", omit_defaults=True):
    """The trading state changed: by a command, by the loss limit, by a new day."""

    state: TradingState
    previous: TradingState
    reason: str
    ts: int
    input: int
    taken_up: bool = False  # with a book: it was so before, in another session


class StrategyHalted(msgspec.Struct, frozen=True, tag="strategy_halted", tag_field="type"):
    """A strategy has lost its share of the day's loss limit: its positions are closed, its entries refused."""

    strategy: str
    symbols: tuple[str, ...]
    ts: int
    input: int


class SymbolLocked(msgspec.Struct, frozen=True, tag="symbol_locked", tag_field="type"):
    """Entries of a symbol are refused until `until` (ns; 0: until `unlock`)."""

    symbol: str
    until: int
    reason: str
    ts: int
    input: int


class SymbolUnlocked(msgspec.Struct, frozen=True, tag="symbol_unlocked", tag_field="type"):
    """Entries of a symbol are allowed again: its lock ran out, or a person lifted it."""

    symbol: str
    reason: str
    ts: int
    input: int


class SymbolHalted(msgspec.Struct, frozen=True, tag="symbol_halted", tag_field="type"):
    """A symbol has lost what it may lose in a day: its position is closed, its entries refused until the next."""

    symbol: str
    reason: str
    ts: int
    input: int


class GateActed(msgspec.Struct, frozen=True, tag="gate_acted", tag_field="type"):
    """The kill switch did something by itself: `action` is halt, flatten, cancel or close."""

    action: str
    reason: str
    ts: int
    input: int  # the last one that the gate had seen
    order_id: str = ""  # that was taken back, or sent
    order: SubmitOrder | None = None  # that was sent


class DayStarted(msgspec.Struct, frozen=True, tag="day_started", tag_field="type"):
    date: str  # in the settings' timezone
    equity: Decimal
    ts: int
    input: int


class ChainFailed(msgspec.Struct, frozen=True, tag="chain_failed", tag_field="type"):
    """A symbol's strategy raised, and its chain is stopped; what guards an open position, `GuardChanged` says."""

    symbol: str
    error: str
    ts: int
    input: int
    restart_ts: int = 0  # when it restarts; 0: never, its budget is spent
    restarts_left: int = 0  # after that one


class ChainRestarted(msgspec.Struct, frozen=True, tag="chain_restarted", tag_field="type"):
    """A symbol's strategy that had failed, or was removed, restarts: its windows warm up."""

    symbol: str
    ts: int
    input: int
    restarts_left: int


class ChainRemoved(msgspec.Struct, frozen=True, tag="chain_removed", tag_field="type"):
    """A symbol's strategy was too slow and is stopped: its position is guarded by the default exits."""

    symbol: str
    reason: str
    ts: int
    input: int


class StrategyReplaced(msgspec.Struct, frozen=True, tag="strategy_replaced", tag_field="type"):
    """A strategy took another's place, from the next input on."""

    strategy: str  # FILE.py:NAME
    sha256: str  # of its source
    warm_up: int  # trades and quotes that it was warmed up with; 0: it begins cold
    ts: int
    input: int


class StrategyRefused(msgspec.Struct, frozen=True, tag="strategy_refused", tag_field="type"):
    """A strategy that was saved cannot be used: the one before it goes on."""

    strategy: str  # FILE.py:NAME
    error: str
    ts: int
    input: int = 0  # 0: it was found before there was an input
    traceback: tuple[str, ...] = ()  # a line each


class GuardChanged(msgspec.Struct, frozen=True, tag="guard_changed", tag_field="type"):
    """Something else guards an open position than its own exits; `guard` is what does, in words."""

    symbol: str
    guard: str
    reason: str
    ts: int
    input: int


class BurstBlocked(msgspec.Struct, frozen=True, tag="burst_blocked", tag_field="type"):
    """A burst ended without a signal, and why."""

    symbol: str
    side: Side
    ticks: int
    reason: str
    ts: int


class EntryLooked(msgspec.Struct, frozen=True, tag="entry_looked", tag_field="type"):
    """A ready tick and what each condition saw; published at DEBUG only."""

    symbol: str
    ts: int
    readings: tuple[Reading, ...]


_OrderFact = OrderSubmitted | OrderFilled | OrderRejected | OrderChanged
_ChangedPosition = PositionReduced | PositionSplit | ProfitCorrected
_PositionFact = PositionOpened | StopPassed | ExitDecided | _ChangedPosition | PositionClosed | GuardChanged
_ChainFact = ChainFailed | ChainRestarted | ChainRemoved | BurstBlocked | EntryLooked
_StrategyFact = StrategyReplaced | StrategyRefused
_AccountFact = AccountOpened | EquityRestated | BookReconciled | FeesReconciled | DayStarted
_SymbolFact = SymbolStale | SymbolLocked | SymbolUnlocked | SymbolHalted
_StateFact = BrokerChanged | FeedChanged | StateChanged | StrategyHalted | _SymbolFact | GateActed

Fact = SignalRaised | _OrderFact | _PositionFact | _ChainFact | _StrategyFact | _AccountFact | _StateFact
