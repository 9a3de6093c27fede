"""The exact engine: the core of the live bot itself, once for each of the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from actors.engine.core import Core
from actors.messages import Fact, PositionClosed, SignalRaised
from actors.portfolio.lines import SignalLine, TradeLine
from research.engine.port import Outcome
from service import strategies
from service.recorded import tapes
from service.recorded.replay import core_of, reloading_of
from service.settings import Settings

_TOGETHER = 64  # cores that are fed side by side: so often is a tape decoded once


class ExactEngine:
    """Decides through the core, as `microbot replay` does, byte for byte.

    A tape is decoded once for many settings: each batch of events goes to one core after the other, so that memory
    holds one batch and the cores.
    """

    name = "exact"

    def __init__(self, strategy: strategies.Wanted = None) -> None:
        self._strategy = strategy

    def decide(self, tape: Path, settings: Sequence[Settings]) -> list[Outcome]:
        """Return an outcome for each of the settings, in their order. Raises UserError for a tape that is none."""
        tapes.check(tape)
        recorded = tapes.recorded_settings(tape)
        found: list[Outcome] = []
        for start in range(0, len(settings), _TOGETHER):
            found += self._together(tape, recorded, settings[start : start + _TOGETHER])
        return found

    def _together(
        self, tape: Path, recorded: tapes.SettingsRecorded | None, settings: Sequence[Settings]
    ) -> list[Outcome]:
        outcomes = [Outcome([], [], {}) for _ in settings]
        cores = [self._core(recorded, each, _keeper(outcome)) for each, outcome in zip(settings, outcomes, strict=True)]
        for batch in tapes.read(tape):
            for core in cores:
                core.run(batch)
        for core, outcome in zip(cores, outcomes, strict=True):
            core.finish()
            outcome.summary = core.summary()
        return outcomes

    def _core(self, recorded: tapes.SettingsRecorded | None, settings: Settings, see: Callable[[Fact], None]) -> Core:
        chosen = strategies.lineup(self._strategy, settings)
        reloading = reloading_of(recorded, settings, self._strategy)
        return core_of(recorded, settings, chosen, see, reloading=reloading)


def _keeper(outcome: Outcome) -> Callable[[Fact], None]:
    """Return what keeps of the facts those that a replay writes down."""

    def see(fact: Fact) -> None:
        if isinstance(fact, SignalRaised):
            outcome.signals.append(SignalLine.of(fact))
        elif isinstance(fact, PositionClosed):
            outcome.trades.append(TradeLine.of(fact))

    return see
