"""Gauges: the newest readings of every symbol, and a warning where a condition does not say the same again."""

from __future__ import annotations

from math import isnan

from loguru import logger

from actors.core import Core
from pipeline.events import Frame, Reading
from web.messages import GaugesSeen

_log = logger.bind(logger="microbot.strategy")


class Gauges:
    """Asks the conditions of each symbol's newest frame, past the chain that asks them for its decisions.

    A condition that remembers is changed by being asked, and a replay, which has no dashboard, decides otherwise. So
    each is asked twice: one that answers the second time otherwise is named in the log, once, and so is one that
    gives no number while its window is ready: nothing is ever on the right side of that.
    """

    def __init__(self) -> None:
        self._named: set[tuple[str, str]] = set()  # what was said of which condition

    def of(self, core: Core) -> list[GaugesSeen]:
        """Return the gauges of all symbols."""
        return [self._of(frame) for lane in core.lanes.values() if (frame := lane.clock.frame) is not None]

    def _of(self, frame: Frame) -> GaugesSeen:
        readings = frame.readings
        again = frame.readings
        if readings != again or any(isnan(reading.value) for reading in readings):
            self._judge(frame, readings, {reading.name: reading for reading in again})
        return GaugesSeen(frame.symbol, frame.ts, frame.ready, readings)

    def _judge(self, frame: Frame, readings: tuple[Reading, ...], again: dict[str, Reading]) -> None:
        for reading in readings:
            name = reading.name
            if isnan(reading.value):
                if frame.ready:
                    self._name("condition.not_a_number", name, f"{name} gives no number (NaN), and so is never met")
            elif again.get(name) != reading:
                sentence = (
                    f"{name} gives another value when it is asked again about the same tick: it remembers, the "
                    "dashboard changes it, and a replay will decide otherwise; use op.running_condition for it"
                )
                self._name("condition.remembers", name, sentence)

    def _name(self, event: str, name: str, sentence: str) -> None:
        if (event, name) not in self._named:
            self._named.add((event, name))
            _log.bind(event=event, condition=name).warning("{}", sentence)
