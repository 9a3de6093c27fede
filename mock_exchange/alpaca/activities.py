"""What has happened in an account, newest first: its executions, which are all that ever happens here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import dropwhile, islice

from mock_exchange.alpaca.listing import moment, one_of, whole
from mock_exchange.alpaca.requests import Unreadable
from mock_exchange.alpaca.schema import Json
from mock_exchange.alpaca.stamps import parse, stamp
from mock_exchange.events import SECOND
from mock_exchange.venue.day import in_new_york
from mock_exchange.venue.money import quantity, text
from mock_exchange.venue.orders import Reason, Update

MOST_PAGE = 100

FILL = "FILL"

# fmt: off
KINDS = frozenset(
    {
        "FILL", "TRANS", "MISC", "ACATC", "ACATS", "CFEE", "CIL", "CSD", "CSW", "DIV", "DIVCGL", "DIVCGS",
        "DIVFEE", "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX", "DIVWH", "EXTRD", "FEE", "FXTRD", "INT",
        "INTPNL", "INTNRA", "INTTW", "JNL", "JNLC", "JNLS", "MA", "MEM", "NC", "OCT", "OPASN", "OPCA", "OPCSH",
        "OPEXC", "OPEXP", "OPTRD", "PTC", "PTR", "REORG", "SPIN", "SPLIT", "SC", "SSO", "SSP", "VOF", "WH",
    }
)
# fmt: on
"""The kinds that Alpaca knows. Nothing of any other than FILL ever happens here."""


def activities(executions: Iterable[Update], account_id: str, kind: str, query: Mapping[str, str]) -> list[Json]:
    """Write a page of activities; `executions` come the oldest first, `kind` is the path's or empty.

    Raises Unreadable.
    """
    kinds = [it for it in (kind or query.get("activity_types", "")).upper().split(",") if it]
    if unknown := [it for it in kinds if it not in KINDS]:
        raise Unreadable(Reason.BAD_VALUE, f"invalid activity type: {unknown[0][:20]}")
    category = one_of(query, "category", ("", "trade_activity", "non_trade_activity"))
    newest_first = one_of(query, "direction", ("desc", "asc")) == "desc"
    size = whole(query, "page_size", MOST_PAGE, MOST_PAGE)
    after, until, date = moment(query, "after", 0), moment(query, "until", 1 << 63), _date(query)
    if (kinds and FILL not in kinds) or category == "non_trade_activity":
        return []
    executions = [
        it for it in executions if after < it.ts < until and (not date or str(in_new_york(it.ts).date()) == date)
    ]
    ordered: Iterable[Update] = reversed(executions) if newest_first else executions
    if token := query.get("page_token"):
        # It is the id of the last one of the page before.
        ordered = islice(dropwhile(lambda it: _id(it) != token, ordered), 1, None)
    return [_written(it, account_id) for it in islice(ordered, size)]


def _date(query: Mapping[str, str]) -> str:
    text = query.get("date", "")
    if text and parse(text) is None:
        raise Unreadable(Reason.BAD_VALUE, "invalid date: it must be a date such as 2026-01-05")
    return text[:10]


def _id(it: Update) -> str:
    return f"{in_new_york(it.ts):%Y%m%d%H%M%S}{it.ts % SECOND // 1_000_000:03}::{it.execution_id}"


def _written(it: Update, account_id: str) -> Json:
    order = it.order
    assert it.price is not None
    assert it.qty is not None
    return {
        "id": _id(it),
        "account_id": account_id,
        "activity_type": FILL,
        "transaction_time": stamp(it.ts),
        "type": it.change,
        "price": text(it.price),
        "qty": quantity(it.qty),
        "side": order.side,
        "symbol": order.symbol,
        "leaves_qty": quantity(order.left),
        "order_id": order.id,
        "cum_qty": quantity(order.filled),
        "order_status": order.status,
    }
