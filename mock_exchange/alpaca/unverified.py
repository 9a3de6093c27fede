"""What Alpaca may refuse or tell, not verified: each is off unless the settings name it (`rules.py`)."""

from __future__ import annotations

from collections.abc import Container, Sequence

from msgspec.structs import replace

from mock_exchange.alpaca.calls import DATA
from mock_exchange.venue.orders import Change, Order, OrderRequest, Reason, Refusal, TimeInForce, Update

REJECTION = "rejected by the venue's risk checks"


def refusal(wanted: OrderRequest, last: int, on: Container[str]) -> Refusal | None:
    """Refuse an order by the rules that are on; `last` is where the stock was traded, in points, 0 before that."""
    if "retail_times_in_force" in on and wanted.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        word = wanted.time_in_force
        return Refusal(Reason.BAD_VALUE, f"time_in_force {word} is not enabled for this account: contact sales")
    if "price_away" in on and wanted.limit is not None and 2 * abs(wanted.limit - last) > last > 0:
        return Refusal(Reason.BAD_VALUE, "limit_price is too far away from the market")
    return None


def as_told(order: Order | Refusal, on: Container[str]) -> Order | Refusal:
    """Return what is told of an order that was taken or refused."""
    if "duplicate_as_bad_value" in on and isinstance(order, Refusal):
        duplicate = order.reason is Reason.DUPLICATE_CLIENT_ORDER_ID
        return replace(order, reason=Reason.BAD_VALUE) if duplicate else order
    return order


def told(updates: Sequence[Update], on: Container[str]) -> Sequence[Update]:
    """Return updates as the trading stream tells them."""
    if "reject_reasons" not in on:
        return updates
    return [replace(it, reason=REJECTION) if it.change is Change.REJECTED else it for it in updates]


def tells_limit(path: str, on: Container[str]) -> bool:
    """Return whether an answer carries what is left of the limit on requests."""
    return "no_limit_headers" not in on or path.startswith((DATA, "/v2/clock", "/v2/calendar"))
