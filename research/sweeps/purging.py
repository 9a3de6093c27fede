"""The gap before a walk-forward window: what is in sample must not reach into it, nor what is out of it look back.

Lopez de Prado, "Advances in Financial Machine Learning" (2018), chapter 7.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.clock import InputClock, SymbolClock
from pipeline.operators.lift import Source
from pipeline.strategy import Strategies, Strategy, StrategySettings, Streams
from research.sweeps.timeline import SECOND
from service.settings import Settings


class Purge(msgspec.Struct, frozen=True):
    """A gap in seconds: the longest window and the longest time in a position, as far as these are known.

    `unknown` names strategies whose windows or exits do not say how far they reach.
    """

    window_s: float
    hold_s: float
    unknown: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return self.window_s + self.hold_s


def purge_of(lineups: Iterable[Strategies], corners: Iterable[Settings]) -> Purge:
    """Return the gap that all strategies want, each with each of its settings."""
    window = hold = 0.0
    unknown: dict[str, None] = {}
    for lineup, settings in zip(lineups, corners, strict=True):
        users = [(lineup.rest, settings.strategy), *((lineup.named[n], use) for n, use in settings.strategies.items())]
        for strategy, values in users:
            back, held = _looks_back(strategy, values), _holds(strategy, values)
            if not back or held is None:
                unknown[strategy.name] = None
            window, hold = max(window, back), max(hold, held or 0.0)
    return Purge(window, hold, tuple(unknown))


def _holds(strategy: Strategy, values: StrategySettings) -> float | None:
    """Return how long a position lasts at most; None where the strategy has exits of its own."""
    return values.time_stop_seconds if "time_stop_seconds" in strategy.reads else None


def _looks_back(strategy: Strategy, values: StrategySettings) -> float:
    """Return how far the windows look back: their operators say so once they are subscribed to; 0: none does."""
    if "window_size" in strategy.reads:
        return values.window_size
    clock = SymbolClock(InputClock())

    def streams(_: str = "") -> Streams:
        return Streams(Source(), Source(), clock, streams)

    try:
        strategy.signals(streams()).subscribe(scheduler=clock).dispose()
    except Exception:  # what an author's operators raise is said where they run
        return 0.0
    return clock.probe.warm_up / SECOND


def said_of(purge: Purge) -> str | None:
    """Say that the gap may be too short, and what to do; None where it is not."""
    if not purge.unknown:
        return None
    return (
        f"the gap before each window is {purge.seconds:g} s, and how far {', '.join(purge.unknown)} looks back or how "
        "long it holds a position is not known: --purge SECONDS says it"
    )
