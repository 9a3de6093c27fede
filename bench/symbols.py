"""symbols: what one symbol costs the others."""

from __future__ import annotations

import cProfile
import time
from collections.abc import Callable, Iterable
from itertools import chain, islice
from statistics import median
from typing import Any

from msgspec.structs import replace

from actors.engine.core import Core, CoreSettings
from bench import tape
from bench.results import ROOT, Number, Options, Result, Target
from examples.tapes import TAPES
from pipeline.events import Trade
from pipeline.strategy import Strategy, StrategySettings, Streams, default_exits, momentum_burst
from service import strategies

ABOUT = (
    "Microseconds of the core a tick, with so many symbols taking turns, each at 5 ticks a second of tape time, and of "
    "the same ticks with each symbol in a core of its own; best of interleaved rounds. What a symbol adds to the cost "
    "of a tick of any other is what they cost more together, spread over those added: the median over the rounds."
)
SYMBOLS = (2, 10, 50)
TICKS = (200_000, 2_000)  # in all, however many symbols share them
ROUNDS = (9, 1)
EXAMPLES = (*TAPES, "vwap_filter")  # with the default strategy, ten


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
    return Result("symbols", ABOUT, [*numbers, *_ten_strategies(options)])


def _ten_strategies(options: Options) -> list[Number]:
    """Run ten strategies, each on a symbol of its own: in one core, and in a core each."""
    each = options.sized(*TICKS) // 10
    tapes = [list(islice(tape.trades(number, 5, f"S{number:02}"), each)) for number in range(10)]
    tapes.sort(key=lambda trades: trades[0].ts)
    mixed = sorted(chain.from_iterable(tapes), key=lambda trade: trade.ts)
    exits = default_exits(StrategySettings())
    made = [momentum_burst(StrategySettings()), *(replace(_of_example(name), exits=exits) for name in EXAMPLES)]

    def one_core() -> float:
        coming = iter(made)  # a core builds a symbol's strategy at its first tick: in the order of the tapes

        def entries(ticks: Any, quotes: Any, clock: Any, market: Any) -> Any:
            return next(coming).signals(Streams(ticks, quotes, clock, market))

        return _cpu_s(Strategy("ten", entries, exits), mixed)

    def ten_cores() -> float:
        return sum(_cpu_s(strategy, trades) for strategy, trades in zip(made, tapes, strict=True))

    pairs = [(one_core(), ten_cores()) for _ in range(options.sized(*ROUNDS))]
    added = median(together / alone for together, alone in pairs) - 1
    more_calls = _calls(one_core) / _calls(ten_cores) - 1
    together, alone = (min(seconds) / len(mixed) * 1e6 for seconds in zip(*pairs, strict=True))
    name, target = "symbols.ten_strategies", Target(at_most=5.0)
    return [
        Number(f"{name}.together", together, "us/tick", note="by CPU time"),
        Number(f"{name}.alone", alone, "us/tick", note="by CPU time"),
        Number(f"{name}.added", added * 100, "%", target, "over the sum of each alone, caches of the machine included"),
        Number(f"{name}.more_calls", more_calls * 100, "%", target, "functions called: the work, not its time"),
    ]


def _calls(run: Callable[[], float]) -> int:
    profile = cProfile.Profile()
    profile.runcall(run)
    return int(sum(entry.callcount for entry in profile.getstats()))


def _of_example(name: str) -> Strategy:
    return strategies.load(str(ROOT / "examples" / f"{name}.py:strategy"), StrategySettings())


def _cpu_s(strategy: Strategy, trades: list[Trade]) -> float:
    core = Core(CoreSettings(), strategy)
    began = time.process_time()
    core.run(trades)
    return time.process_time() - began


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
