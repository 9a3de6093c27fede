"""The auditor's own books of what the bot says that it executed, and what of it the journal holds."""

from __future__ import annotations

from collections import deque
from copy import deepcopy
from decimal import Decimal

from actors.execution.known_orders import OrderName
from actors.orders import Execution, OrderRole
from simulation.broken import Broken

ZERO = Decimal(0)


class Ledger:
    """A sum of distinct executions: shares by symbol, money, and since when each position is open."""

    def __init__(self) -> None:
        self.positions: dict[str, Decimal] = {}
        self.since: dict[str, int] = {}  # by symbol: venue time of the position's first execution, ns
        self.entered: dict[str, Decimal] = {}  # by symbol: shares that went into the position
        self.parted: dict[str, Decimal] = {}  # by symbol: shares of it that orders for a part have closed
        self.cash = ZERO
        self.filled: dict[str, Decimal] = {}  # shares, by order
        self.seen: set[str] = set()
        self.begun: dict[str, str] = {}  # by decision: the day on which its position was opened

    def book(self, execution: Execution, fee_per_share: Decimal = ZERO, day: str = "") -> None:
        """Count an execution, of a day. Raises Broken if it was counted before."""
        if execution.id in self.seen:
            raise Broken("executions", f"the execution {execution.id} was booked twice")
        self.seen.add(execution.id)
        symbol, shares = execution.symbol, execution.side.sign * execution.quantity
        before = self.positions.get(symbol, ZERO)
        held = before + shares
        name = OrderName.of(execution.order)
        role = name.role if name is not None else None
        if name is not None and role is OrderRole.ENTRY and not before:
            self.begun.setdefault(name.kept_decision, day)
        if execution.undone or execution.quantity < 0:
            self._undo(execution, role, before, held)
        elif abs(held) > abs(before):
            self.entered[symbol] = self.entered.get(symbol, ZERO) + execution.quantity
        elif role is OrderRole.PART:
            self.parted[symbol] = self.parted.get(symbol, ZERO) + execution.quantity
        if held == 0:
            for of_symbol in (self.positions, self.since, self.entered, self.parted):
                of_symbol.pop(symbol, None)
        else:
            self.positions[symbol] = held
            if before * held <= 0:
                self.since[symbol] = execution.ts
        self.cash -= execution.side.sign * execution.value + execution.quantity * fee_per_share
        self.filled[execution.order] = self.filled.get(execution.order, ZERO) + execution.quantity

    def _undo(self, execution: Execution, role: OrderRole | None, before: Decimal, held: Decimal) -> None:
        """Take what the venue undid out of what went into a position, or was closed as a part."""
        symbol = execution.symbol
        if before * held <= 0:
            self.entered[symbol] = abs(held)
            self.parted.pop(symbol, None)
        elif role is OrderRole.ENTRY:
            self.entered[symbol] = self.entered.get(symbol, ZERO) + execution.quantity
        elif role is OrderRole.PART:
            self.parted[symbol] = self.parted.get(symbol, ZERO) + execution.quantity


class Ledgers:
    """Two of them: what the bot said by now, and what a bot that is killed now would find in its journal.

    Fills that are simulated in the core have ids of their own in each life only.
    """

    def __init__(self, fee_per_share: Decimal, *, simulated: bool) -> None:
        self._simulated = simulated
        self.said = Ledger()
        self.durable = Ledger()
        self._fee = fee_per_share
        self._waiting: deque[tuple[int, Execution, str]] = deque()  # said, and not known to be in the journal

    def say(self, number: int, execution: Execution, day: str) -> None:
        """Count what input `number` led to, on a day."""
        self.said.book(execution, self._fee, day)
        self._waiting.append((number, execution, day))

    def keep(self, number: int) -> None:
        """A book was written after input `number`: what it led to, and all before it, is durable."""
        while self._waiting and self._waiting[0][0] <= number:
            _, execution, day = self._waiting.popleft()
            self.durable.book(execution, self._fee, day)

    def kill(self) -> None:
        """Forget what was not durable."""
        if self._simulated:
            self.durable.seen.clear()
            self.durable.filled.clear()
        self.said = deepcopy(self.durable)
        self._waiting.clear()
