"""Orders: what is asked for, what becomes of it, and why not.

Prices are in points, quantities in parts of a share, money in amounts (see `money`), times in
nanoseconds since the epoch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from mock_exchange.venue.money import SHARE


class Word(StrEnum):
    """A name from a closed list. They are looked up all the time, and an Enum's own hash is a call into Python."""

    __hash__ = str.__hash__


class Side(Word):
    """Which way the shares go."""

    BUY = "buy"
    SELL = "sell"

    @property
    def other(self) -> Side:
        """The side that closes what this one opened."""
        return Side.SELL if self is Side.BUY else Side.BUY


SIDES = (Side.BUY, Side.SELL)


class Kind(Word):
    """When an order may be filled, and at which price."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(Word):
    """How long an order stays."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class OrderClass(Word):
    """Whether an order stands alone."""

    SIMPLE = "simple"
    BRACKET = "bracket"  # an entry; once it is done, a profit target and a stop, of which one cancels the other
    OCO = "oco"  # the two without the entry: the target is the order itself, the stop its leg
    OTO = "oto"  # an entry and one of the two


class Status(Word):
    """Where an order is in its life."""

    PENDING_NEW = "pending_new"  # taken, not yet in the book
    HELD = "held"  # a leg that waits for its entry
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"  # its end was asked for; it may still be filled
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"


class Change(Word):
    """What happens to an order, by the name under which it is reported."""

    NEW = "new"
    PARTIAL_FILL = "partial_fill"
    FILL = "fill"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"
    TRADE_BUST = "trade_bust"  # an execution was undone
    TRADE_CORRECT = "trade_correct"  # its price or quantity was changed
    ACCEPTED = "accepted"  # these four change nothing of an order: they only tell
    PENDING_NEW = "pending_new"
    ORDER_CANCEL_REJECTED = "order_cancel_rejected"
    DONE_FOR_DAY = "done_for_day"


UNVERIFIED = frozenset(
    {Change.ACCEPTED, Change.PENDING_NEW, Change.DONE_FOR_DAY, Change.TRADE_BUST, Change.TRADE_CORRECT}
)
"""What is documented for brokers, and was not seen on the trading stream by anyone who said so."""


_ENDS = {
    Change.CANCELED: Status.CANCELED,
    Change.EXPIRED: Status.EXPIRED,
    Change.REPLACED: Status.REPLACED,
}
_FILLS = {Change.PARTIAL_FILL: Status.PARTIALLY_FILLED, Change.FILL: Status.FILLED}

TRANSITIONS: dict[Status, dict[Change, Status]] = {
    Status.PENDING_NEW: {Change.NEW: Status.NEW, Change.REJECTED: Status.REJECTED},
    Status.HELD: {Change.NEW: Status.NEW, **_ENDS},
    Status.NEW: {**_FILLS, **_ENDS, Change.PENDING_CANCEL: Status.PENDING_CANCEL},
    Status.PARTIALLY_FILLED: {**_FILLS, **_ENDS, Change.PENDING_CANCEL: Status.PENDING_CANCEL},
    Status.PENDING_CANCEL: {**_FILLS, **_ENDS, Change.PARTIAL_FILL: Status.PENDING_CANCEL},
}
"""What may happen to an order, and what it is then. What is not listed cannot happen."""

WORKING = frozenset({Status.PENDING_NEW, Status.NEW, Status.PARTIALLY_FILLED, Status.PENDING_CANCEL})
"""In the book, or about to be."""

OPEN = WORKING | {Status.HELD}
"""Something may still happen to it."""


# gc=False: none of these ever holds what holds it, so the garbage collector need not look at all of them.


