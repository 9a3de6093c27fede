"""What the executor is told, and what it tells of its orders' ends."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

import msgspec

from actors.book import CountedOrder
from actors.messages import BrokerChanged, ExitReason, GateOrder
from actors.orders import (
    CancelRefused,
    Execution,
    LookUpOrder,
    OrderMissing,
    OrderRejected,
    OrderReport,
    SubmitOrder,
    SubmitUnanswered,
)
from actors.portfolio.positions import PositionNews
from pipeline.events import Signal
from pipeline.exits import ExitSignal


class Enter(msgspec.Struct, frozen=True):
    """An approved signal."""

    signal: Signal
    decision: str
    quantity: Decimal


class CloseAll(msgspec.Struct, frozen=True):
    """Close every position, and cancel the entries that work; where `symbols` are named, those of these alone."""

    reason: ExitReason
    symbols: frozenset[str] | None = None


class CancelEntries(msgspec.Struct, frozen=True):
    """Cancel the working orders that would open a position."""


class TimerKind(StrEnum):
    """What is done about an order when its time is up."""

    ANSWER = "answer"  # unanswered: its state is unknown
    LOOK_UP = "look up"  # still unknown: the venue is asked again
    ENTRY = "entry"  # an entry that was not filled: what is left of it is canceled
    REPRICE = "reprice"  # an exit that was not filled: it is canceled, and the next one priced again
    CANCEL = "cancel"  # a cancel that the venue refused may be sent again
    RENEW = "renew"  # a stop that the venue lets expire soon: it is canceled, and another one placed


class OrderTimer(msgspec.Struct, frozen=True):
    """A time-out, in the venue's time: an order was in the same state (`changes`) for that long."""

    kind: TimerKind
    order: str
    changes: int


class ReviewPosition(msgspec.Struct, frozen=True):
    """Look at what a symbol's position needs."""

    symbol: str


class AdoptOrder(msgspec.Struct, frozen=True):
    """An order of an earlier run that is still open: keep it if it may guard a position, else take it back."""

    order: SubmitOrder
    report: OrderReport
    keep: bool


class RecountOrders(msgspec.Struct, frozen=True):
    """The account does not hold what the orders of a symbol come to: executions may have been undone unheard."""

    symbol: str


class AccountLacks(msgspec.Struct, frozen=True):
    """The account has so many shares less of a symbol's position than the book, by a reading of `ts` (ns); 0: none."""

    symbol: str
    shares: Decimal
    ts: int


class StockSplit(msgspec.Struct, frozen=True):
    """A stock was split: what is to be out of a position is so many times as many shares."""

    symbol: str
    ratio: Fraction


class MissedOrder(msgspec.Struct, frozen=True):
    """An order of which the book lacks something: count what it did beyond what is `counted`.

    It was sent, or filled, after the book was written last: the journal had failed, the core had not heard of it (it
    was the gate's own), or the bot was not running.
    """

    order: SubmitOrder
    report: OrderReport
    counted: CountedOrder


class KnownOrder(msgspec.Struct, frozen=True):
    """An order of an earlier run that is over: what it filled is in a position that the book holds, or takes over."""

    counted: CountedOrder


class Reconciled(msgspec.Struct, frozen=True):
    """The account was seen, and what the book had missed is told: once it is `booked`, positions may be acted on."""

    booked: bool = False


class OrderOver(msgspec.Struct, frozen=True):
    """An order of the symbol came to its end, as the executor tells risk."""

    symbol: str


OrderNews = Execution | OrderRejected | OrderReport | SubmitUnanswered | OrderMissing | CancelRefused | GateOrder
"""What is told of an order from outside the core."""

FromRisk = Enter | CloseAll | CancelEntries
_FromAccount = AdoptOrder | MissedOrder | KnownOrder | Reconciled | RecountOrders | StockSplit | AccountLacks
FromReconciler = _FromAccount | LookUpOrder | OrderReport
FromItself = ReviewPosition | OrderTimer

ExecutorMessage = FromRisk | FromReconciler | FromItself | PositionNews | OrderNews | BrokerChanged | ExitSignal
