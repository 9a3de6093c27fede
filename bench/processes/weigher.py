"""Runs ticks through a core, or a whole session, and says how much memory the process held before and after."""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from actors.engine.core import Core, CoreSettings
from actors.gateway.gate import Gate
from actors.gateway.journal import MemoryJournal
from actors.messages import Fact
from bench import tape
from bench.children import tell
from pipeline.strategy import StrategySettings, momentum_burst
from service.live.session import Session
from service.live.telemetry import Telemetry
from web.messages import SessionStarted

AT_ONCE = 100


def resident() -> int:
    """Return the bytes of memory that the process holds."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # the most ever held: the next best thing
    return most if sys.platform == "darwin" else most * 1024


def memory_of(pid: int) -> int:
    """Return the bytes of memory that another process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def core_alone() -> Callable[[Sequence[Any]], object]:
    return Core(CoreSettings(), momentum_burst(StrategySettings())).run


def session() -> Callable[[Sequence[Any]], object]:
    """Return what a live session does with a batch of ticks, and with what the dashboard is told of it."""
    facts: list[Fact] = []
    core = Core(CoreSettings(), momentum_burst(StrategySettings()), facts.append)
    gate = Gate(MemoryJournal())
    gate.start()
    started = SessionStarted("1", "momentum_burst", "bench", "bench", (), True, tape.START, {})
    telemetry = Telemetry(core, started)
    live = Session(core, facts, gate, None, telemetry.gather, (telemetry.note_fact,))

    def run(ticks: Sequence[Any]) -> None:
        for tick in ticks:
            live.take([tick])
        gate.beat()
        telemetry.messages()

    return run


def main(kind: str, count: str) -> None:
    run = {"core": core_alone, "session": session}[kind]()
    ticks = tape.trades(7, 5)

    def feed(number: int) -> None:
        for _ in range(number // AT_ONCE):
            run(list(islice(ticks, AT_ONCE)))

    feed(int(count) // 5)
    before = resident()
    feed(int(count))
    tell("weighed", before=before, after=resident())


if __name__ == "__main__":
    main(*sys.argv[1:])
