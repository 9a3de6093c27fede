"""What is done to a venue from outside, by its control calls: executions that are undone or changed, and splits."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

import msgspec

from mock_exchange.alpaca.requests import Unreadable, parts_of
from mock_exchange.venue import corrections, splits
from mock_exchange.venue.money import DOLLAR, exact, quantity, text
from mock_exchange.venue.orders import Change, Update
from mock_exchange.venue_state import VenueState

MOST_LISTED = 100
"""Executions in one answer."""


class Revision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An execution that is undone, or changed: what is left of it, in shares and dollars."""

    execution: str
    qty: str | None = None  # without both, all of it is undone
    price: str | None = None


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A split of a stock: so many shares for so many."""

    symbol: str
    shares: int
    per: int = 1
    orders: splits.OpenOrders = splits.OpenOrders.CANCELED


def revise(venue: VenueState, wanted: Revision, now: int) -> None:
    """Undo or change an execution. Raises ValueError, one sentence."""
    qty, price = 0, None
    done = corrections.find(venue.matching, wanted.execution)
    if done.ts <= venue.splits.latest.get(done.order.symbol, 0):
        raise ValueError(f"the execution {wanted.execution} is from before a split: of other shares than these")
    if wanted.qty is not None or wanted.price is not None:
        qty = abs(done.qty or 0) if wanted.qty is None else _parts(wanted.qty)
        price = None if wanted.price is None else _points(wanted.price)
    corrections.revise(venue.matching, wanted.execution, now, qty=qty, price=price)


def split(venue: VenueState, wanted: Split, now: int) -> None:
    """Split a stock. Raises ValueError, one sentence."""
    venue.split(wanted.symbol, wanted.shares, wanted.per, wanted.orders, now)


def executions(venue: VenueState) -> list[dict[str, Any]]:
    """Return the newest executions that count, the newest first."""
    orders = venue.matching.orders
    every = sorted(chain.from_iterable(map(orders.executions, venue.matching.accounts)), key=lambda it: -it.ts)
    counting = (it for it in every if it.change is not Change.TRADE_BUST and it.execution_id not in orders.revised)
    return [_written(it) for it in islice(counting, MOST_LISTED)]


def _written(it: Update) -> dict[str, Any]:
    order = it.order
    return {
        "execution": it.execution_id,
        "account": order.account,
        "order": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side,
        "qty": quantity(it.qty or 0),
        "price": text(it.price or 0),
    }


def _parts(qty: str) -> int:
    try:
        return parts_of(qty)
    except Unreadable as error:
        raise ValueError(str(error)) from None


def _points(price: str) -> int:
    number = exact(price)
    if number is None or number <= 0 or number * DOLLAR % 1:
        raise ValueError(f"price must be dollars above 0 with up to four decimals, as in 100.25, not {price[:20]!r}")
    return int(number * DOLLAR)