class Terms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an order is for."""

    symbol: str
    side: Side
    qty: int = 0
    notional: int | None = None  # what to spend or to take in; `qty` is then what that is at the latest price
    kind: Kind = Kind.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit: int | None = None
    stop: int | None = None
    trail: int | None = None  # points between the best price and the stop
    trail_bp: int | None = None  # the same in hundredths of a percent
    order_class: OrderClass = OrderClass.SIMPLE
    extended_hours: bool = False
    capped: bool = False  # a buy stop to which the venue gave its limit

    @property
    def terms(self) -> dict[str, Any]:
        """These fields alone, by name."""
        return {name: getattr(self, name) for name in Terms.__struct_fields__}


class OrderRequest(Terms, frozen=True, kw_only=True, gc=False):
    """What a client asks for."""

    target: int | None = None  # limit of the take-profit leg
    stop_loss: int | None = None  # stop of the stop-loss leg
    stop_loss_limit: int | None = None
    client_order_id: str | None = None

    @property
    def fractional(self) -> bool:
        """Whether it may end with a part of a share."""
        return self.notional is not None or self.qty % SHARE != 0


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants changed at an order; what is None stays."""

    qty: int | None = None
    time_in_force: TimeInForce | None = None
    limit: int | None = None
    stop: int | None = None
    trail: int | None = None
    trail_bp: int | None = None
    client_order_id: str | None = None


class Order(Terms, frozen=True, kw_only=True, gc=False):
    """An order at one moment of its life; what happens to it makes another value of it."""

    id: str
    client_order_id: str
    account: str
    created_ns: int
    updated_ns: int
    expires_ns: int = 0  # when it ends by itself; 0: it does not wait
    number: int  # of the venue's orders; the earlier one has the lower
    status: Status = Status.PENDING_NEW
    best: int | None = None  # the price from which a trailing stop hangs: the best since it was placed
    triggered: bool = False  # a stop that was reached: from then on a market or limit order
    filled: int = 0
    paid: int = 0  # for all that was filled
    legs: tuple[str, ...] = ()  # ids
    parent: str | None = None  # id of the order whose leg this is
    replaces: str | None = None
    replaced_by: str | None = None
    ended_ns: int = 0  # when it was filled, canceled, expired, replaced or rejected
    reserve: int = 0  # points of buying power that each share to be filled needs; none to close a position
    holds: bool = False  # whether parts of the position are set aside for it

    @property
    def left(self) -> int:
        """What is still to be filled."""
        return self.qty - self.filled


class Update(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something happened to an order: the order as it then was, and its execution if there was one."""

    change: Change
    order: Order
    legs: tuple[Order, ...]  # as they were at that moment
    reason: str = ""  # why it was rejected, where that is told
    ts: int
    execution_id: str
    price: int | None = None
    qty: int | None = None
    position_qty: int | None = None  # of the account in that symbol, after it
    previous_execution_id: str | None = None  # that it undoes or changes


class Reason(Word):
    """Why something is refused."""

    BAD_REQUEST = "bad_request"
    BAD_VALUE = "bad_value"
    BAD_WORD = "bad_word"  # none of a closed list, or a price that the kind of order needs is not there
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    UNAUTHORIZED = "unauthorized"
    INSUFFICIENT_BUYING_POWER = "insufficient_buying_power"
    INSUFFICIENT_SHARES = "insufficient_shares"
    WASH_TRADE = "wash_trade"
    NOT_FRACTIONABLE = "not_fractionable"
    POSITION_NOT_FOUND = "position_not_found"
    ORDER_NOT_FOUND = "order_not_found"
    ASSET_NOT_FOUND = "asset_not_found"
    NOT_OPEN = "not_open"
    TOO_MANY_ORDERS = "too_many_orders"
    WATCHLIST_NOT_FOUND = "watchlist_not_found"
    NOT_COVERED = "not_covered"
    NO_RECENT_SIP = "no_recent_sip"
    NOT_MODELLED = "not_modelled"
    FORBIDDEN_BY_OWNER = "forbidden_by_owner"


class Refusal(msgspec.Struct, frozen=True):
    """No, and why."""

    reason: Reason
    message: str
    details: dict[str, str] = {}
