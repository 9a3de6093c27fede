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

    def note(self, told: AccountLacks) -> None:
        """Take what the account says of a symbol's position, in place of what it said before."""
        if told.shares:
            self._lacks[told.symbol] = told
        else:
            self.forget(told.symbol)

    def note_execution(self, execution: Execution) -> None:
        """Wait for the account's next word where an execution is told late, or undone: it may be what was lacking."""
        lack = self._lacks.get(execution.symbol)
        if lack is not None and (execution.undone or execution.ts <= lack.ts):
            self.forget(execution.symbol)

    def forget(self, symbol: str) -> None:
        """Know of nothing that is lacking."""
        self._lacks.pop(symbol, None)

    def closable(self, position: Position, working: Iterable[Order]) -> Decimal:
        """Return how many shares of a position may be closed.

        All, as long as an order of its symbol is being asked for: what that one did may explain what is lacking.
        """
        lack = self._lacks.get(position.symbol)
        if lack is None or any(order.status in _UNTOLD for order in working):
            return position.quantity
        return max(position.quantity - lack.shares, ZERO)
