"""Exits: which positions are to be closed, why, and what it takes next."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from actors.actor import SymbolView
from actors.execution.actions import Action, Cancel, Submit, closing_side
from actors.execution.order_cache import Order
from actors.execution.policy import ExecutionPolicy
from actors.messages import ExitReason
from actors.orders import OrderRole, SubmitOrder
from actors.portfolio.positions import Position

_R = ExitReason
AT_ONCE = frozenset((_R.SL, _R.STOP, _R.HALT, _R.FLATTEN, _R.NO_STOP, _R.CLOSE, _R.FALLBACK, _R.BUST))
"""Reasons for which an exit does not wait for a better price than the market's."""


_UNPRICED = frozenset((_R.HALT, _R.FLATTEN, _R.CLOSE, _R.BUST))


class ExitIntent(msgspec.Struct):
    """A position is to be closed: why, how often that was tried, and whether it may wait for a better price."""

    reason: str
    tries: int = 0
    at_market: bool = False


class ExitIntents:
    """The intents to close positions, and the decisions that follow from them.

    An intent holds until its position is closed. An entry that still works is closed as well if it fills after all:
    `closing_entries` says why, by symbol. `priceless` are the symbols to leave as soon as there is a price.
    """

    def __init__(self, policy: ExecutionPolicy) -> None:
        self.intents: dict[str, ExitIntent] = {}
        self.closing_entries: dict[str, str] = {}
        self.priceless: set[str] = set()
        self._policy = policy

    @property
    def closing(self) -> dict[str, str]:
        """What is to be closed, and why, by symbol: positions, and entries that may fill yet."""
        return self.closing_entries | {symbol: intent.reason for symbol, intent in self.intents.items()}

    def request(self, symbol: str, reason: str, working: Sequence[Order]) -> list[Action]:
        """Note that a position is to be closed, and return what is to be canceled for it.

        A reason that may not wait replaces another, unless an exit for that one is under way.
        """
        intent = self.intents.setdefault(symbol, ExitIntent(reason))
        return escalate_to_market(intent, reason, working) if reason in AT_ONCE else []

    def forget(self, symbol: str, *, entry_works: bool) -> None:
        """Want nothing of a symbol any more: nothing is held."""
        self.intents.pop(symbol, None)
        self.priceless.discard(symbol)
        if not entry_works:
            self.closing_entries.pop(symbol, None)

    def forget_priced(self, symbol: str, working: Sequence[Order]) -> None:
        """Want to close nothing for what an exit said of a price: the stock was split, and exits begin afresh.

        What does not go by a price stays, and so does an exit that is under way.
        """
        intent = self.intents.get(symbol)
        if intent is not None and intent.reason not in _UNPRICED and not any(o.role.closes_now for o in working):
            del self.intents[symbol]

    def unwanted(self, position: Position) -> str:
        """Return why a position is to be closed as soon as it is there; empty if it is one to keep.

        An entry that was to fill no more did, or an execution was undone that had closed it, or that it was closed for.
        """
        return self.closing_entries.get(position.symbol) or (ExitReason.BUST if position.undone else "")

    def to_close(self, symbol: str, view: SymbolView, working: Sequence[Order]) -> ExitIntent | None:
        """Return the intent to act on; None without one, and while it waits for a price (until then, the stop stays).

        There may be no price after a restart or a pause.
        """
        intent = self.intents.get(symbol)
        if intent is None:
            return None
        known = view.bid is not None or view.price > 0
        sent = any(order.role.closes_now for order in working)
        if known or sent or (self._policy.exits_unpriced and intent.at_market):
            self.priceless.discard(symbol)
            return intent
        self.priceless.add(symbol)
        return None

    def close(
        self,
        position: Position,
        intent: ExitIntent,
        view: SymbolView,
        working: Sequence[Order],
        *,
        waits: bool,
        quantity: Decimal | None = None,
    ) -> list[Action]:
        """Return the next step to the end of a position.

        Entry and protective stop are taken back first; then one exit at a time is sent, for what is still held: only
        `quantity` of it where the account lacks some, and an exit for more is taken back as well. `waits` says that the
        venue refused one not long ago.
        """
        quantity = position.quantity if quantity is None else quantity
        lacks = quantity < position.quantity
        others = [o for o in working if not o.role.closes_now or (lacks and o.open > quantity)]
        if others or working or waits or not quantity:
            return [Cancel(order) for order in others]
        side = closing_side(position.side)
        terms = self._policy.exit_terms(view, side, intent.tries, at_market=intent.at_market)
        intent.tries += 1
        symbol, decision = position.symbol, position.decision
        return [Submit(SubmitOrder("", symbol, side, quantity, decision, OrderRole.EXIT, intent.reason), terms)]


def escalate_to_market(intent: ExitIntent, reason: str, working: Sequence[Order]) -> list[Action]:
    """Leave at market now, whatever was waited for: return the exits at a limit, which are to be canceled."""
    intent.at_market = True
    exits = [order for order in working if order.role is OrderRole.EXIT]
    if not exits and reason != ExitReason.FALLBACK:  # the fallback only speeds up what an exit has said
        intent.reason = reason
    return [Cancel(order) for order in exits if order.request.limit is not None]
