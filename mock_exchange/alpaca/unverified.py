"""What Alpaca may refuse as nobody has verified: each is off unless the settings name it (`rules.py`)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from mock_exchange.venue.orders import Order, OrderRequest, Reason, Refusal, TimeInForce


def refusal(wanted: OrderRequest, last: int, on: AbstractSet[str]) -> Refusal | None:
    """Refuse an order by the rules that are on; `last` is where the stock was traded, in points, 0 before that."""
    if "retail_times_in_force" in on and wanted.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        word = wanted.time_in_force
        return Refusal(Reason.BAD_VALUE, f"time_in_force {word} is not enabled for this account: contact sales")
    if "price_away" in on and wanted.limit is not None and 2 * abs(wanted.limit - last) > last > 0:
        return Refusal(Reason.BAD_VALUE, "limit_price is too far away from the market")
    return None


def as_told(order: Order | Refusal, on: AbstractSet[str]) -> Order | Refusal:
    """Return what is told of an order that was taken or refused."""
    if "duplicate_as_bad_value" in on and isinstance(order, Refusal):
        duplicate = order.reason is Reason.DUPLICATE_CLIENT_ORDER_ID
        return replace(order, reason=Reason.BAD_VALUE) if duplicate else order
    return order
