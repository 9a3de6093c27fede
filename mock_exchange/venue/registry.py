"""All orders that the venue knows, what each sets aside of its account, and what is to be reported of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from mock_exchange.venue.account import Account
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.orders import (
    OPEN,
    TRANSITIONS,
    UNVERIFIED,
    WORKING,
    Change,
    Order,
    Reason,
    Refusal,
    Side,
    Update,
)

MOST_ENDED = 100_000
"""Ended orders that the venue remembers, of all accounts."""

MOST_EXECUTIONS = 20_000
"""Executions that the venue remembers, of each account."""

MOST_SHOWN = 64
"""Characters of a client's own words that an answer repeats."""


class ImpossibleChange(Exception):
    """A fault of the venue: an order was about to do what TRANSITIONS does not allow."""

    def __init__(self, order: Order, change: Change) -> None:
        super().__init__(f"order {order.id} is {order.status}, it cannot be {change}")
        self.order = order
        self.change = change


class Registry:
    """The orders by id, by their clients' ids and by account. An order is changed by storing another value."""

    def __init__(self, accounts: dict[str, Account], ids: Ids, most_ended: int = MOST_ENDED) -> None:
        self._accounts = accounts
        self._ids = ids
        self._most_ended = most_ended
        self._orders: dict[str, Order] = {}  # by id, in the order in which they came
        self._by_client_id: dict[tuple[str, str], str] = {}
        self._open: dict[str, dict[str, None]] = {name: {} for name in accounts}
        self._working: dict[tuple[str, str, Side], dict[str, None]] = {}  # by account, symbol and side
        self._ended: deque[str] = deque()
        self._updates: list[Update] = []
        self.revised: set[str] = set()  # ids of the executions that were undone or changed
        self.announced: frozenset[str] = frozenset()  # which of UNVERIFIED are told
        self._executions: dict[str, deque[Update]] = {name: deque(maxlen=MOST_EXECUTIONS) for name in accounts}

    def __getitem__(self, order_id: str) -> Order:
        return self._orders[order_id]

    def take_updates(self) -> list[Update]:
        """Return what has happened to orders since the last call, in its order."""
        updates, self._updates = self._updates, []
        return updates

    def executions(self, account: str) -> Iterable[Update]:
        """Return an account's executions, the oldest first, those that are still remembered."""
        return self._executions[account]

    def find(self, account: str, order_id: str) -> Order | Refusal:
        """Look an order up."""
        order = self._orders.get(order_id)
        if order is None or order.account != account:
            return Refusal(Reason.ORDER_NOT_FOUND, f"order not found for {order_id[:MOST_SHOWN]}")
        return order

    def find_by_client_id(self, account: str, client_order_id: str) -> Order | Refusal:
        """Look an order up by the id that its client gave it."""
        order_id = self._by_client_id.get((account, client_order_id))
        if order_id is None:
            return Refusal(Reason.ORDER_NOT_FOUND, f"order not found for {client_order_id[:MOST_SHOWN]}")
        return self._orders[order_id]

    def legs(self, order: Order) -> tuple[Order, ...]:
        """Return the legs of an order as they are now, if they are still remembered."""
        return tuple(self._orders[leg] for leg in order.legs if leg in self._orders) if order.legs else ()

    def open_orders(self, account: str) -> list[Order]:
        """Return an account's open orders, the oldest first."""
        return sorted((self._orders[order_id] for order_id in self._open[account]), key=lambda order: order.number)

    def working(self, account: str, symbol: str, side: Side) -> Iterator[Order]:
        """Yield an account's orders of one side of a stock that are in the book."""
        return (self._orders[order_id] for order_id in self._working.get((account, symbol, side), ()))

    def count_open(self, account: str) -> int:
        """Return how many open orders an account has."""
        return len(self._open[account])

    def every(self, account: str, *, newest_first: bool) -> Iterator[Order]:
        """Yield an account's orders, also the ended ones that are still remembered."""
        ordered = reversed(self._orders.values()) if newest_first else iter(self._orders.values())
        return (order for order in ordered if order.account == account)

    def taken(self, account: str, client_order_id: str | None) -> Refusal | None:
        """Refuse a client's id that one of its orders has already."""
        if client_order_id is not None and (account, client_order_id) in self._by_client_id:
            return Refusal(Reason.DUPLICATE_CLIENT_ORDER_ID, "client_order_id must be unique")
        return None

    def change(
        self,
        order: Order,
        change: Change,
        ts: int,
        changes: dict[str, Any] | None = None,
        execution: dict[str, Any] | None = None,
    ) -> Order:
        """Apply a change to an order and report it. Raises ImpossibleChange if TRANSITIONS does not allow it."""
        status = TRANSITIONS.get(order.status, {}).get(change)
        if status is None:
            raise ImpossibleChange(order, change)
        ended_ns = 0 if status in OPEN else ts
        changed = replace(order, status=status, updated_ns=ts, ended_ns=ended_ns, **(changes or {}))
        self.record(order, changed, change, ts, execution)
        return changed

    def record(
        self,
        old: Order,
        new: Order,
        change: Change,
        ts: int,
        execution: dict[str, Any] | None = None,
        previous: str | None = None,
    ) -> Update:
        """Keep the new value of an order, and report what happened; `previous` is the execution that it changes."""
        self.store(old, new)
        update = self._update(new, change, ts, previous, execution)
        if change not in UNVERIFIED or change in self.announced:
            self._updates.append(update)
        if execution is not None:
            self._executions[old.account].append(update)
        return update

    def announce(self, order: Order, change: Change, ts: int) -> None:
        """Report what changes nothing of an order; what was never seen on the trading stream, only where it is on."""
        if change not in UNVERIFIED or change in self.announced:
            self._updates.append(self._update(order, change, ts))

    def _update(
        self,
        order: Order,
        change: Change,
        ts: int,
        previous: str | None = None,
        execution: dict[str, Any] | None = None,
    ) -> Update:
        return Update(
            change=change,
            order=order,
            legs=self.legs(order),
            ts=ts,
            execution_id=self._ids.next(),
            previous_execution_id=previous,
            **(execution or {}),
        )

    def store(self, old: Order | None, new: Order) -> None:
        """Keep the new value of an order, and what it sets aside of the account."""
        account = self._accounts[new.account]
        reserved, held = _set_aside(new)
        if old is not None:
            reserved_before, held_before = _set_aside(old)
            reserved, held = reserved - reserved_before, held - held_before
        account.reserved += reserved
        if held:
            account.held[new.symbol] = account.held.get(new.symbol, 0) + held
        self._orders[new.id] = new
        if old is None:
            self._by_client_id[new.account, new.client_order_id] = new.id
        works = new.status in WORKING
        if works != (old is not None and old.status in WORKING):
            working = self._working.setdefault((new.account, new.symbol, new.side), {})
            if works:
                working[new.id] = None
            else:
                del working[new.id]
        if new.status in OPEN:
            self._open[new.account][new.id] = None
        elif old is None or old.status in OPEN:
            self._open[new.account].pop(new.id, None)
            self._ended.append(new.id)
            self._forget()

    def _forget(self) -> None:
        """Forget the orders that ended longest ago; one with an open leg is kept another round."""
        while len(self._ended) > self._most_ended:
            order = self._orders[self._ended.popleft()]
            if any(leg.status in OPEN for leg in self.legs(order)) or order.parent in self._orders:
                self._ended.append(order.id)
                return
            del self._orders[order.id]
            del self._by_client_id[order.account, order.client_order_id]


def _set_aside(order: Order) -> tuple[int, int]:
    """Return the amount and the quantity that an order sets aside."""
    if order.status not in WORKING:
        return 0, 0
    return order.reserve * order.left, order.left if order.holds else 0
