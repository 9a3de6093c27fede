"""symbols: what one symbol costs the others."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import chain, islice
from statistics import median

from actors.engine.core import Core, CoreSettings
from bench import tape
from bench.results import Number, Options, Result, Target
from pipeline.events import Trade
from pipeline.strategy import StrategySettings, momentum_burst

ABOUT = (
    "Microseconds of the core a tick, with so many symbols taking turns, each at 5 ticks a second of tape time, and of "
    "the same ticks with each symbol in a core of its own; best of interleaved rounds. What a symbol adds to the cost "
    "of a tick of any other is what they cost more together, spread over those added: the median over the rounds."
)
SYMBOLS = (2, 10, 50)
TICKS = (200_000, 2_000)  # in all, however many symbols share them
ROUNDS = (9, 1)


def measure(options: Options) -> Result:
    """Run the same ticks through one core for all symbols, and through one for each."""
    numbers = []
    for n in SYMBOLS:
        each = options.sized(*TICKS) // n
        tapes = [list(islice(tape.trades(number, 5, f"S{number:02}"), each)) for number in range(n)]
        mixed = sorted(chain.from_iterable(tapes), key=lambda trade: trade.ts)
        together, alone = [], []
        for _ in range(options.sized(*ROUNDS)):
            together.append(_us([mixed]))
            alone.append(_us(tapes))
        ratio = median(one / other for one, other in zip(together, alone, strict=True))
        added = (ratio ** (1 / (n - 1)) - 1) * 100
        numbers += [
            Number(f"symbols.{n}.together", min(together), "us/tick"),
            Number(f"symbols.{n}.alone", min(alone), "us/tick"),
            Number(f"symbols.{n}.added", added, "% a symbol", Target(at_most=3.0)),
        ]
    return Result("symbols", ABOUT, numbers)


def _us(tapes: Iterable[list[Trade]]) -> float:
    """Run each tape through a core of its own; return microseconds a tick."""
    seconds, ticks = 0.0, 0
    for trades in tapes:
        core = Core(CoreSettings(), momentum_burst(StrategySettings()))
        began = time.perf_counter()
        core.run(trades)
        seconds += time.perf_counter() - began
        ticks += len(trades)
    return seconds / ticks * 1e6
