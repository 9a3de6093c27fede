"""Executions that are undone (bust) or changed (correct) after the fact, as an exchange does with erroneous trades.

What Alpaca says of it: an execution of its own, whose `previous_execution_id` names the one that it undoes or changes;
of a bust, `qty` may be negative (docs.alpaca.markets, broker API, trade events). The order keeps its status: one that
is over stays over, with fewer shares; one that works is worked on for what was undone. Of orders with legs, nothing is
undone here.
"""

from __future__ import annotations

from msgspec.structs import replace

from mock_exchange.venue.matching import Matching
from mock_exchange.venue.orders import Change, Order, OrderClass, Side, Status, Update


def find(matching: Matching, execution_id: str) -> Update:
    """Return an execution that counts. Raises ValueError, one sentence, for one that does not, or is not known."""
    if execution_id in matching.orders.revised:
        raise ValueError(f"the execution {execution_id} was undone or changed already; name the one that followed it")
    for account in matching.accounts:
        for update in matching.orders.executions(account):
            if update.execution_id == execution_id and update.change is not Change.TRADE_BUST:
                return update
    raise ValueError(f"there is no execution {execution_id[:64]!r}; GET /control/executions lists them")


def revise(matching: Matching, execution_id: str, now: int, *, qty: int = 0, price: int | None = None) -> Update:
    """Undo an execution; where `qty` (parts of shares) is not 0, have it be of that quantity, at that price (points).

    Raises ValueError, one sentence, for one that cannot be changed so.
    """
    done = find(matching, execution_id)
    order = matching.orders[done.order.id]
    assert done.qty is not None
    assert done.price is not None
    if order.order_class is not OrderClass.SIMPLE:
        raise ValueError(f"the execution {execution_id} is of an order with legs, of which nothing is undone here")
    if not 0 <= qty <= done.qty:
        raise ValueError(
            f"an execution of {done.qty} parts of a share can be corrected to as many at most, not to {qty}"
        )
    price = done.price if price is None else price
    account, sign = matching.accounts[order.account], 1 if order.side is Side.BUY else -1
    position_qty = account.execute(order.symbol, -sign * done.qty, done.price)
    matching.fees.note(order, -done.qty, done.price, done.ts)
    if qty:
        position_qty = account.execute(order.symbol, sign * qty, price)
        matching.fees.note(order, qty, price, done.ts)
    filled, paid = order.filled - done.qty + qty, order.paid - done.qty * done.price + qty * price
    changed = _counted(order, filled, paid, now)
    change = Change.TRADE_CORRECT if qty else Change.TRADE_BUST
    matching.orders.revised.add(execution_id)
    execution = {"price": price, "qty": qty or -done.qty, "position_qty": position_qty}
    return matching.orders.record(order, changed, change, now, execution, execution_id)


def _counted(order: Order, filled: int, paid: int, now: int) -> Order:
    works = order.status is Status.PARTIALLY_FILLED
    status = Status.NEW if works and not filled else order.status
    return replace(order, filled=filled, paid=paid, updated_ns=now, status=status)
