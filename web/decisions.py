"""Decisions: each signal with what became of it, up to the end of its trade."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from actors.messages import OrderChanged, OrderSubmitted, PositionClosed, PositionOpened, SignalRaised
from actors.orders import OrderStatus
from web.recent import Recent
from web.shapes import signal_data

SIGNALS_SHOWN = 100
_ORDERS_KNOWN = 400

_UNDER_WAY = ("approved", OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)

V = TypeVar("V")


class Outcome(msgspec.Struct, omit_defaults=True):
    """What became of a decision: a stage for machines, with figures. Quantities are in shares, `ts` is venue time.

    Stages: refused, approved, submitted, accepted, partially_filled, filled, cancel_pending, canceled, rejected,
    expired, unknown (an order's own states), and closed.
    """

    stage: str
    ts: int
    quantity: float = 0.0  # ordered
    filled: float = 0.0
    reason: str = ""  # the venue's, or why the trade ended
    pnl: float | None = None  # of the finished trade, after fees


class Decisions:
    """Folds signals, the news of their entries' orders, and the trades that they became; the oldest go first."""

    def __init__(self) -> None:
        self._signals: Recent[dict[str, Any]] = Recent(SIGNALS_SHOWN)
        self._outcomes: dict[str, Outcome] = {}  # the newest of a decision's id; bounded, as are the others
        self._orders: dict[str, str] = {}  # the decision of each entry's order, by the order's id
        self._moved: dict[str, Outcome] = {}  # by decision, since it was last told

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The signals, oldest first, each with its `outcome`."""
        return list(self._signals.shown)

    @property
    def untold_signals(self) -> list[dict[str, Any]]:
        """The signals that are new."""
        return list(self._signals.untold)

    @property
    def untold_outcomes(self) -> dict[str, Outcome]:
        """What became meanwhile of decisions, by id; a new signal brings its own."""
        new = {signal["decision_id"] for signal in self._signals.untold}
        return {decision: outcome for decision, outcome in self._moved.items() if decision not in new}

    def forget_untold(self) -> None:
        """Count everything as told."""
        self._signals.untold.clear()
        self._moved.clear()

    def raised(self, fact: SignalRaised) -> None:
        """Add a signal."""
        stage, reason = ("approved", "") if fact.approved else ("refused", str(fact.reason))
        outcome = Outcome(stage, fact.signal.ts, reason=reason)
        self._signals.add(signal_data(fact) | {"outcome": outcome})
        _bounded(self._outcomes, SIGNALS_SHOWN)[fact.decision] = outcome

    def submitted(self, fact: OrderSubmitted) -> None:
        """Note that a decision's entry was sent."""
        order = fact.order
        if order.decision in self._outcomes and order.id not in self._orders:
            _bounded(self._orders, _ORDERS_KNOWN)[order.id] = order.decision
            self._outcomes[order.decision].quantity = float(order.quantity)
            self._move(order.decision, OrderStatus.SUBMITTED, fact.ts)

    def changed(self, fact: OrderChanged) -> None:
        """Note what became of an order, if it is an entry of a decision that is shown."""
        decision = self._orders.get(fact.order)
        outcome = self._outcomes.get(decision) if decision is not None else None
        if decision is not None and outcome is not None and outcome.stage != "closed":
            outcome.filled, outcome.reason = float(fact.filled), fact.reason
            self._move(decision, fact.status, fact.ts)

    def opened(self, position: PositionOpened) -> None:
        """Note that a decision's entry was filled, of which a broker in the bot states nothing else."""
        outcome = self._outcomes.get(position.decision)
        if outcome is not None and outcome.stage in _UNDER_WAY:
            outcome.filled = max(outcome.filled, float(position.quantity))
            part = outcome.filled < outcome.quantity
            status = OrderStatus.PARTIALLY_FILLED if part else OrderStatus.FILLED
            self._move(position.decision, status, position.entry_ts)

    def closed(self, trade: PositionClosed) -> None:
        """Note that the trade of a decision is finished."""
        if (outcome := self._outcomes.get(trade.decision)) is not None:
            outcome.reason, outcome.pnl = trade.exit_reason, float(trade.pnl)
            outcome.filled = float(trade.quantity)
            self._move(trade.decision, "closed", trade.exit_ts)

    def _move(self, decision: str, stage: str, ts: int) -> None:
        outcome = self._outcomes[decision]
        outcome.stage, outcome.ts = str(stage), ts
        self._moved[decision] = outcome


def _bounded(entries: dict[str, V], most: int) -> dict[str, V]:
    """Make room for one more; the oldest goes."""
    if len(entries) >= most:
        del entries[next(iter(entries))]
    return entries
