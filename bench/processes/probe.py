"""What stands in a receiving process and looks at the clock once an event is dealt with."""

from __future__ import annotations

import time
from array import array
from typing import Any

import msgspec

from bench.children import tell
from pipeline.events import Refused, Trade


class ReceiverSpec(msgspec.Struct, frozen=True):
    """What a receiver is to do."""

    url: str
    count: int  # events that will come
    stamped: bool  # ids are the times at which they were sent
    folder: str = ""  # for logs and data
    recorded: bool = True  # by a bot, as it is by default


class Probe:
    """Counts what comes, and says so when all of it has come: how long it took, and how old each event was.

    It costs a tick a few tenths of a microsecond, the same in every receiver.
    """

    def __init__(self, spec: ReceiverSpec) -> None:
        self._left = spec.count
        self._stamped = spec.stamped
        self._ages = array("q")  # ns
        self._timed = 0  # events that came after the first ones
        self._began = 0
        self._cpu_began = 0.0

    def see(self, events: list[Any]) -> None:
        """Take events that came together and have just been dealt with: all of them market data, or none."""
        kind: type = type(events[-1])
        if kind is not Trade and kind is not Refused:
            return
        if self._stamped:
            now = time.monotonic_ns()
            self._ages.extend(now - event.id for event in events if type(event) is Trade and type(event.id) is int)
        self._left -= len(events)
        if not self._began:
            self._timed = self._left
            self._began, self._cpu_began = time.monotonic_ns(), time.process_time()
        if self._left <= 0:
            seconds, cpu_seconds = (time.monotonic_ns() - self._began) / 1e9, time.process_time() - self._cpu_began
            tell("received", events=self._timed, seconds=seconds, cpu_seconds=cpu_seconds, ages=self._ages.tolist())
