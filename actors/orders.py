"""Orders: what is asked for, the states and roles of an order, and what a venue reports of it.

A report is a snapshot: what the venue knows of an order (or of the account) at a time. Snapshots may come twice, late,
from a stream or from a question; nothing is counted from them but the difference to what is known already.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum, auto

import msgspec
from msgspec import UNSET, UnsetType


class OrderSide(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is OrderSide.BUY else -1

    @property
    def opposite(self) -> OrderSide:
        return OrderSide.SELL if self is OrderSide.BUY else OrderSide.BUY

    def better(self, price: Decimal, other: Decimal) -> Decimal:
        """Return which of two prices is better for who trades on this side."""
        return min(price, other) if self is OrderSide.BUY else max(price, other)

    def has_reached(self, price: Decimal, stop: Decimal) -> bool:
        """Whether a stop order of this side is reached at a price."""
        return price >= stop if self is OrderSide.BUY else price <= stop


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


OVER = frozenset((OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED))


class OrderRole(StrEnum):
    """What an order is for."""

    ENTRY = auto()
    EXIT = auto()
    PART = auto()  # an exit for a part of the position
    STOP = auto()  # the protective stop that rests at the venue
    GATE = auto()  # the gate's own exit, sent while the core decided nothing

    @property
    def closes_now(self) -> bool:
        """Whether the order closes a position without waiting for a price."""
        return self in (OrderRole.EXIT, OrderRole.GATE)


# ------------------------------------------------------------------------------------------------ what is asked for


class SubmitOrder(msgspec.Struct, frozen=True, tag="submit_order", tag_field="type"):
    """Send an order: at market, unless it has a limit or a stop price (money, never both).

    `id` is a pure function of its cause, so that a retry cannot buy twice. Without `rests`, the venue drops what is
    left of the order at the end of the day; with it, the order stays until it is canceled. What is not filled at
    `until` (ns) is canceled by us: no venue is told of that time.
    """

    id: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    decision: str
    role: OrderRole = msgspec.field(name="leg")
    reason: str = ""  # an exit's reason
    limit: Decimal | None = None  # never buy above it, never sell below it
    stop: Decimal | None = None  # sleeps until the price gets there, then trades at market, or at the venue's limit
    rests: bool = False
    until: int | UnsetType = UNSET


class CancelOrder(msgspec.Struct, frozen=True, tag="cancel_order", tag_field="type"):
    id: str


class LookUpOrder(msgspec.Struct, frozen=True, tag="look_up_order", tag_field="type"):
    """Ask the venue what it knows of an order: what was said of it does not suffice."""

    id: str


OrderCommand = SubmitOrder | CancelOrder | LookUpOrder
"""What a broker is asked."""


# ----------------------------------------------------------------------------------------------- what a venue reports


class Execution(msgspec.Struct, frozen=True, tag="execution", tag_field="type"):
    """A fill, or a part of one. `id` is distinct per execution: the same id twice counts once.

    What the venue undoes of an order comes as an execution too: of fewer than no shares, at the price that they had.
    So an order, a position and an account are sums of executions, whatever becomes of one.
    """

    id: str
    order: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    ts: int
    maker: bool | UnsetType = UNSET  # its order rested until another came; left out where it did not, or is unknown
    undone: str | UnsetType = UNSET  # why shares or prices counted before are not right: the venue's word for it
    correction: Decimal | UnsetType = UNSET  # money by which what was counted before is worth more, beside these shares

    @property
    def value(self) -> Decimal:
        """Money for the shares, with what is corrected."""
        return self.quantity * self.price + (self.correction or 0)


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
    revises: str | UnsetType = UNSET  # an execution of it was undone or changed: the venue's word for it
    limit: Decimal | UnsetType = UNSET  # of a stop order that is a limit order once it is reached
    expires_at: int | UnsetType = UNSET  # ns: when the venue lets an order that stays end by itself


def rejection(order: SubmitOrder, ts: int, reason: str, *, passed: bool = False) -> OrderReport:
    """Report that an order was not taken; `passed`, for its price is beyond its stop already."""
    refused, none = OrderStatus.REJECTED, Decimal(0)
    return OrderReport(
        order.id, order.symbol, order.side, refused, order.quantity, none, None, ts, reason=reason, passed=passed
    )


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
    price: Decimal | UnsetType = UNSET  # money a share: the last one that the venue knows


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
    # Of pattern day trading, which ended on 2026-06-04: recordings from before say it, and are decided by it.
    day_trades: int | UnsetType = UNSET  # in the last five business days
    day_trades_limited: bool | UnsetType = UNSET  # whether a fourth was refused
    fills_until: int | UnsetType = UNSET  # ns: fills up to then are in its cash; recordings of old do not say
    took: int | UnsetType = UNSET  # ns from `ts` until all of it was read
    accrued_fees: Decimal | UnsetType = UNSET  # owed, and in the cash still; unset where that is nothing


class AssetReport(msgspec.Struct, frozen=True, tag="asset", tag_field="type"):
    """What may be done with a symbol at this broker."""

    symbol: str
    ts: int
    tradable: bool = True
    shortable: bool = True  # and easy to borrow
    fractionable: bool = False
    borrow: str | UnsetType = UNSET  # in the venue's word, or "unknown"; recordings of old do not say


class FeeCharge(msgspec.Struct, frozen=True):
    """One charge in the account."""

    kind: str  # REG, TAF, CAT; CFEE for crypto
    booked: str  # date on which it was booked, mostly that after the trades
    amount: Decimal  # money; below 0 it was paid back
    day: str = ""  # date of the trades, where the account says so


class FeesReport(msgspec.Struct, frozen=True, tag="fees", tag_field="type"):
    """What the account was charged of late, all of it, the newest first."""

    ts: int
    charges: tuple[FeeCharge, ...]
