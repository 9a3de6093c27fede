"""symbols: what one symbol costs the others."""

from __future__ import annotations

import time
from itertools import islice, pairwise
from statistics import median

from actors.core import Core, CoreSettings
from bench import tape
from bench.options import Options
from bench.results import Number, Result, Target
from pipeline.events import Trade
from pipeline.strategy import StrategySettings, momentum_burst

ABOUT = (
    "Microseconds of the core a tick, with so many symbols taking turns, each at 5 ticks a second of tape time; best "
    "of interleaved rounds. What a symbol more adds to the cost of a tick of any symbol is spread over those added, and "
    "is the median over the rounds."
)
SYMBOLS = (1, 2, 10, 50)
TICKS = (200_000, 2_000)  # in all, however many symbols share them
ROUNDS = (9, 1)


def measure(options: Options) -> Result:
    """Run the same number of ticks through cores with few and with many symbols."""
    count = options.sized(*TICKS)
    tapes = {n: _interleaved(n, count) for n in SYMBOLS}
    rounds: dict[int, list[float]] = {n: [] for n in SYMBOLS}  # us a tick
    for _ in range(options.sized(*ROUNDS)):
        for n, ticks in tapes.items():
            core = Core(CoreSettings(), momentum_burst(StrategySettings()))
            began = time.perf_counter()
            core.run(ticks)
            rounds[n].append((time.perf_counter() - began) / count * 1e6)
    numbers = [Number(f"symbols.{n}", min(rounds[n]), "us/tick") for n in SYMBOLS]
    for fewer, more in pairwise(SYMBOLS):
        ratio = median(b / a for a, b in zip(rounds[fewer], rounds[more], strict=True))
        per_symbol = ratio ** (1 / (more - fewer)) - 1
        numbers.append(Number(f"symbols.{fewer}_to_{more}", per_symbol * 100, "% a symbol", Target(at_most=3.0)))
    return Result("symbols", ABOUT, numbers)


def _interleaved(symbols: int, count: int) -> list[Trade]:
    """Return trades of so many symbols in order of time; the symbols' walks differ, their character does not."""
    each = -(-count // symbols)
    every = [t for n in range(symbols) for t in islice(tape.trades(n, 5, f"S{n:02}"), each)]
    return sorted(every, key=lambda trade: trade.ts)[:count]
