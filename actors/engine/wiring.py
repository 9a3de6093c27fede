"""The wiring: makes the core's actors, each with the ports of those that it may send messages to."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from actors.actor import Context, Receiver
from actors.brokers.simulated import SimulatedBroker
from actors.engine.core_settings import CoreSettings
from actors.execution.executor import Executor, SubscribeExits
from actors.execution.messages import ExecutorMessage
from actors.execution.order_cache import OrderCache
from actors.execution.policy import ExecutionPolicy
from actors.orders import OrderCommand
from actors.portfolio.positions import Positions, PositionsMessage
from actors.reconciliation.reconciler import Reconciler
from actors.risk.instruments import SimulatedAccount
from actors.risk.limits import Limits
from actors.risk.risk import Risk, RiskMessage
from actors.risk.strategy_shares import StrategyShares
from actors.risk.venue_facts import VenueFacts


class Actors(NamedTuple):
    """The core's actors. Each owns its facts; the others read views of them, and change them by messages only."""

    positions: Positions
    orders: OrderCache  # the executor's
    executor: Executor
    risk: Risk
    reconciler: Reconciler | None  # None where no account tells of what is held
    broker: Receiver[OrderCommand]


def wire(
    context: Context,
    settings: CoreSettings,
    policy: ExecutionPolicy,
    book: str,
    subscribe_exits: SubscribeExits,
    broker: Receiver[OrderCommand] | None,
) -> Actors:
    """Make the actors of one core; without a broker, orders are filled by the simulated one.

    `book` is what the session's order ids begin with ("mb-<bot>-<session>").
    """

    def tell_positions(message: PositionsMessage) -> None:
        context.tell(positions, message)

    def tell_executor(message: ExecutorMessage) -> None:
        context.tell(executor, message)

    def tell_risk(message: RiskMessage) -> None:
        context.tell(risk, message)

    def tell_broker(message: OrderCommand) -> None:
        context.tell(venue, message)

    orders = OrderCache()
    equity = Decimal(str(settings.risk.starting_equity))
    positions = Positions(context, equity, settings.execution.fee_model, (tell_executor, tell_risk))
    executor = Executor(
        context, policy, book, orders, positions.open, subscribe_exits, tell_broker, tell_positions, tell_risk
    )
    costs_of = {symbol: settings.of(name).costs for symbol, name in settings.claims.items()}
    refuse_dear = settings.risk.cost_guard == "refuse"
    limits = Limits(settings.limits, settings.costs, refuse_dear=refuse_dear, costs_of=costs_of)
    instruments = settings.execution.rules
    account = SimulatedAccount(context, positions, orders, instruments) if instruments is not None else None
    facts = VenueFacts(with_broker=policy.outlives_session, simulated=account)
    shares = StrategyShares(settings.strategies, settings.risk.daily_loss_limit) if settings.strategies else None
    risk = Risk(settings.risk, context, positions, orders, limits, facts, tell_executor, shares)
    reconciler = None
    if policy.outlives_session:
        ours = book.rpartition("-")[0] + "-"
        reconciler = Reconciler(
            context, positions, orders, policy.missing_s, ours, tell_executor, tell_risk, tell_positions
        )
    venue = broker or SimulatedBroker(settings.execution, context, executor)
    return Actors(positions, orders, executor, risk, reconciler, venue)
