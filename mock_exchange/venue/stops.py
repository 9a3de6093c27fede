"""Stop orders as Alpaca takes them: those that it refuses, and the limit that it gives a buy stop.

Source: docs.alpaca.markets, "Orders at Alpaca" (stop orders), and refusals that its users have logged in 2026.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mock_exchange.venue.money import CENT, DOLLAR, text
from mock_exchange.venue.orders import Kind, Order, OrderRequest, Reason, Refusal, Replacement, Side

CHEAP = 50 * DOLLAR
"""Below it the limit is further away, in points."""

CHEAP_PER_MILLE, PER_MILLE = 40, 25
"""By how much the limit of a buy stop is above its stop price."""


def limit_of(stop: int) -> int:
    """Return the limit that a buy stop gets, in points; it is rounded down to a price that is allowed.

    >>> limit_of(49 * DOLLAR), limit_of(50 * DOLLAR), limit_of(9_999)
    (509600, 512500, 10300)
    """
    limit = stop * (1_000 + (CHEAP_PER_MILLE if stop < CHEAP else PER_MILLE)) // 1_000
    return limit - limit % CENT if limit >= DOLLAR else limit


def capped(request: OrderRequest) -> OrderRequest:
    """Return a request as the venue takes it: a buy stop is a stop limit; all others are as they were."""
    if request.kind is not Kind.STOP or request.side is not Side.BUY or request.stop is None:
        return request
    return replace(request, kind=Kind.STOP_LIMIT, limit=limit_of(request.stop), capped=True)


def as_asked(old: Order, wanted: Replacement) -> dict[str, Any]:
    """Return the terms in which an order differs from what its client asked for, as a replacement begins from them.

    A buy stop whose stop is moved gets its limit from there; a limit of the client's own is kept as it is.
    """
    if not old.capped:
        return {}
    own_limit = wanted.limit is not None
    return {"capped": False} if own_limit else {"capped": False, "kind": Kind.STOP, "limit": None}


def already_reached(request: OrderRequest, last: int) -> Refusal | None:
    """Refuse a stop order that the latest trade (points) has reached already."""
    if request.kind is not Kind.STOP or request.stop is None:
        return None
    sells = request.side is Side.SELL
    if request.stop < last if sells else request.stop > last:
        return None
    return Refusal(
        Reason.BAD_VALUE,
        f"stop price must be {'less' if sells else 'greater'} than current price",
        {"market_price": text(last), "stop_price": text(request.stop)},
    )
