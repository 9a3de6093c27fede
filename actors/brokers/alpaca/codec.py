"""What is said to Alpaca and what it answers: bodies and frames to reports and back, without a socket.

Source: docs.alpaca.markets, trading API (orders, account, positions, assets) and its trade updates stream. Money and
quantities come as text and stay exact. What Alpaca may add or leave out one day must not cost a report: of each body
only what a report needs is read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.orders import (
    AccountReport,
    AssetReport,
    FeeCharge,
    HeldAtVenue,
    OrderReport,
    OrderSide,
    OrderStatus,
    SubmitOrder,
)
from pipeline.events import SECOND

UPDATES = "trade_updates"
"""The stream of the trading connection that tells of orders."""

EASY, HARD, UNKNOWN = "easy_to_borrow", "hard_to_borrow", "unknown"
"""Whether shares can be borrowed: the venue's two words, and ours where it says nothing."""

DUPLICATE_CODE = 40010001
FORBIDDEN_CODE = 40310000
MISSING_CODE = 40410000

_MOST_DIGITS = 30  # before or after the point; no amount of money has more, and arithmetic stays exact and quick
_MOST_SHOWN = 300  # characters of a venue's message
_MOST_OBJECTS = 50_000  # in a body or a frame; no account has as much, and each costs more than its text does

Text = Annotated[str, Meta(max_length=128)]
"""Any word, id or time of the venue's: our own ids are the longest that it takes, and it takes no longer ones."""

Symbol = Annotated[str, Meta(max_length=32)]

T = TypeVar("T")


class Unreadable(ValueError):
    """A body or a frame that says nothing that can be relied on."""


# ------------------------------------------------------------------------------------------------------- what it says


class OrderBody(msgspec.Struct, frozen=True, gc=False):
    """An order, as the venue tells of it. One of several legs, which we never place, has no symbol or side itself."""

    id: Text
    symbol: Symbol | None = None
    client_order_id: Text | None = None
    side: Text | None = None
    status: Text = ""
    qty: Decimal | None = None  # None for an order by value
    filled_qty: Decimal | None = None
    filled_avg_price: Decimal | None = None
    stop_price: Decimal | None = None
    limit_price: Decimal | None = None
    time_in_force: Text = ""
    submitted_at: Text | None = None
    updated_at: Text | None = None
    filled_at: Text | None = None
    canceled_at: Text | None = None
    expired_at: Text | None = None
    expires_at: Text | None = None
    failed_at: Text | None = None
    replaced_at: Text | None = None
    replaced_by: Text | None = None

    @property
    def our_id(self) -> str:
        """The id that its maker gave it; the venue's, if none did."""
        return self.client_order_id or self.id


class AccountBody(msgspec.Struct, frozen=True, gc=False):
    """The account, without what it holds."""

    account_number: Text
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False
    shorting_enabled: bool = True
    accrued_fees: Decimal | None = None


class ChargeBody(msgspec.Struct, frozen=True, gc=False):
    """A fee that was booked. Its description may name the day of the trades: `... on 2026-11-27 ...`."""

    activity_type: Text
    date: Text
    net_amount: Decimal
    activity_sub_type: Text | None = None
    description: Text | None = None


class PositionBody(msgspec.Struct, frozen=True, gc=False):
    """A position in the account."""

    symbol: Symbol
    qty: Decimal
    avg_entry_price: Decimal
    side: Text = ""
    current_price: Decimal | None = None


class AssetBody(msgspec.Struct, frozen=True, gc=False):
    """A symbol, and what may be done with it: nothing, unless the venue says so."""

    symbol: Symbol
    tradable: bool = False
    shortable: bool = False
    fractionable: bool = False
    borrow_status: Text | None = None
    easy_to_borrow: bool | None = None  # deprecated on 2026-06-05, and still told by some

    @property
    def borrow(self) -> str:
        """Whether its shares can be borrowed: by `borrow_status`, else by `easy_to_borrow`, else it is unknown."""
        if self.easy_to_borrow is None or self.borrow_status:
            return self.borrow_status or UNKNOWN
        return EASY if self.easy_to_borrow else HARD


class ClockBody(msgspec.Struct, frozen=True, gc=False):
    """What time it is at the venue."""

    timestamp: Text

    @property
    def ts(self) -> int:
        """The same in ns. Raises Unreadable."""
        ts = nanoseconds(self.timestamp)
        if ts is None:
            raise Unreadable("a clock without a time")
        return ts


class ErrorBody(msgspec.Struct, frozen=True, gc=False):
    """Why a request was refused."""

    message: str = ""
    code: int | None = None
    market_price: object = None  # beside a stop that it has passed; a text or a number


