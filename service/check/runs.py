"""One run of a strategy over events: what it signalled, what failed, and what was closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from actors.engine.core import Core, Input
from actors.messages import ChainFailed, Fact, PositionClosed, PositionReduced, SignalRaised
from pipeline.exits import SignalExits
from pipeline.strategy import Strategy
from service.settings import Settings


class Signalled(NamedTuple):
    """A signal as checks compare them."""

    input: int
    symbol: str
    side: str
    ts: int
    carried: tuple[Any, ...] = ()  # quantity, limit, time to live and names of its exits


class Run(NamedTuple):
    """What a strategy did on a tape."""

    signals: list[Signalled]
    failures: list[ChainFailed]
    closed: list[PositionClosed | PositionReduced]  # trades, and parts of them
    core: Core
    exits: tuple[SignalExits, ...] = ()  # that its signals carried, each once


def run(strategy: Strategy, settings: Settings, events: Iterable[Input], *, finish: bool = True) -> Run:
    """Decide on events with a fresh core."""
    signals: list[Signalled] = []
    failures: list[ChainFailed] = []
    closed: list[PositionClosed | PositionReduced] = []
    exits: dict[SignalExits, None] = {}

    def look(fact: Fact) -> None:
        if isinstance(fact, SignalRaised):
            said = fact.signal
            carried = (said.quantity, said.limit, said.good_for, said.exits)
            signals.append(Signalled(fact.input, said.symbol, said.side, said.ts, carried))
            if said.exits:
                exits.setdefault(said.exits)
        elif isinstance(fact, ChainFailed):
            failures.append(fact)
        elif isinstance(fact, PositionClosed | PositionReduced):
            closed.append(fact)

    core = Core(settings.core, strategy, look)
    core.run(events)
    if finish:
        core.finish()
    return Run(signals, failures, closed, core, tuple(exits))
