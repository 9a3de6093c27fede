"""A sweep's answer for people, on a terminal, and for programs, as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from research.sweeps.answer import SURE, Figures
from research.sweeps.heat import HeatMap, printed
from service.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from research.sweeps.sweep import Answer

_WIDTH = 120
_SECOND = 1_000_000_000


def as_json(answer: Answer) -> dict[str, Any]:
    """Return the answer as plain values: money after fees, times in ns since 1970 (UTC), shares from 0 to 1."""
    found, q = answer.found, answer.question
    plain: dict[str, Any] = msgspec.to_builtins(found)
    plain["best"] = None if found.best is None else {"setting": found.best + 1, "parameters": answer.number(found.best)}
    for fold, told in zip(found.folds, plain["folds"], strict=True):
        told["parameters"] = answer.number(fold.chosen)
        told["chosen"] = None if fold.chosen is None else fold.chosen + 1
    plain["survival"]["share"] = found.survival.share
    return {
        "tapes": [str(tape) for tape in q.tapes],
        "parameters": {axis.path: list(axis.values) or [axis.low, axis.high] for axis in q.space.axes},
        "method": q.method,
        "seed": q.seed,
        "objective": q.objective,
        "engine": answer.engine,
        "why_not_compiled": answer.why,
        "folder": str(answer.folder),
        "checked": msgspec.to_builtins(answer.checked),
    } | plain


def lines(answer: Answer) -> Group:
    """Return the answer as it is printed: the best setting, its windows, and whether to believe it."""
    return Group(_best(answer), Text(""), _windows(answer), Text(""), _doubts(answer), Text(""), _sentence(answer))


def _best(answer: Answer) -> Table:
    table, found = _plain(), answer.found
    if found.best is None:
        _row(table, "best setting", "none: no setting made enough trades")
        return table
    _row(table, "best setting", _parameters(answer, found.best), "bold")
    _row(table, "in sample", f"{_figures(found.whole)}   with hindsight, over all the time")
    interval = found.interval
    said = f"{_figures(found.outside)}   chosen before each window, and never on it"
    if interval.low is not None and interval.high is not None:
        n = found.outside.trades
        low, high = interval.low, interval.high
        said = (
            f"{_figures(found.outside)}   95 % of a trade: {_each(low)} to {_each(high)}; "
            f"of all: {_money(low * n)} to {_money(high * n)}"
        )
    _row(table, "out of sample", said, "bold")
    return table


def _windows(answer: Answer) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("out of sample (UTC)", "chosen before it"):
        table.add_column(name)
    for name in ("in sample", "trades", "out of sample", "trades"):
        table.add_column(name, justify="right")
    for fold in answer.found.folds:
        begins, ends = _time(fold.window.cut), _time(fold.window.ends)
        when = f"{begins} - {ends[11:] if begins[:10] == ends[:10] else ends}"
        if fold.chosen is None:
            table.add_row(when, "none: too few trades in sample", "-", "-", "-", "-")
            continue
        inside, out = fold.inside, fold.outside
        values = ", ".join(map(_value, answer.samples[fold.chosen]))
        earned = _money(out.net) if out.trades else "-"
        table.add_row(when, Text(visible(values)), _money(inside.net), f"{inside.trades:,}", earned, f"{out.trades:,}")
    return table


def _doubts(answer: Answer) -> Table:
    table, found = _plain(), answer.found
    _row(table, "settings tried", f"{found.tried:,}; {found.traded:,} traded, {found.distinct:,} of them differently")
    survival = found.survival
    if survival.share is not None:
        both = f"{survival.share:.0%} of those that earned in sample and traded out of it earned there too"
        said = f"{both} ({survival.of_all:.0%} of all did)"
        _row(table, "that survive", said)
    if found.deflated is not None:
        deflated = found.deflated
        said = (
            f"{deflated.probability:.2f}   that the best of {deflated.trials:,} is more than the best of luck "
            f"({SURE:.2f} or more is wanted)"
        )
        _row(table, "deflated Sharpe", said)
    if found.overfitting is not None:
        over = found.overfitting
        said = (
            f"{over.probability:.0%}   the best of one half of the time is below the median in the other, "
            f"and loses there in {over.loss:.0%}"
        )
        _row(table, "overfitting (PBO)", said)
    if found.superiority is not None:
        spa = found.superiority
        said = f"p = {spa.spa:.3f}   without an edge the search finds as much so often (White's reality check: "
        _row(table, "SPA test", f"{said}{spa.reality_check:.3f})")
    if answer.checked is not None:
        checked = answer.checked
        said = f"{checked.cells:,} results decided again by the core, with {checked.trades:,} trades: all the same"
        _row(table, "checked", said)
    return table


def _sentence(answer: Answer) -> Text:
    return Text(answer.found.sentence, style="bold green" if answer.found.believe else "bold")


def print_answer(answer: Answer, maps: Sequence[HeatMap] = ()) -> None:
    """Print it to standard output, the first heat map above it: the sentence at the end is what counts."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)  # a file has no width of its own
    console.print(printed(maps[:1]), lines(answer))


def _plain() -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    return table


def _row(table: Table, name: str, said: str, style: str = "") -> None:
    table.add_row(name, Text(visible(said), style=style))


def _parameters(answer: Answer, setting: int) -> str:
    return "  ".join(f"{path} = {_value(value)}" for path, value in answer.number(setting).items())


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _figures(figures: Figures) -> str:
    each = figures.per_trade
    if not figures.trades:
        return "no trade"
    of_each = "" if each is None else f", {_each(each)} a trade, {figures.wins / figures.trades:.0%} won"
    return f"{_money(figures.net)} in {figures.trades:,} {'trade' if figures.trades == 1 else 'trades'}{of_each}"


def _money(value: float) -> str:
    return f"{value:+,.2f}"


def _each(value: float) -> str:
    """Say what one trade brings, which is often less than a cent."""
    return f"{value:+,.4f}"


def _time(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // _SECOND, UTC):%Y-%m-%d %H:%M}"
