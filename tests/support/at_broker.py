"""Sessions at a broker as recordings, made in virtual time: the same bytes for the same arguments."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from actors.engine.core import CoreSettings, Input
from service.recorded.recording import Recorder
from simulation.faults import EAGER, Faults, Scenario
from simulation.world import World


@cache
def _inputs(
    seed: int, seconds: float, latency_s: float, worse_bps: float, thin_book: bool
) -> tuple[str, CoreSettings, tuple[Input, ...]]:
    scenario = Scenario(Faults(latency_s=latency_s, thin_book=thin_book), EAGER)
    world = World(seed, scenario)
    if worse_bps:
        world.venue.worsen_fills(worse_bps)
    world.run(seconds)
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
) -> Path:
    """Write the recording of a session at the mock exchange.

    A request takes `latency_s` on average (exponential), fills are so many basis points worse than what is displayed,
    and with a thin book a quote shows one share.
    """
    book, settings, inputs = _inputs(seed, seconds, latency_s, worse_bps, thin_book)
    recorder = Recorder(path, settings, None, book)
    recorder.write(inputs)
    recorder.close()
    assert not recorder.failed
    return path
