"""Orders as they begin: their ids, their place in the queue, and the legs of complex ones."""

from __future__ import annotations

from msgspec.structs import replace

from mock_exchange.venue.claims import Claim
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.orders import Kind, Order, OrderClass, OrderRequest, Status


class OrderFactory:
    """Makes orders of requests. Ids and numbers rise from one to the next."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._number = 0

    def order(self, account: str, request: OrderRequest, now: int, claim: Claim) -> Order:
        """Make an order that is not in the book yet; `now` is in nanoseconds since the epoch."""
        self._number += 1
        order_id = self._ids.next()
        return Order(
            id=order_id,
            client_order_id=request.client_order_id or self._ids.of(f"client/{order_id}"),
            account=account,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            time_in_force=request.time_in_force,
            qty=request.qty,
            notional=request.notional,
            created_ns=now,
            updated_ns=now,
            number=self._number,
            order_class=request.order_class,
            limit=request.limit if request.order_class is not OrderClass.OCO else request.target,
            stop=request.stop,
            trail=request.trail,
            trail_bp=request.trail_bp,
            extended_hours=request.extended_hours,
            reserve=claim.reserve,
            holds=claim.holds,
        )

    def legs(self, parent: Order, request: OrderRequest) -> list[Order]:
        """Make the legs that a request for a complex order asks for; they are held until their entry is filled."""
        if request.order_class is OrderClass.SIMPLE:
            return []
        side = parent.side if request.order_class is OrderClass.OCO else parent.side.other
        asked: list[tuple[Kind, int | None, int | None]] = []  # kind, limit, stop
        if request.target is not None and request.order_class is not OrderClass.OCO:
            asked.append((Kind.LIMIT, request.target, None))
        if request.stop_loss is not None:
            kind = Kind.STOP if request.stop_loss_limit is None else Kind.STOP_LIMIT
            asked.append((kind, request.stop_loss_limit, request.stop_loss))
        legs = []
        for kind, limit, stop in asked:
            leg = OrderRequest(
                symbol=parent.symbol,
                side=side,
                qty=parent.qty,
                kind=kind,
                time_in_force=parent.time_in_force,
                limit=limit,
                stop=stop,
            )
            order = self.order(parent.account, leg, parent.created_ns, Claim())
            legs.append(replace(order, order_class=parent.order_class, parent=parent.id, status=Status.HELD))
        return legs
