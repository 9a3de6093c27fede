"""The audit: what must hold after every step, whatever goes wrong. docs/SIMULATION.md says it in words."""

from __future__ import annotations

from decimal import Decimal

from actors.core import Core
from actors.messages import AccountOpened, Fact, OrderFilled, OrderSubmitted, SignalRaised, TradingState
from pipeline.events import SECOND

UNGUARDED_S = 60.0
"""Seconds that a position may be without a stop at the venue, or an order to close it, while answers are lost."""


class Broken(AssertionError):
    """An invariant does not hold."""


class Audit:
    """Follows one bot's life through its facts, and looks at its core and at the account."""

    def __init__(self, core: Core, most: Decimal) -> None:
        self.facts: list[Fact] = []
        self.submitted: set[str] = set()
        self.cash: Decimal | None = None  # what the account should hold, by the fills that we know
        self._core = core
        self._most = most  # shares that one position may have
        self._approved: set[str] = set()
        self._bare_since: dict[str, int] = {}

    def see(self, fact: Fact) -> None:
        """Check a fact as it is stated."""
        self.facts.append(fact)
        if isinstance(fact, SignalRaised) and fact.approved:
            self._approved.add(fact.decision)
        elif isinstance(fact, OrderSubmitted):
            self._see_order(fact)
        elif isinstance(fact, OrderFilled):
            execution = fact.execution
            if self.cash is not None:
                self.cash -= execution.side.sign * execution.quantity * execution.price
        elif isinstance(fact, AccountOpened):
            self.cash = fact.cash

    def _see_order(self, fact: OrderSubmitted) -> None:
        order = fact.order
        if order.id in self.submitted:
            raise Broken(f"the order {order.id} was sent twice")
        self.submitted.add(order.id)
        if order.leg == "entry":
            if order.decision not in self._approved:
                raise Broken(f"the entry {order.id} was never approved")
            if self._core.risk.state is not TradingState.ACTIVE:
                raise Broken(f"the entry {order.id} was sent while {self._core.risk.state}")
        elif order.symbol not in self._core.positions.open:
            raise Broken(f"the {order.leg} {order.id} has no position")

    def step(self) -> None:
        """Look at the core between two inputs."""
        core = self._core
        for symbol, position in core.positions.open.items():
            if position.quantity > self._most:
                raise Broken(
                    f"{symbol}: the book holds {position.quantity}, more than the {self._most} of one position"
                )
            if not core.lanes[symbol].guarded:
                raise Broken(f"{symbol}: an open position has no exits")
            if core.executor.blotter.of(symbol) or symbol in core.executor.wishes:
                self._bare_since.pop(symbol, None)
            elif core.now - self._bare_since.setdefault(symbol, core.now) > UNGUARDED_S * SECOND:
                raise Broken(f"{symbol}: no order has guarded the position for {UNGUARDED_S:g} s")
        for symbol in self._bare_since.keys() - core.positions.open.keys():
            del self._bare_since[symbol]

    def account(self, positions: dict[str, Decimal]) -> None:
        """Look at what the account holds, at any moment."""
        for symbol, held in positions.items():
            if abs(held) > self._most:
                raise Broken(f"{symbol}: the account holds {held}, more than the {self._most} of one position")

    def settled(self, positions: dict[str, Decimal], cash: Decimal) -> None:
        """Compare both books, when nothing is under way any more."""
        core = self._core
        book = {symbol: p.side.sign * p.quantity for symbol, p in core.positions.open.items()}
        if book != positions:
            raise Broken(f"the book holds {book}, the account {positions}")
        if self.cash is not None and abs(self.cash - cash) > Decimal("0.005"):
            raise Broken(f"by the book there are {self.cash} in cash, the account holds {cash}")
