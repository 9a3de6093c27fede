"""The book: what the bot owns and remembers, as one value that is written down and taken up again.

It is the first input of a session that goes on where another ended, so that its recording replays by itself.
Money and quantities are exact; times are ns since the epoch, UTC.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from actors.messages import HaltCause, TradingState
from actors.orders import OrderStatus, SubmitOrder
from pipeline.events import Side


class HeldPosition(msgspec.Struct, frozen=True):
    """An open position: what went in, and what has come out again."""

    symbol: str
    side: Side
    entry_ts: int
    decision: str
    entered: Decimal  # shares
    entry_value: Decimal
    exited: Decimal
    exit_value: Decimal
    fees: Decimal
    banked: Decimal | UnsetType = UNSET  # P/L of what was closed that is in the equity already


class TakenParts(msgspec.Struct, frozen=True):
    """What exits have taken of a position, and what they are taking; each takes its part once."""

    taken: tuple[str, ...]  # exits, by name; `ALL_PARTS`: each of them
    until: Decimal | None = None  # shares that are to be out of the position in all; None: no part is under way
    reason: str = ""


ALL_PARTS = "*"
"""Stands for every exit that takes a part: of a position of which such an order is found that no book knows of."""


class OpenOrder(msgspec.Struct, frozen=True):
    """An order that the broker had not finished with."""

    order: SubmitOrder
    status: OrderStatus
    filled: Decimal
    value: Decimal
    venue_id: str
    unwanted: bool


class CountedOrder(msgspec.Struct, frozen=True):
    """What the book has counted of an order: it is in the positions."""

    order: str
    filled: Decimal  # shares
    value: Decimal  # money paid or got for them


class Tally(msgspec.Struct, frozen=True):
    """The account's figures that go on from session to session."""

    equity: Decimal
    day_start_equity: Decimal
    high: Decimal
    max_drawdown: Decimal
    max_drawdown_pct: float
    consecutive_losses: int


class StrategyDay(msgspec.Struct, frozen=True):
    """What a strategy with a share of the risk has come to since the trading day began."""

    pnl: Decimal  # of its finished trades, after fees
    halted: bool = False  # it has lost its share of the day's loss limit


class FeeDay(msgspec.Struct, frozen=True):
    """The fees of one day of the account, by kind (REG, TAF, CAT, CFEE): estimated, and as they were charged."""

    date: str  # of the trades, in New York
    estimated: dict[str, Decimal] = {}  # money, not rounded
    charged: dict[str, Decimal] = {}  # money; empty while nothing was
    crypto_volume: Decimal = Decimal(0)  # money that was traded in crypto


class SymbolLock(msgspec.Struct, frozen=True):
    """A person's lock of a symbol: its entries are refused."""

    until: int = 0  # ns; 0: until `unlock`
    reason: str = ""


class AccountDay(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the limits of the whole account go by, where there are any."""

    trades: int = 0  # positions opened since the trading day began
    streak: int = 0  # losing trades in a row
    streak_over: bool = False  # there were too many of them: no entries until the next trading day
    peak: Decimal | None = None  # the highest equity that the drawdown is measured from
    symbols: dict[str, StrategyDay] = {}  # by symbol, those that traded


class Book(msgspec.Struct, frozen=True, tag="book", tag_field="type"):
    """The book at `ts`."""

    ts: int
    tally: Tally
    date: str  # of the trading day, in the settings' timezone; empty before the first
    state: TradingState  # as it was set by hand
    reason: str
    daily_halt: bool
    cooldown: dict[str, int]  # signals still to be skipped, by symbol
    positions: tuple[HeldPosition, ...]
    orders: tuple[OpenOrder, ...]
    name: str  # what the session's order ids begin with
    account: str = ""  # the broker's number for it; empty where fills are simulated
    closing: dict[str, str] = {}  # positions on their way out, and entries that are none to keep, by symbol: why
    foreign: dict[str, Decimal] = {}  # shares in the account that are accepted as not ours, by symbol; signed
    foreign_orders: tuple[str, ...] = ()  # the venue's ids of open orders that are accepted as not ours
    known_until: int = 0  # ns: what the account told before is in it; 0: as `ts`
    gate_orders: tuple[str, ...] = ()  # where `counted` does not name all: the gate's own orders that are counted in it
    counted: tuple[CountedOrder, ...] = ()  # the orders with fills for what is held or ordered here
    names_counted: bool = False  # whether `counted` names all of them: books were not always written so
    halt_cause: HaltCause | None = None  # of `state`; books were not always written with it: `reason` says it then
    halted_before: str = ""  # why a person had halted it already, if `reason` is that account and book differ
    parts: dict[str, TakenParts] | UnsetType = UNSET  # by symbol; unset without one
    strategies: dict[str, StrategyDay] | msgspec.UnsetType = msgspec.UNSET  # by name; left out where there are none
    fees: tuple[FeeDay, ...] | UnsetType = UNSET  # the oldest first; left out where none are estimated
    locks: dict[str, SymbolLock] | UnsetType = UNSET  # by symbol; left out without one
    account_day: AccountDay | UnsetType = UNSET  # left out without such a limit

    def __post_init__(self) -> None:
        if self.halt_cause is None and self.state is TradingState.HALTED:
            msgspec.structs.force_setattr(self, "halt_cause", HaltCause.read_off(self.reason))


def moved_back(book: Book, to: int) -> Book:
    """Return a book as it is at an earlier time `to` (ns): its positions have as long until their deadlines as before.

    The trading day stays: one that was begun does not begin again, and a halt for its losses does not end.
    """
    by = book.ts - to
    positions = tuple(msgspec.structs.replace(held, entry_ts=held.entry_ts - by) for held in book.positions)
    known_until = book.known_until - by if book.known_until else 0
    return msgspec.structs.replace(book, ts=to, positions=positions, known_until=known_until)
