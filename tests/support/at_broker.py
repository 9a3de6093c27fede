"""Sessions at a broker as recordings, made in virtual time: the same bytes for the same arguments."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from actors.engine.core import CoreSettings, Input
from pipeline.events import SECOND
from service.recorded.recording import Recorder
from simulation.faults import EAGER, Faults, Scenario
from simulation.world import World


@cache
def _inputs(
    seed: int, seconds: float, latency_s: float, worse_bps: float, thin_book: bool, settle: bool
) -> tuple[str, CoreSettings, tuple[Input, ...]]:
    scenario = Scenario(Faults(latency_s=latency_s, thin_book=thin_book), EAGER)
    world = World(seed, scenario)
    if worse_bps:
        world.venue.worsen_fills(worse_bps)
    if settle:
        world.run(seconds)
    else:
        world.begin()
        world.scheduler.run_to(scenario.start + round(seconds * SECOND))
        world.close()
    part = world.bot.parts[-1]
    return part.book, scenario.settings, tuple(part.log)


def record(
    path: Path,
    seed: int = 1,
    seconds: float = 60.0,
    *,
    latency_s: float = 0.02,
    worse_bps: float = 0.0,
    thin_book: bool = False,
    settle: bool = True,
) -> Path:
    """Write the recording of a session at the mock exchange, which goes on until all is closed, if it is to `settle`.

    A request takes `latency_s` on average (exponential), fills are so many basis points worse than what is displayed,
    and with a thin book a quote shows one share.
    """
    book, settings, inputs = _inputs(seed, seconds, latency_s, worse_bps, thin_book, settle)
    recorder = Recorder(path, settings, None, book)
    recorder.write(inputs)
    recorder.close()
    assert not recorder.failed
    return path
