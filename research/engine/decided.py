"""What many settings decide on one tape, in columns: what a sweep keeps, and its statistics read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from research.engine.port import Outcome

COUNTS = ("ticks", "ready", "bursts", "signals", "approved")
TRADE_FIELDS = (
    "symbol", "side", "quantity", "entry_ts", "entry_price", "exit_ts", "exit_price", "exit_reason", "pnl", "fees",
)  # fmt: skip
"""What is kept of a trade, as in `trades.jsonl`."""


class Decided(NamedTuple):
    """What some of the settings, by their indices, decide on one tape.

    `counts` has a number a setting, by name, and `trades` the fields of all their trades, those of a setting one after
    the other, in the order of `settings`; `counts["trades"]` says how many each has.
    """

    settings: Sequence[int]
    counts: dict[str, Any]
    trades: dict[str, Any]


def of_outcomes(settings: Sequence[int], outcomes: Sequence[Outcome]) -> Decided:
    """Put outcomes of any engine into columns."""
    counts: dict[str, list[int]] = {name: [] for name in (*COUNTS, "trades", "open", "failures")}
    for outcome in outcomes:
        summary = outcome.summary
        for name in COUNTS:
            counts[name].append(int(summary["funnel"][name]))
        counts["trades"].append(len(outcome.trades))
        counts["open"].append(int(summary["open_positions"]))
        counts["failures"].append(int(summary.get("failures", {}).get("count", 0)))
    lines = [line for outcome in outcomes for line in outcome.trades]
    return Decided(settings, counts, {name: [getattr(line, name) for line in lines] for name in TRADE_FIELDS})
