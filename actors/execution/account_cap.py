"""The cap: what closes a position is never for more shares than the account has of it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from actors.execution.messages import AccountLacks
from actors.execution.order_cache import Order
from actors.orders import Execution, OrderStatus
from actors.portfolio.positions import ZERO, Position

_UNTOLD = frozenset((OrderStatus.SUBMITTED, OrderStatus.UNKNOWN))


class AccountCap:
    """How many shares of each position the account lacks: somebody else closed them, or they went unheard.

    An order for them would close nothing: it would open a position the other way round.
    """

    def __init__(self) -> None:
        self._lacks: dict[str, AccountLacks] = {}  # by symbol
        self._asked: dict[str, frozenset[str]] = {}  # by symbol: orders that were asked for when it began to lack some

    def note(self, told: AccountLacks, working: Iterable[Order]) -> None:
        """Take what the account says of a symbol's position, in place of what it said before."""
        if not told.shares:
            self.forget(told.symbol)
            return
        if told.symbol not in self._lacks:
            self._asked[told.symbol] = frozenset(order.id for order in working if order.status in _UNTOLD)
        self._lacks[told.symbol] = told

    def note_execution(self, execution: Execution) -> None:
        """Wait for the account's next word where an execution is told late, or undone: it may be what was lacking."""
        lack = self._lacks.get(execution.symbol)
        if lack is None:
            return
        if execution.undone or execution.ts <= lack.ts or execution.order in self._asked[execution.symbol]:
            self.forget(execution.symbol)

    def forget(self, symbol: str) -> None:
        """Know of nothing that is lacking."""
        self._lacks.pop(symbol, None)
        self._asked.pop(symbol, None)

    def waits(self, symbol: str, working: Iterable[Order]) -> bool:
        """Whether shares are lacking, and an order is not answered yet: what that one did may be what is lacking."""
        return symbol in self._lacks and any(order.status in _UNTOLD for order in working)

    def closable(self, position: Position) -> Decimal:
        """Return how many shares of a position may be closed."""
        lack = self._lacks.get(position.symbol)
        return max(position.quantity - lack.shares, ZERO) if lack is not None else position.quantity
