"""Gauges: the newest readings of every symbol, and a warning where a condition cannot be trusted."""

from __future__ import annotations

from loguru import logger

from actors.engine.core import Core
from pipeline.operators.frame import Frame
from service.conditions import Judge
from web.messages import GaugesSeen

_log = logger.bind(logger="microbot.strategy")


class Gauges:
    """Asks the conditions of each symbol's newest frame; what is doubtful about them is logged once."""

    def __init__(self) -> None:
        self._judge = Judge()

    def of(self, core: Core) -> list[GaugesSeen]:
        """Return the gauges of all symbols."""
        found = []
        for context in core.contexts.values():
            if (frame := context.probe.frame) is not None:
                with core.clock.working_for(context.index):
                    found.append(self._of(frame))
        return found

    def _of(self, frame: Frame) -> GaugesSeen:
        readings, doubts = self._judge.readings(frame)
        for doubt in doubts:
            _log.bind(event=doubt.event, condition=doubt.condition).warning("{}", doubt.sentence)
        return GaugesSeen(frame.symbol, frame.ts, frame.ready, readings)
