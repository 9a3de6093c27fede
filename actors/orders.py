"""Orders: what is asked for, its states and what moves it from one to the next, and what a venue reports of it.

A report is a snapshot: what the venue knows of an order (or of the account) at a time. Snapshots may come twice, late,
from a stream or from a question; nothing is counted from them but the difference to what is known already.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum, auto

import msgspec


class OrderSide(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is OrderSide.BUY else -1


class OrderStatus(StrEnum):
    """Where an order is in its life."""

    CREATED = auto()  # decided, and not yet on its way
    SUBMITTED = auto()  # on its way; the venue has not answered
    ACCEPTED = auto()
    PARTIALLY_FILLED = auto()
    FILLED = auto()
    CANCEL_PENDING = auto()  # a cancel is on its way; fills may still come
    CANCELED = auto()
    REJECTED = auto()
    EXPIRED = auto()
    UNKNOWN = auto()  # the venue's answer was lost: it is looked up, and never sent again


class OrderEvent(StrEnum):
    """What can happen to an order."""

    SUBMIT = auto()
    ACCEPT = auto()
    PARTIAL_FILL = auto()
    FILL = auto()  # the rest of it
    CANCEL = auto()  # a cancel was sent
    CANCELED = auto()
    REJECT = auto()
    EXPIRE = auto()
    LOSE = auto()  # an answer did not come in time


_S, _E = OrderStatus, OrderEvent

# What any order that the venue may hold can meet.
_AT_VENUE = {
    _E.PARTIAL_FILL: _S.PARTIALLY_FILLED,
    _E.FILL: _S.FILLED,
    _E.CANCEL: _S.CANCEL_PENDING,
    _E.CANCELED: _S.CANCELED,
    _E.REJECT: _S.REJECTED,
    _E.EXPIRE: _S.EXPIRED,
    _E.LOSE: _S.UNKNOWN,
}

TRANSITIONS: dict[OrderStatus, dict[OrderEvent, OrderStatus]] = {
    _S.CREATED: {_E.SUBMIT: _S.SUBMITTED},
    _S.SUBMITTED: _AT_VENUE | {_E.ACCEPT: _S.ACCEPTED},
    _S.ACCEPTED: _AT_VENUE | {_E.ACCEPT: _S.ACCEPTED},
    _S.PARTIALLY_FILLED: _AT_VENUE | {_E.ACCEPT: _S.PARTIALLY_FILLED},
    # A cancel that is on its way is not undone by older news.
    _S.CANCEL_PENDING: _AT_VENUE | {_E.ACCEPT: _S.CANCEL_PENDING, _E.PARTIAL_FILL: _S.CANCEL_PENDING},
    _S.UNKNOWN: _AT_VENUE | {_E.ACCEPT: _S.ACCEPTED},
    # What is over may still be filled: the fill was on its way before the end was told. An order that the venue did
    # not know may turn up after all.
    _S.CANCELED: {_E.PARTIAL_FILL: _S.CANCELED, _E.FILL: _S.FILLED, _E.CANCELED: _S.CANCELED},
    _S.EXPIRED: {_E.PARTIAL_FILL: _S.EXPIRED, _E.FILL: _S.FILLED, _E.EXPIRE: _S.EXPIRED},
    _S.REJECTED: _AT_VENUE | {_E.ACCEPT: _S.ACCEPTED},
    _S.FILLED: {_E.FILL: _S.FILLED},
}
"""The one table: a status and an event give the next status; what is not in it does not happen."""

OVER = frozenset((OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED))


def after(status: OrderStatus, event: OrderEvent) -> OrderStatus | None:
    """Return the status after an event, or None if it cannot happen there (old news, most of the time)."""
    return TRANSITIONS[status].get(event)


# ------------------------------------------------------------------------------------------------ what is asked for


class SubmitOrder(msgspec.Struct, frozen=True, tag="submit_order", tag_field="type"):
    """Send an order: at market, unless it has a limit or a stop price (money, never both).

    `id` is a pure function of its cause, so that a retry cannot buy twice. Without `rests`, the venue drops what is
    left of the order at the end of the day; with it, the order stays until it is canceled.
    """

    id: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    decision: str
    leg: str  # "entry", "exit", "stop": the protective stop that rests at the venue, or "gate": the gate's own exit
    reason: str = ""  # an exit's reason
    limit: Decimal | None = None  # never buy above it, never sell below it
    stop: Decimal | None = None  # sleeps until the price gets there, then trades at market
    rests: bool = False


class CancelOrder(msgspec.Struct, frozen=True, tag="cancel_order", tag_field="type"):
    id: str


class LookUpOrder(msgspec.Struct, frozen=True, tag="look_up_order", tag_field="type"):
    """Ask the venue what it knows of an order: what was said of it does not suffice."""

    id: str


# ----------------------------------------------------------------------------------------------- what a venue reports


class Execution(msgspec.Struct, frozen=True, tag="execution", tag_field="type"):
    """A fill, or a part of one. `id` is distinct per execution: the same id twice counts once."""

    id: str
    order: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    ts: int


class OrderRejected(msgspec.Struct, frozen=True, tag="order_rejected", tag_field="type"):
    order: str
    symbol: str
    ts: int
    reason: str
    refusals: int = 0  # in a row, of what a position needs: its exit, or its stop


class OrderReport(msgspec.Struct, frozen=True, tag="order_report", tag_field="type"):
    """What the venue knows of one order. `filled` and `average` are of the whole order, up to now."""

    order: str  # our id
    symbol: str
    side: OrderSide
    status: OrderStatus  # accepted, partially_filled, filled, cancel_pending, canceled, rejected or expired
    quantity: Decimal  # shares ordered
    filled: Decimal  # shares, so far
    average: Decimal | None  # money a share, over `filled`; None without a fill
    ts: int  # venue time of this state, ns
    venue_id: str = ""
    reason: str = ""  # why it was rejected, in the venue's words
    stop: Decimal | None = None  # of a stop order
    passed: bool = False  # it was refused since the price is beyond its stop already


class SubmitUnanswered(msgspec.Struct, frozen=True, tag="submit_unanswered", tag_field="type"):
    """A submit got no answer that says what became of it: a time-out, a broken connection, a 5xx."""

    order: str
    ts: int
    reason: str


class OrderMissing(msgspec.Struct, frozen=True, tag="order_missing", tag_field="type"):
    """The venue answered a question: it knows no such order (it may still be on its way)."""

    order: str
    ts: int


class CancelRefused(msgspec.Struct, frozen=True, tag="cancel_refused", tag_field="type"):
    """The venue did not cancel, or did not answer: the order is to be looked up."""

    order: str
    ts: int
    reason: str


class HeldAtVenue(msgspec.Struct, frozen=True):
    """A position in the account."""

    symbol: str
    quantity: Decimal  # shares, negative for a short position
    average: Decimal  # money a share


class AccountReport(msgspec.Struct, frozen=True, tag="account", tag_field="type"):
    """The account at one time: what it holds, the orders that are open, and what it may do. Money, exact."""

    ts: int
    number: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    positions: tuple[HeldAtVenue, ...]
    orders: tuple[OrderReport, ...]  # those that are open
    history: tuple[OrderReport, ...] = ()  # at the start only: the newest orders that are over, newest first
    blocked: str = ""  # why the account may not trade, if it may not
    shorting: bool = True
    day_trades: int = 0  # in the last five business days
    day_trades_limited: bool = False  # whether a fourth is refused (a margin account below the limit)


class AssetReport(msgspec.Struct, frozen=True, tag="asset", tag_field="type"):
    """What may be done with a symbol at this broker."""

    symbol: str
    ts: int
    tradable: bool = True
    shortable: bool = True
    fractionable: bool = False
