"""What the limits of the account mean to the auditor, by the executions that it keeps and the commands that it saw."""

from __future__ import annotations

from decimal import Decimal

from actors.actor import SymbolView
from actors.book import SymbolLock
from actors.engine.core import Core
from actors.messages import SymbolCommand
from actors.orders import OrderRole, OrderSide, SubmitOrder
from pipeline.events import Signal
from simulation.broken import Broken
from simulation.ledger import Ledger

_MOVED = Decimal("1.05")
"""By how much the price may have moved between an entry's approval and its last fill."""


class LimitRules:
    """Checks entries as they are sent, and the account as they are filled. Raises Broken ("limits")."""

    def __init__(self, core: Core) -> None:
        self._settings = core.settings
        self._locks: dict[str, int] = {}  # until when, by symbol, ns; 0: until `unlock`
        self._most = Decimal(str(core.settings.risk.position_size))

    def take_up(self, locks: dict[str, SymbolLock]) -> None:
        """Know the locks that hold from an earlier life on: those that it had, which the auditor compares."""
        self._locks = {symbol: lock.until for symbol, lock in locks.items()}

    def note(self, command: SymbolCommand) -> None:
        """Note, as the auditor understands it, what the user wants of a symbol."""
        if command.name == "unlock":
            self._locks.pop(command.symbol, None)
        else:
            self._locks[command.symbol] = command.until

    def quantity(self, signal: Signal, view: SymbolView) -> Decimal:
        """Return the shares that a signal's entry has to be of, if it is approved."""
        if signal.quantity:
            return Decimal(repr(signal.quantity))
        risk = self._settings.risk
        if risk.size == "shares" or risk.size_amount is None:
            return self._most
        price = Decimal(repr(_quoted(view, OrderSide.BUY if signal.side.sign > 0 else OrderSide.SELL)))
        return Decimal(int(Decimal(str(risk.size_amount)) / price))  # in whole shares: `drawn` sizes at venues alone

    def check_entry(self, order: SubmitOrder, core: Core) -> None:
        """Check that an entry may be sent."""
        until = self._locks.get(order.symbol)
        if until is not None and (until == 0 or core.now < until):
            raise Broken("limits", f"the entry {order.id} was sent although {order.symbol} is locked")
        risk = self._settings.risk
        if risk.size_amount is not None and risk.size == "dollars":
            cost = order.quantity * Decimal(repr(_quoted(core.symbol_view(order.symbol), order.side)))
            if cost > Decimal(str(risk.size_amount)):
                raise Broken("limits", f"the entry {order.id} costs {cost}, and {risk.size_amount} are meant")

    def check_fill(self, core: Core, said: Ledger) -> None:
        """Check what is open, and how often something was opened, once an entry was filled."""
        limits, held = self._settings.limits, said.positions
        if limits.max_positions is not None and len(held) > limits.max_positions:
            raise Broken("limits", f"{len(held)} positions are open, {limits.max_positions} may be: {held}")
        today = sum(date == core.risk.date for date in said.begun.values())
        if limits.trades_per_day is not None and today > limits.trades_per_day:
            raise Broken("limits", f"{today} positions were opened today, {limits.trades_per_day} may be")
        if limits.max_exposure is not None:
            prices = {symbol: Decimal(repr(core.symbol_view(symbol).price)) for symbol in held}
            exposed = sum(abs(shares) * prices[symbol] for symbol, shares in held.items())
            for order in core.orders.working.values():
                if order.role is OrderRole.ENTRY and order.symbol not in held:
                    exposed += order.open * Decimal(repr(core.symbol_view(order.symbol).price))
            if exposed > Decimal(str(limits.max_exposure)) * _MOVED:
                raise Broken("limits", f"{exposed} is at stake, {limits.max_exposure} may be: {held}")


def _quoted(view: SymbolView, side: OrderSide) -> float:
    quote = view.ask if side is OrderSide.BUY else view.bid
    return view.price if quote is None else quote