class Frame(msgspec.Struct, frozen=True, gc=False):
    """Any message of the trading stream."""

    stream: Text
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Authorization(msgspec.Struct, frozen=True, gc=False):
    """The answer to keys, or to the wish to listen without them."""

    status: Text


class Listening(msgspec.Struct, frozen=True, gc=False):
    """The answer to the wish to listen: what is listened to from now on."""

    streams: tuple[Text, ...] = ()


class Update(msgspec.Struct, frozen=True, gc=False):
    """What happened to an order. The price and quantity beside the order are left out: the order says it clearly."""

    event: Text
    order: OrderBody
    timestamp: Text | None = None
    reason: object = None  # of a rejection; Alpaca's broker streams tell it, others may


def decode(body: bytes | str, kind: type[T]) -> T:
    """Decode JSON of a kind, or a list of it. Raises Unreadable, also for one that is made to fill our memory."""
    if (body.count(b"{") if isinstance(body, bytes) else body.count("{")) > _MOST_OBJECTS:
        raise Unreadable("an answer without end")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ArithmeticError) as error:
        items = get_args(kind)
        wanted = f"array of {items[0].__name__}" if items else kind.__name__
        raise Unreadable(f"no {wanted}: {type(error).__name__}") from None


_FRAMES: dict[str, type[Authorization | Listening | Update]] = {
    "authorization": Authorization,
    "listening": Listening,
    UPDATES: Update,
}


def frame(payload: bytes | str) -> Authorization | Listening | Update | None:
    """Read a frame of the trading stream; None for a stream that is not ours. Raises Unreadable."""
    message = decode(payload, Frame)
    kind = _FRAMES.get(message.stream)
    return decode(bytes(message.data), kind) if kind is not None else None


def refusal(body: bytes, status: int) -> ErrorBody:
    """Read why a request was refused; a body that says nothing is told by its status."""
    try:
        error = decode(body, ErrorBody)
    except Unreadable:
        error = ErrorBody()
    message = (error.message or _unsaid(status))[:_MOST_SHOWN]
    return msgspec.structs.replace(error, message=message)


def _unsaid(status: int) -> str:
    return f"the venue answered {status}"


def _says_nothing(message: str, status: int) -> bool:
    return message in ("", _unsaid(status))


def is_about_keys(status: int, error: ErrorBody) -> bool:
    """Whether a request was refused for its keys; other refusals of the kind 403 have a code."""
    return status == 401 or (status == 403 and error.code is None and "forbidden" in error.message.lower())


def is_about_plan(status: int, error: ErrorBody) -> bool:
    """Whether data were refused that the account's plan does not cover: by the text, as the code has other meanings.

    403 `subscription does not permit querying recent SIP data`, with 42210000 or 40010001 (Alpaca's Market Data FAQ).
    """
    return status == 403 and "subscription does not permit" in error.message.lower()


def is_duplicate(status: int, error: ErrorBody) -> bool:
    """Whether an order was refused since its id is known: it, or one before it, was taken.

    Words that speak of something else count more than the code: bad enums and missing prices have it, too.
    """
    if status != 422:
        return False
    return "client_order_id" in error.message or (error.code == DUPLICATE_CODE and _says_nothing(error.message, status))


def is_passed(status: int, error: ErrorBody, order: SubmitOrder) -> bool:
    """Whether a stop was refused since the price is beyond it already, as its words or its price say.

    Source: refusals that users have logged ("stop price must be less than current price"), which no page documents.
    """
    if status != 422 or order.stop is None:
        return False
    told = error.market_price is not None or "current price" in error.message
    if told and "stop price must be" in error.message:
        return True
    try:
        return order.side.has_reached(_number(Decimal(str(error.market_price))), order.stop)
    except (ArithmeticError, Unreadable):
        return False


def is_about_asset(status: int, error: ErrorBody) -> bool:
    """Whether an order was refused for what its symbol is: not tradable, or not to be sold short."""
    text = error.message
    return status in (403, 422) and text.startswith("asset ") and ("tradable" in text or "sold short" in text)


def is_about_money(status: int, error: ErrorBody) -> bool:
    """Whether an order was refused since the account has too little: wash trades and the like have the same code."""
    return status == 403 and error.code == FORBIDDEN_CODE and "buying power" in error.message


def is_missing(status: int, error: ErrorBody) -> bool:
    """Whether a 404 is about the order, and not about the address."""
    return status == 404 and (error.code == MISSING_CODE or "order" in error.message.lower())


