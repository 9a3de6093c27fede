"""The calls about an account by itself: what it may do, what has happened in it, what it was worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import dropwhile, islice

import msgspec
from msgspec.structs import asdict

from mock_exchange.alpaca import schema
from mock_exchange.alpaca.calls import RequestContext, Response, answer
from mock_exchange.alpaca.listing import moment, one_of, whole
from mock_exchange.alpaca.requests import Unreadable, json_object
from mock_exchange.alpaca.stamps import parse, stamp
from mock_exchange.events import SECOND
from mock_exchange.venue.account import Configuration
from mock_exchange.venue.day import in_new_york
from mock_exchange.venue.fees import Charge
from mock_exchange.venue.money import DOLLAR, SHARE, money, quantity, text
from mock_exchange.venue.orders import Change, Reason, Update

_DOLLAR = DOLLAR * SHARE  # as an amount

MOST_PAGE = 100

FILL = "FILL"
NULL_HISTORY = "null_history"

# fmt: off
KINDS = frozenset(
    {
        "FILL", "TRANS", "MISC", "ACATC", "ACATS", "CFEE", "CGD", "CSD", "CSW", "DIV", "DIVCGL", "DIVCGS",
        "DIVFEE", "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX", "FEE", "FOPT", "INT", "INTNRA", "INTTW",
        "JNL", "JNLC", "JNLS", "MA", "NC", "OCT", "OPASN", "OPCA", "OPCSH", "OPEXC", "OPEXP", "OPTRD", "PTC",
        "PTR", "REORG", "SPIN", "SPLIT",
    }
)
# fmt: on
"""The kinds of Alpaca's schema (2026-08-13). FILL, FEE and CFEE are those that happen here."""


def account(context: RequestContext) -> Response:
    """Answer with the account."""
    prices, opened_ns = context.matching.prices, context.venue.start_ns
    context.matching.fees.roll(context.now)
    return answer(schema.account(context.owner, prices, context.identity, opened_ns, context.matching.fees))


def configuration(context: RequestContext) -> Response:
    """Answer with what the account may do."""
    return answer(context.owner.configuration)


def configure(context: RequestContext) -> Response:
    """Change what the account may do: what is named, and nothing else."""
    account, body = context.owner, json_object(context.request.body)
    named = {name: value for name, value in body.items() if value is not None}
    try:
        account.configuration = msgspec.convert(asdict(account.configuration) | named, type=Configuration)
    except msgspec.ValidationError as error:
        raise Unreadable(Reason.BAD_VALUE, str(error)) from None
    return answer(account.configuration)


def list_activities(context: RequestContext) -> Response:
    """Answer with a page of what has happened in the account: its executions, and the fees that were booked."""
    query = context.request.query
    kinds = [it for it in (context.name or query.get("activity_types", "")).upper().split(",") if it]
    if unknown := [it for it in kinds if it not in KINDS]:
        raise Unreadable(Reason.BAD_VALUE, f"invalid activity type: {unknown[0][:20]}")
    category = one_of(query, "category", ("", "trade_activity", "non_trade_activity"))
    newest_first = one_of(query, "direction", ("desc", "asc")) == "desc"
    size = whole(query, "page_size", MOST_PAGE, MOST_PAGE)
    after, until, date = moment(query, "after", 0), moment(query, "until", 1 << 63), _date(query)
    order_id = query.get("order_id", "")
    context.matching.fees.roll(context.now)
    found: list[Update | Charge] = []
    if (not kinds or FILL in kinds) and category != "non_trade_activity":
        executions = context.matching.orders.executions(context.account)
        found += [it for it in executions if not order_id or it.order.id == order_id]
    if category != "trade_activity" and not order_id:
        charges = context.matching.fees.charges(context.account)
        found += [it for it in charges if not kinds or _kind_of(it) in kinds]
    ordered = sorted(
        (it for it in found if after < it.ts < until and (not date or _date_of(it) == date)),
        key=lambda it: it.ts,
    )
    if newest_first:
        ordered.reverse()
    page: Iterable[Update | Charge] = ordered
    if token := query.get("page_token"):
        # It is the id of the last one of the page before.
        page = islice(dropwhile(lambda it: _id(it) != token, ordered), 1, None)
    return answer([_written(it, context.identity) for it in islice(page, size)])


def portfolio_history(context: RequestContext) -> Response:
    """Answer with what the account was worth when the market opened, and what it is worth now: two points."""
    first, last = context.owner.first_cash / _DOLLAR, context.owner.equity(context.matching.prices) / _DOLLAR
    nothing = None if NULL_HISTORY in context.venue.unverified else 0.0
    return answer(
        {
            "timestamp": [context.venue.start_ns // SECOND, context.now // SECOND],
            "equity": [first, last],
            "profit_loss": [nothing, round(last - first, 4)],
            "profit_loss_pct": [nothing, round((last - first) / first, 8)],
            "base_value": first,
            "timeframe": context.request.query.get("timeframe") or "1D",
        }
    )


def _date(query: Mapping[str, str]) -> str:
    text = query.get("date", "")
    if text and parse(text) is None:
        raise Unreadable(Reason.BAD_VALUE, "invalid date: it must be a date such as 2026-01-05")
    return text[:10]


def _id(it: Update | Charge) -> str:
    own = it.id if isinstance(it, Charge) else it.execution_id
    return f"{in_new_york(it.ts):%Y%m%d%H%M%S}{it.ts % SECOND // 1_000_000:03}::{own}"


def _kind_of(charge: Charge) -> str:
    return "CFEE" if charge.kind == "CFEE" else "FEE"


def _date_of(it: Update | Charge) -> str:
    """Return the date on which an activity was created, in UTC: of a fee mostly the day after the trades."""
    return stamp(it.ts)[:10]


def _charge(it: Charge, account_id: str) -> schema.Json:
    """Write a fee that was booked; its description names the day of the trades."""
    shares = quantity(it.parts)
    return {
        "id": _id(it),
        "account_id": account_id,
        "activity_type": _kind_of(it),
        "activity_sub_type": it.kind,
        "date": _date_of(it),
        "created_at": stamp(it.ts),
        "net_amount": money(-it.amount),
        "description": f"{it.kind} fee for proceed of {shares} shares ({it.trades} trades) on {it.day}",
        "currency": "USD",
        "status": "executed",
    }


def _written(it: Update | Charge, account_id: str) -> schema.Json:
    if isinstance(it, Charge):
        return _charge(it, account_id)
    order = it.order
    assert it.price is not None
    assert it.qty is not None
    revises = it.change in (Change.TRADE_BUST, Change.TRADE_CORRECT)
    revision = {"execution_type": it.change, "previous_execution_id": it.previous_execution_id} if revises else {}
    return revision | {
        "id": _id(it),
        "account_id": account_id,
        "activity_type": FILL,
        "transaction_time": stamp(it.ts),
        "type": "fill" if revises else it.change,
        "price": text(it.price),
        "qty": quantity(it.qty),
        "side": order.side,
        "symbol": order.symbol,
        "leaves_qty": quantity(order.left),
        "order_id": order.id,
        "cum_qty": quantity(order.filled),
        "order_status": order.status,
    }
