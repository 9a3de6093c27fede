"""What a person did in the account by hand: the orders at the venue, and what they came to."""

from __future__ import annotations

from decimal import Decimal

from actors.orders import Execution
from mock_exchange.venue.matching import Matching
from mock_exchange.venue.money import SHARE
from mock_exchange.venue.orders import Order, OrderRequest, Refusal, Side
from simulation.ledger import ZERO, Ledger


class HandTrades:
    """Sends the orders of a person to the matching engine, past all faults, and adds up what they do."""

    def __init__(self, matching: Matching, account: str) -> None:
        self.orders: set[str] = set()  # ids that the venue gave them
        self.done = Ledger()
        self.last: dict[str, int] = {}  # by symbol: when something was done last, ns
        self._matching = matching
        self._account = account

    def book(self, execution: Execution) -> None:
        """Count an execution of an order that a person gave."""
        self.done.book(execution)
        self.last[execution.symbol] = execution.ts

    def shares(self, symbol: str) -> Decimal:
        """Shares that all of it came to, negative where more were sold."""
        return self.done.positions.get(symbol, ZERO)

    def close(self, symbol: str, now: int, *, half: bool, first_cancels: bool) -> str:
        """Close all or half of what the account holds of a symbol; return what the venue said."""
        matching = self._matching
        if first_cancels:
            self.last[symbol] = now
            for order in matching.orders.open_orders(self._account):
                if order.symbol == symbol:
                    matching.cancel(self._account, order.id, now)
        held = abs(matching.accounts[self._account].qty(symbol))
        part = max(held // SHARE // 2, 1) * SHARE if half else held
        return self._note(symbol, matching.close(self._account, symbol, min(part, held), now), now)

    def trade(self, symbol: str, shares: int, now: int) -> str:
        """Buy shares at market, or sell them; return what the venue said."""
        side = Side.BUY if shares > 0 else Side.SELL
        wanted = OrderRequest(symbol=symbol, side=side, qty=abs(shares) * SHARE)
        return self._note(symbol, self._matching.submit(self._account, wanted, now), now)

    def _note(self, symbol: str, answer: Order | Refusal, now: int) -> str:
        if isinstance(answer, Refusal):
            return answer.message
        self.orders.add(answer.client_order_id)
        self.last[symbol] = now
        return "taken"
