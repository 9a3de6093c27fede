"""One run of a strategy over events: what it signalled, what failed, and what was closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from actors.engine.core import Core, Input
from actors.messages import ChainFailed, Fact, PositionClosed, PositionReduced, SignalRaised
from pipeline.strategy import Strategy
from service.settings import Settings


class Signalled(NamedTuple):
    """A signal as checks compare them."""

    input: int
    symbol: str
    side: str
    ts: int


class Run(NamedTuple):
    """What a strategy did on a tape."""

    signals: list[Signalled]
    failures: list[ChainFailed]
    closed: list[PositionClosed | PositionReduced]  # trades, and parts of them
    core: Core


def run(strategy: Strategy, settings: Settings, events: Iterable[Input], *, finish: bool = True) -> Run:
    """Decide on events with a fresh core."""
    signals: list[Signalled] = []
    failures: list[ChainFailed] = []
    closed: list[PositionClosed | PositionReduced] = []

    def look(fact: Fact) -> None:
        if isinstance(fact, SignalRaised):
            signals.append(Signalled(fact.input, fact.signal.symbol, fact.signal.side, fact.signal.ts))
        elif isinstance(fact, ChainFailed):
            failures.append(fact)
        elif isinstance(fact, PositionClosed | PositionReduced):
            closed.append(fact)

    core = Core(settings.core, strategy, look)
    core.run(events)
    if finish:
        core.finish()
    return Run(signals, failures, closed, core)
