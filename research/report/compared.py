"""One run beside another: their figures in columns, the difference with its interval, and the first one, named."""

from __future__ import annotations

from pathlib import Path

import msgspec

from research.report.figures import Figures, net_bp
from research.report.gathered import Gathered
from research.report.words import profit, share, spanned
from research.statistics.intervals import Interval, blocks_of, difference_of
from service.errors import UserError
from service.figures import zone_of
from service.recorded import diff
from service.recorded.decisions import Changes
from service.recorded.trust import Trust


class Compared(msgspec.Struct, frozen=True):
    """How two runs compare; the difference is the first run's mean a trade, after costs, less the other's."""

    other: str
    difference_bp: Interval
    sentence: str
    table: list[list[str]]
    lines: list[str] = []


def compared(a: tuple[Gathered, Figures], b: tuple[Gathered, Figures], first_difference: list[str]) -> Compared:
    """Put two runs beside each other."""
    trades = [*a[0].trades, *b[0].trades]
    blocks = blocks_of([trade.line.entry_ts for trade in trades], zone_of(a[0].zone))
    less = difference_of([net_bp(t) for t in a[0].trades], [net_bp(t) for t in b[0].trades], blocks)
    other = _name_beside(a[0].name, b[0].name)
    told = f"A trade earned {spanned(less)} more than in {other} after costs"
    if less.mean is None:
        sentence = "One of the two has no trades: there is nothing to compare."
    elif less.method == "too few blocks":
        few = "one trading day" if not blocks.length_s else "one stretch of time"
        sentence = f"{told}: too few blocks, as all trades of one of the two are of {few}; luck cannot be told apart."
    elif less.low is None:
        sentence = f"{told}: too few trades to tell that from luck."
    elif less.is_above_zero or less.is_below_zero:
        sentence = f"{told}: a difference beyond luck."
    else:
        sentence = f"{told}: no difference that could be told from luck."
    return Compared(other, less, sentence, _table(a[1], b[1], other), first_difference)


def _name_beside(first: str, other: str) -> str:
    return f"{other} (other)" if first == other else other


def _table(a: Figures, b: Figures, other: str) -> list[list[str]]:
    def column(found: Figures) -> list[str]:
        steps = {step.name: step.bp for step in found.money["steps"]}
        cells = [f"{found.result['trades']:,}", share(found.win_rate), profit(found.result["total_pnl"])]
        gross = spanned(steps["gross"]) if "gross" in steps else "not known"
        if found.money["trades"] < found.money["of"]:
            gross += f" of {found.money['trades']:,} trades"
        net = spanned(found.luck["net"]["bp"]) if "net" in found.luck else "not known"
        cells += [gross, net]
        return [*cells, profit(-found.result["max_drawdown"])]

    names = ["trades", "wins", "P/L after costs", "a trade, before costs", "a trade, after costs", "largest drawdown"]
    return [["", a.source["name"], other], *map(list, zip(names, column(a), column(b), strict=True))]


def first_difference(
    a: Gathered, b: Gathered, paths: tuple[Path, Path], changes: tuple[Changes, Changes], trust: Trust
) -> list[str]:
    """Name the first decision in which two runs differ, where both can be decided, or were written down."""
    symbols = {trade.line.symbol for trade in a.trades} | a.bars.keys()
    if "journal" in (a.kind, b.kind) or not symbols & ({trade.line.symbol for trade in b.trades} | b.bars.keys()):
        return []  # nothing of theirs could be the same
    try:
        found = diff.compare(*paths, changes[0], changes[1], trust)
    except UserError as error:
        return [f"the first difference cannot be named: {error}"]
    return list(diff.for_people(found))
