"""Which orders a list of orders has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import islice

from mock_exchange.alpaca.requests import Unreadable
from mock_exchange.alpaca.stamps import parse
from mock_exchange.venue.orders import OPEN, Order, Reason, Refusal
from mock_exchange.venue.registry import Registry

DEFAULT_LIMIT = 50
MOST_LIMIT = 500
US_EQUITY = "us_equity"


def listed(orders: Registry, account: str, query: Mapping[str, str]) -> tuple[list[Order], bool]:
    """Choose an account's orders by a query, and tell whether legs go inside their parents. Raises Unreadable."""
    status = one_of(query, "status", ("open", "closed", "all"))
    newest_first = one_of(query, "direction", ("desc", "asc")) == "desc"
    limit = whole(query, "limit", DEFAULT_LIMIT, MOST_LIMIT)
    after, until = moment(query, "after", 0), moment(query, "until", 1 << 63)
    nested = query.get("nested", "").lower() == "true"
    symbols = {symbol.upper() for symbol in query.get("symbols", "").split(",") if symbol}
    side = query.get("side")
    before, behind = (
        _order_number(orders, account, query, "before_order_id"),
        _order_number(orders, account, query, "after_order_id"),
    )
    classes = {it for it in query.get("asset_class", "").split(",") if it}
    if classes and US_EQUITY not in classes:
        return [], nested
    candidates: Iterable[Order]
    if status == "open":
        candidates = orders.open_orders(account)
        candidates = reversed(candidates) if newest_first else candidates
    else:
        candidates = orders.every(account, newest_first=newest_first)
    chosen = (
        order
        for order in candidates
        if after < order.created_ns < until
        and (before is None or order.number < before)
        and (behind is None or order.number > behind)
        and (status != "closed" or order.status not in OPEN)
        and (not symbols or order.symbol in symbols)
        and (not side or order.side == side)
        and not (nested and order.parent)
    )
    return list(islice(chosen, limit)), nested


def _order_number(orders: Registry, account: str, query: Mapping[str, str], name: str) -> int | None:
    """Return the number of the order that a parameter names, None without it. Raises Unreadable."""
    order_id = query.get(name)
    if not order_id:
        return None
    if query.get("after") or query.get("until"):
        raise Unreadable(Reason.BAD_VALUE, f"{name} cannot be combined with after or until")
    order = orders.find(account, order_id)
    if isinstance(order, Refusal):
        raise Unreadable(order.reason, order.message)
    return order.number


def whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Read a whole number from 1 to `most`. Raises Unreadable."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise Unreadable(Reason.BAD_VALUE, f"{name} must be from 1 to {most}")
    return int(text)


def moment(query: Mapping[str, str], name: str, default: int) -> int:
    """Read a time, in nanoseconds since the epoch. Raises Unreadable."""
    text = query.get(name)
    if not text:
        return default
    ts = parse(text)
    if ts is None:
        raise Unreadable(Reason.BAD_VALUE, f"invalid {name}: it must be a date or RFC 3339")
    return ts


def day(query: Mapping[str, str], name: str, default: date) -> date:
    """Read a date, or the date of a time. Raises Unreadable."""
    text = query.get(name)
    if not text:
        return default
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Unreadable(Reason.BAD_VALUE, f"invalid {name}: it must be a date such as 2026-01-05") from None


def one_of(query: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """Read one of some words; the first is the default. Raises Unreadable."""
    word = query.get(name) or words[0]
    if word not in words:
        raise Unreadable(Reason.BAD_VALUE, f"{name} must be one of {', '.join(words)}")
    return word
