"""The wiring: makes the core's actors, each with the ports of those that it may send messages to."""

from __future__ import annotations

from collections.abc import Callable
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
from actors.risk.account_limits import AccountLimits
from actors.risk.instruments import Instruments, SimulatedAccount
from actors.risk.limits import Limits
from actors.risk.risk import Mismatch, Risk, RiskMessage
from actors.risk.sizing import MILLIONTH, WHOLE, Sizing
from actors.risk.strategy_shares import StrategyShares
from actors.risk.venue_facts import ForeignOrders, VenueFacts
from pipeline.events import Signal

StopOf = Callable[[Signal], float | None]
"""Tells where the position of a signal would be stopped, as a fraction against it; None: nowhere, or not known."""


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
    exits_stop: StopOf,
    broker: Receiver[OrderCommand] | None,
) -> Actors:
    """Make the actors of one core; without a broker, orders are filled by the simulated one.

    `book` is what the session's order ids begin with ("mb-<bot>-<session>"), `exits_stop` returns where the exits of
    a signal's position stop it.
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
    equity, fees = Decimal(str(settings.risk.starting_equity)), settings.execution.fee_model
    positions = Positions(context, equity, fees, (tell_executor, tell_risk, tell_stop_watch))
    executor = Executor(
        context, policy, book, orders, positions.open, subscribe_exits, tell_broker, tell_positions, tell_risk
    )
    limits = _limits(settings)
    instruments = settings.execution.rules
    simulated = SimulatedAccount(context, positions, orders, instruments) if instruments is not None else None
    facts = VenueFacts(with_broker=policy.outlives_session, simulated=simulated)
    shares = StrategyShares(settings.strategies, settings.risk.daily_loss_limit) if settings.strategies else None
    drawdown_limit, symbol_loss_limit = settings.risk.drawdown_limit, settings.risk.symbol_loss_limit
    account = AccountLimits(settings.limits, drawdown_limit, symbol_loss_limit, context, positions, orders)
    sizing = _sizing(settings, policy, exits_stop)
    risk = Risk(settings.risk, context, positions, orders, limits, facts, tell_executor, account, shares, sizing)
    stop_watch = reconciler = None
    if (patience_s := policy.stop_patience_s) is not None:
        stop_watch = StopWatch(context, patience_s, positions.open, orders, facts.is_open, tell_executor)
    if policy.outlives_session:
        ours, told = book.rpartition("-")[0] + "-", (tell_executor, tell_of_account, tell_positions)
        reconciler = Reconciler(context, positions, orders, policy.missing_s, ours, *told)
    venue = broker or SimulatedBroker(settings.execution, context, executor)
    return Actors(positions, orders, executor, risk, reconciler, venue)


def _limits(settings: CoreSettings) -> Limits:
    """Return the limits of each order, with what it may cost where the exits of its symbol's strategy are."""
    costs_of = {symbol: settings.of(name).costs for symbol, name in settings.claims.items()}
    refuse_dear = settings.risk.cost_guard == "refuse"
    return Limits(settings.limits, settings.costs, refuse_dear=refuse_dear, costs_of=costs_of)


def _sizing(settings: CoreSettings, policy: ExecutionPolicy, exits_stop: StopOf) -> Sizing | None:
    """Return what computes the size of an entry; None where that is a setting.

    Where a protective stop has to rest at the venue, it is of whole shares: of parts of one, none can rest. In
    simulation it is of whole lots, where the table of instruments has one, or the entry would be refused. The stop to
    size by is the nearest of those that the exits know of, that rests at the venue, and that the fallback has.
    """
    risk = settings.risk
    if risk.size_amount is None:
        return None
    rests = settings.orders.protective_stop if policy.outlives_session else None
    claims = settings.claims

    def stop_of(signal: Signal) -> float | None:
        fallback = settings.of(claims.get(signal.symbol)).fallback.stop
        return min((stop for stop in (exits_stop(signal), rests, fallback) if stop is not None), default=None)

    if policy.outlives_session:
        return Sizing(risk.size, risk.size_amount, WHOLE, stop_of)
    lots = Instruments(settings.execution.instruments)
    return Sizing(risk.size, risk.size_amount, MILLIONTH, stop_of, lots.lot)
