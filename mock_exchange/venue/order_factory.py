"""Orders as they begin: their ids, their place in the queue, and the legs of complex ones."""

from __future__ import annotations

from msgspec.structs import replace

from mock_exchange.venue.aging import expires_ns
from mock_exchange.venue.claims import Claim
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.orders import Kind, Order, OrderClass, OrderRequest, Status
from mock_exchange.venue.stops import capped


class OrderFactory:
    """Makes orders of requests. Ids and numbers rise from one to the next."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._number = 0

    def order(self, account: str, request: OrderRequest, now: int, claim: Claim) -> Order:
        """Make an order that is not in the book yet; `now` is in nanoseconds since the epoch."""
        self._number += 1
        order_id = self._ids.next()
        terms = request.terms
        if request.order_class is OrderClass.OCO:
            terms["limit"] = request.target
        return Order(
            id=order_id,
            client_order_id=request.client_order_id or self._ids.of(f"client/{order_id}"),
            account=account,
            created_ns=now,
            updated_ns=now,
            expires_ns=expires_ns(request.time_in_force, now),
            number=self._number,
            reserve=claim.reserve,
            holds=claim.holds,
            **terms,
        )

    def legs(self, parent: Order, request: OrderRequest) -> list[Order]:
        """Make the legs that a request for a complex order asks for; they are held until their entry is filled."""
        if request.order_class is OrderClass.SIMPLE:
            return []
        side = parent.side if request.order_class is OrderClass.OCO else parent.side.other
        leg = OrderRequest(symbol=parent.symbol, side=side, qty=parent.qty, time_in_force=parent.time_in_force)
        asked: list[OrderRequest] = []
        if request.target is not None and request.order_class is not OrderClass.OCO:
            asked.append(replace(leg, kind=Kind.LIMIT, limit=request.target))
        if request.stop_loss is not None:
            kind = Kind.STOP if request.stop_loss_limit is None else Kind.STOP_LIMIT
            asked.append(replace(leg, kind=kind, limit=request.stop_loss_limit, stop=request.stop_loss))
        legs = [self.order(parent.account, leg, parent.created_ns, Claim()) for leg in map(capped, asked)]
        return [replace(leg, order_class=parent.order_class, parent=parent.id, status=Status.HELD) for leg in legs]
