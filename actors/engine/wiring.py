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
from actors.execution.stop_watch import StopWatch, WatchMessage
from actors.messages import AccountOpened
from actors.orders import AccountReport, OrderCommand
from actors.portfolio.positions import Positions, PositionsMessage
from actors.reconciliation.reconciler import Reconciler
from actors.risk.limits import Limits
from actors.risk.risk import Mismatch, Risk, RiskMessage
from actors.risk.strategy_shares import StrategyShares
from actors.risk.venue_facts import ForeignOrders, VenueFacts


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

    def tell_stop_watch(message: WatchMessage) -> None:
        if stop_watch is not None:
            context.tell(stop_watch, message)

    def tell_of_account(message: AccountReport | AccountOpened | Mismatch | ForeignOrders) -> None:
        tell_risk(message)
        if isinstance(message, AccountReport):
            tell_stop_watch(message)

    def tell_broker(message: OrderCommand) -> None:
        context.tell(venue, message)

    orders = OrderCache()
    equity, fee = Decimal(str(settings.risk.starting_equity)), Decimal(str(settings.execution.fee_per_share))
    positions = Positions(context, equity, fee, (tell_executor, tell_risk, tell_stop_watch))
    executor = Executor(
        context, policy, book, orders, positions.open, subscribe_exits, tell_broker, tell_positions, tell_risk
    )
    costs_of = {symbol: settings.of(name).costs for symbol, name in settings.claims.items()}
    refuse_dear = settings.risk.cost_guard == "refuse"
    limits = Limits(settings.limits, settings.costs, refuse_dear=refuse_dear, costs_of=costs_of)
    facts = VenueFacts(with_broker=policy.outlives_session)
    shares = StrategyShares(settings.strategies, settings.risk.daily_loss_limit) if settings.strategies else None
    risk = Risk(settings.risk, context, positions, orders, limits, facts, tell_executor, shares)
    stop_watch = None
    if (patience_s := policy.stop_patience_s) is not None:
        stop_watch = StopWatch(context, patience_s, positions.open, orders, facts.is_open, tell_executor)
    reconciler = None
    if policy.outlives_session:
        ours = book.rpartition("-")[0] + "-"
        reconciler = Reconciler(
            context, positions, orders, policy.missing_s, ours, tell_executor, tell_of_account, tell_positions
        )
    venue = broker or SimulatedBroker(settings.execution, context, executor)
    return Actors(positions, orders, executor, risk, reconciler, venue)