# ---------------------------------------------------------------------------------------------------------- to reports

_STATUSES = {
    "new": OrderStatus.ACCEPTED,
    "accepted": OrderStatus.ACCEPTED,
    "pending_new": OrderStatus.ACCEPTED,
    "accepted_for_bidding": OrderStatus.ACCEPTED,
    "pending_review": OrderStatus.ACCEPTED,
    "held": OrderStatus.ACCEPTED,
    "stopped": OrderStatus.ACCEPTED,  # a trade is guaranteed, and has not happened yet
    "suspended": OrderStatus.ACCEPTED,  # not to be traded at present
    "pending_replace": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "pending_cancel": OrderStatus.CANCEL_PENDING,
    "canceled": OrderStatus.CANCELED,
    "replaced": OrderStatus.CANCELED,  # what goes on is another order, under another id
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}

# No more trades today. For an order of the day that is its end; one that stays trades on tomorrow.
_DONE_TODAY = ("done_for_day", "calculated")


def is_known(status: str) -> bool:
    """Whether the venue's word for a status is among those that it documents."""
    return status in _STATUSES or status in _DONE_TODAY


def order_status(word: str, time_in_force: str, quantity: Decimal, filled: Decimal) -> OrderStatus:
    """Return the status that a word of the venue's stands for; one that is not known, as of an order that works."""
    if word in _DONE_TODAY and time_in_force != "gtc" and not 0 < quantity <= filled:
        return OrderStatus.EXPIRED
    status = _STATUSES.get(word, OrderStatus.ACCEPTED)
    if status is OrderStatus.ACCEPTED and filled > 0:
        return OrderStatus.FILLED if 0 < quantity <= filled else OrderStatus.PARTIALLY_FILLED
    return status


def order_report(body: OrderBody, now: int, at: str | None = None) -> OrderReport:
    """Report an order. `at` is when it was told, for one that carries no time. Raises Unreadable."""
    filled = _number(body.filled_qty)
    quantity = _number(body.qty) or filled
    average = _number(body.filled_avg_price) if filled else None
    if filled < 0 or quantity < 0 or (average is not None and average <= 0):
        raise Unreadable("an order with a quantity or a price that cannot be")
    times = (body.updated_at, body.filled_at, body.canceled_at, body.expired_at, body.failed_at, body.replaced_at)
    status = order_status(body.status, body.time_in_force, quantity, filled)
    return OrderReport(
        order=body.our_id,
        symbol=body.symbol or "",
        side=OrderSide.SELL if (body.side or "").startswith("sell") else OrderSide.BUY,
        status=status,
        quantity=quantity,
        filled=filled,
        average=average,
        ts=max((ts for ts in map(nanoseconds, times) if ts), default=0) or nanoseconds(at) or now,
        venue_id=body.id,
        reason=_reason(body, status),
        stop=None if body.stop_price is None else _number(body.stop_price),
        # What we asked for as a stop is a limit order once it is reached, if the venue says so.
        limit=UNSET if body.stop_price is None else _price(body.limit_price),
        expires_at=(nanoseconds(body.expires_at) or UNSET) if body.time_in_force == "gtc" else UNSET,
    )


def _reason(body: OrderBody, status: OrderStatus) -> str:
    if status is OrderStatus.REJECTED:
        return "the venue took the order and rejected it"
    return f"replaced by {body.replaced_by or 'another order'}" if body.status == "replaced" else ""


def with_reason(report: OrderReport, update: Update) -> OrderReport:
    """Return a report of a rejection with the venue's own reason, if the stream told one."""
    if report.status is not OrderStatus.REJECTED or not isinstance(update.reason, str) or not update.reason:
        return report
    return msgspec.structs.replace(report, reason=update.reason[:_MOST_SHOWN])


def held(body: PositionBody) -> HeldAtVenue:
    """Report a position, negative if it is short, however its quantity is written. Raises Unreadable."""
    quantity = _number(body.qty)
    signed = -abs(quantity) if body.side == "short" else quantity
    return HeldAtVenue(body.symbol, signed, _number(body.avg_entry_price), _price(body.current_price))


def account_report(
    body: AccountBody,
    ts: int,
    positions: tuple[HeldAtVenue, ...],
    orders: tuple[OrderReport, ...],
    history: tuple[OrderReport, ...] = (),
) -> AccountReport:
    """Report the account. Raises Unreadable."""
    return AccountReport(
        ts=ts,
        number=body.account_number,
        cash=_number(body.cash),
        equity=_number(body.equity),
        buying_power=_number(body.buying_power),
        positions=positions,
        orders=orders,
        history=history,
        fills_until=ts,
        blocked=_blocked(body),
        shorting=body.shorting_enabled,
        accrued_fees=_number(body.accrued_fees) if body.accrued_fees else UNSET,
    )


