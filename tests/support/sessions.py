"""A core with everything that it said, and a strategy that signals when a tick says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from reactivex import Observable, abc

from actors.actor import Receiver
from actors.book import Book
from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import Core, CoreSettings, Input
from actors.engine.strategy_instance import ChainSettings
from actors.execution.policy import OrderSettings, SimulatedExecution
from actors.messages import Fact, PositionClosed, Refusal, SignalRaised, StateChanged
from actors.orders import OrderCommand
from actors.risk.limits import LimitSettings
from actors.risk.risk import RiskSettings
from pipeline import operators as op
from pipeline.events import Clock, Quote, Side, Signal, Trade
from pipeline.operators.lift import Step
from pipeline.strategy import Entries, Exits, Strategy, StrategySettings, default_exits

F = TypeVar("F")

RISK = RiskSettings()
EXECUTION = ExecutionSettings()
LIMITS = LimitSettings()
CHAINS = ChainSettings()
ONE_CHANCE = ChainSettings(restarts=0)
"""A chain that fails is not restarted."""
PATIENT = StrategySettings(profit_target=0.01, stop_loss=0.01, time_stop_seconds=1000, flat_seconds=1000)
"""Exits that leave a position alone unless the price moves by a percent."""


def on_demand(ticks: Observable[Trade]) -> Observable[Signal]:
    """Signal at each tick whose id is LONG or SHORT."""
    return ticks.pipe(op.lift(_on_demand))


def _on_demand(emit: Callable[[Signal], None], scheduler: abc.SchedulerBase | None) -> Step:
    def on_next(tick: Trade) -> None:
        if tick.id in ("LONG", "SHORT"):
            emit(Signal(tick.symbol, tick.ts, Side(str(tick.id)), tick.price, 0.0, 0.0, 0.0))

    return Step(on_next)


class Session:
    """A core fed by a test. Signals come on demand unless `entries` says otherwise."""

    def __init__(
        self,
        *,
        entries: Entries = on_demand,
        exits: Exits | None = None,
        strategy: StrategySettings = PATIENT,
        risk: RiskSettings = RISK,
        execution: ExecutionSettings = EXECUTION,
        limits: LimitSettings = LIMITS,
        chains: ChainSettings = CHAINS,
        broker: Receiver[OrderCommand] | None = None,
        orders: OrderSettings | None = None,
        book: str = "paper",
        debug: bool = False,
    ) -> None:
        self.facts: list[Fact] = []
        self.core = Core(
            CoreSettings(strategy, risk, execution, limits, orders or OrderSettings(), chains),
            Strategy("test", entries, exits or default_exits(strategy)),
            self.facts.append,
            broker=broker,
            policy=SimulatedExecution() if orders is None else None,
            book=book,
            debug=debug,
        )

    def feed(self, *events: Input) -> Session:
        """Feed events as a session does: what is no market data comes when the venue's clock shows its time."""
        for event in events:
            ts = 0 if isinstance(event, Trade | Quote | Clock | Book) else getattr(event, "ts", 0)
            self.core.run([Clock(ts), event] if ts > self.core.now else [event])
        return self

    def of(self, kind: type[F]) -> list[F]:
        """Return the facts of one kind, in order."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def verdicts(self) -> list[Refusal | None]:
        """What risk said to each signal: a reason, or None for an approval."""
        return [fact.reason for fact in self.of(SignalRaised)]

    @property
    def trades(self) -> list[PositionClosed]:
        return self.of(PositionClosed)

    @property
    def exits(self) -> list[str]:
        """Why each trade was closed, in order."""
        return [str(trade.exit_reason) for trade in self.trades]

    @property
    def states(self) -> list[str]:
        """The states that followed ACTIVE, in order."""
        return [str(fact.state) for fact in self.of(StateChanged)]

    @property
    def summary(self) -> dict[str, Any]:
        return self.core.summary()


class RestingBroker:
    """A broker that takes orders and answers only when the test feeds its reports."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def receive(self, message: object) -> None:
        self.messages.append(message)

    def of(self, kind: type[F]) -> list[F]:
        return [message for message in self.messages if isinstance(message, kind)]


def encoded(facts: Iterable[Fact]) -> list[bytes]:
    """Encode facts, so that two runs can be compared byte for byte."""
    return [msgspec.json.encode(fact) for fact in facts]
