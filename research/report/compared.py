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
    if less.mean is None:
        sentence = "One of the two has no trades: there is nothing to compare."
    elif less.low is None:
        sentence = f"{spanned(less)} a trade more than {b[0].name}: too few trades to tell that from luck."
    else:
        verdict = "more than luck" if less.is_above_zero or less.is_below_zero else "not to be told from luck"
        sentence = f"{spanned(less)} a trade more than {b[0].name}, after costs: {verdict}."
    return Compared(b[0].name, less, sentence, _table(a[1], b[1]), first_difference)


def _table(a: Figures, b: Figures) -> list[list[str]]:
    def column(found: Figures) -> list[str]:
        steps = {step.name: step.bp for step in found.money["steps"]}
        cells = [f"{found.result['trades']:,}", share(found.win_rate), profit(found.result["total_pnl"])]
        cells += [spanned(steps[name]) if name in steps else "not known" for name in ("gross", "net")]
        return [*cells, profit(-found.result["max_drawdown"])]

    names = ["trades", "wins", "P/L after costs", "a trade, before costs", "a trade, after costs", "largest drawdown"]
    return [["", a.source["name"], b.source["name"]], *map(list, zip(names, column(a), column(b), strict=True))]


def first_difference(
    a: Gathered, b: Gathered, paths: tuple[Path, Path], changes: tuple[Changes, Changes], trust: Trust
) -> list[str]:
    """Name the first decision in which two runs differ, where both can be decided or were written down."""
    if "journal" in (a.kind, b.kind):
        return []
    try:
        found = diff.compare(*paths, changes[0], changes[1], trust)
    except UserError as error:
        return [f"the first difference cannot be named: {error}"]
    return list(diff.for_people(found))