def _blocked(body: AccountBody) -> str:
    if body.account_blocked:
        return "the account is blocked"
    if body.trading_blocked:
        return "the account may not trade"
    return "trading is suspended in the account's own settings" if body.trade_suspended_by_user else ""


def fee_charge(body: ChargeBody) -> FeeCharge:
    """Return a fee that was booked."""
    named = _TRADED_ON.search(body.description or "")
    kind = body.activity_sub_type or body.activity_type
    return FeeCharge(kind, body.date[:10], -body.net_amount, named[1] if named is not None else "")


def asset_report(body: AssetBody, ts: int) -> AssetReport:
    """Report what may be done with a symbol.

    Only what is easy to borrow is sold short: anything else needs a locate first, for a fee, and of what is unknown
    that would be known when the order is refused.
    """
    borrow = body.borrow
    shortable = body.shortable and borrow == EASY
    return AssetReport(body.symbol, ts, body.tradable, shortable, body.fractionable, borrow)


def _price(value: Decimal | None) -> Decimal | UnsetType:
    """Return a price that nothing hangs on, where it is one."""
    try:
        return price if (price := _number(value)) > 0 else UNSET
    except Unreadable:
        return UNSET


def _number(value: Decimal | None) -> Decimal:
    if value is None:
        return Decimal(0)
    exponent = value.as_tuple().exponent  # that of infinity is a letter
    if not isinstance(exponent, int) or exponent < -_MOST_DIGITS or abs(value.adjusted()) > _MOST_DIGITS:
        raise Unreadable("a number that is none")
    return value


# ------------------------------------------------------------------------------------------------------ from our words


def submission(order: SubmitOrder) -> bytes:
    """Write an order as the venue takes it."""
    wanted = {
        "symbol": order.symbol,
        "qty": plain(order.quantity),
        "side": order.side.lower(),
        "type": "market",
        "time_in_force": "gtc" if order.rests else "day",
        "client_order_id": order.id,
    }
    if order.limit is not None:
        wanted |= {"type": "limit", "limit_price": plain(order.limit)}
    elif order.stop is not None:
        wanted |= {"type": "stop", "stop_price": plain(order.stop)}
    return msgspec.json.encode(wanted)


def plain(number: Decimal) -> str:
    """Write a number without an exponent.

    >>> plain(Decimal("1E+2")), plain(Decimal("150.10"))
    ('100', '150.10')
    """
    return format(number, "f")


def authentication(key: str, secret: str) -> str:
    """Write the message that opens the trading stream."""
    return msgspec.json.encode({"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}).decode()


REVISIONS = frozenset(("trade_bust", "trade_correct"))
"""Events by which an execution is undone or changed (the broker API's schema; whether the trading stream sends them is
not known)."""


def revised(report: OrderReport, update: Update) -> OrderReport:
    """Return the report of an update that undoes or changes an execution. It is of no earlier than the update says."""
    ts = max(report.ts, nanoseconds(update.timestamp) or 0)
    return msgspec.structs.replace(report, revises=update.event, ts=ts)


LISTEN = msgspec.json.encode({"action": "listen", "data": {"streams": [UPDATES]}}).decode()


# --------------------------------------------------------------------------------------------------------------- times

LAST_YEAR = 4_102_444_800
"""2100, in seconds: times have to fit 64 bits wherever they are written, and no venue speaks of later."""

_TRADED_ON = re.compile(r"\bon (\d{4}-\d\d-\d\d)\b", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def nanoseconds(time: str | None) -> int | None:
    """Return an RFC 3339 time, with offset and up to nine fractional digits, as ns; None if it is none, or after 2100.

    >>> nanoseconds("2026-01-02T10:04:05.1-05:00")
    1767366245100000000
    """
    found = _TIME.fullmatch(time) if time else None
    if found is None:
        return None
    seconds, fraction, offset = found.groups()
    try:
        whole = int(datetime.fromisoformat(seconds + ("+00:00" if offset in "Zz" else offset)).timestamp())
    except (ValueError, OverflowError):
        return None
    return whole * SECOND + int((fraction or "").ljust(9, "0")) if 0 < whole < LAST_YEAR else None


def rfc3339(ts: int) -> str:
    """Write a time in ns as the venue reads it, in UTC.

    >>> rfc3339(1767366245100000001)
    '2026-01-02T15:04:05.100000001Z'
    """
    seconds, fraction = divmod(ts, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"
