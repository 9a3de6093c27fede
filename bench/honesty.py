"""honesty: what a report says of markets without an edge, and of trades that have one."""

from __future__ import annotations

import time
from datetime import UTC

from bench.results import Number, Options, Result, Target
from research.report import sources
from research.report.figures import figures_of
from research.statistics.chance import random_walk, trades_with_edge
from research.statistics.intervals import blocks_of, mean_of
from service import settings, strategies

ABOUT = (
    "Of random walks, decided by the default strategy: how many are said to have no edge before costs that could be "
    "told from luck, and of how many a profit is claimed. Of mornings of 400 trades whose true mean is 2 bp: in how "
    "many that is found. At the 95 % level chance alone gives 190 of 200, and 5 (none, as costs are paid)."
)
TIMES = (200, 4)
EDGE_BP = 2.0
_EAGER = (
    "strategy.entry_threshold=0.0005",
    "strategy.volatility_guard_threshold=0.0005",
    "risk.cooldown_trades_after_loss=0",
)


def measure(options: Options) -> Result:
    """Report on markets and trades made by chance, and count what is said."""
    times = options.sized(*TIMES)
    effective = settings.load(assignments=_EAGER, environment={})
    began = time.process_time()
    luck = claimed = trades = 0
    for seed in range(times):
        found = figures_of(sources.decide([list(random_walk(seed))], effective, strategies.lineup(None, effective)))
        luck += found.luck["gross"]["verdict"] == "luck"
        claimed += found.luck["net"]["verdict"] == "above zero"
        trades += found.result["trades"]
    each = (time.process_time() - began) / times
    edges = sum(_is_found(seed) for seed in range(times))
    share = times / TIMES[0]
    return Result(
        "honesty",
        ABOUT,
        [
            Number("honesty.walks.luck", luck, f"of {times}", Target(at_least=180 * share)),
            Number("honesty.walks.claimed", claimed, f"of {times}", Target(at_most=10 * share)),
            Number("honesty.walks.trades", trades / times, "trades a walk"),
            Number("honesty.edge.found", edges, f"of {times}", Target(at_least=180 * share)),
            Number("honesty.walks.cpu", each, "CPU s a walk", note="decided, with its figures; no page"),
        ],
    )


def _is_found(seed: int) -> bool:
    times, values = trades_with_edge(seed, EDGE_BP)
    return mean_of(values, blocks_of(times, UTC)).is_above_zero
