"""What the terminal shows: progress bars, tables, summaries."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from service import figures, outlet
from service.check.checks import Finding
from service.options import Outcome
from service.outlet import OutputGone
from service.recorded.replay import summary_json
from service.visible import visible, visible_json

_MONEY = {"total_pnl", "daily_pnl", "equity", "max_drawdown", "current_drawdown"}
_OF_RUN = {"total_pnl": "total_pnl (this run)"}  # the day's, and the equity, are the book's: of every run on it
_LOOK_S = 0.1  # real seconds between two looks whether there is still time for an answer
_PERCENT = {"win_rate", "max_drawdown_pct"}


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal's stderr while bytes are worked through; elsewhere, nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def print_summary(summary: dict[str, object], *, as_json: bool | None = None) -> None:
    """Print a summary: a table for people, JSON for programs."""
    if outlet.for_machines(as_json):
        sys.stdout.write(visible_json(summary_json(summary).decode()))
        return
    table = Table(show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in summary.items():
        if name == "strategies" and isinstance(value, dict):
            for strategy, found in value.items():
                table.add_row(f"strategy {strategy}", Text(visible(_strategy(found))))
                _add_parameters(table, f"strategies.{strategy}", found.get("parameters", {}))
        elif name == "failures" and isinstance(value, dict):
            table.add_row(name, f"{value['count']:,}")
        elif name == "parameters" and isinstance(value, dict):
            _add_parameters(table, "strategy", value)
        elif name == "metrics" and isinstance(value, dict):
            for symbol, measured in value.items():
                for metric, figures_ in measured.items():
                    table.add_row(visible(f"{metric} ({symbol})"), _measured(figures_))
        elif isinstance(value, dict):
            table.add_row(name, Text(visible("  ".join(f"{key} {count}" for key, count in value.items()) or "-")))
        else:
            table.add_row(_OF_RUN.get(name, name), _shown(name, value))
    Console().print(table)


def _add_parameters(table: Table, section: str, parameters: dict[str, dict[str, float]]) -> None:
    for name, told in parameters.items():
        said = f"{told['value']:g} (default {told['default']:g}, {told['low']:g} to {told['high']:g})"
        table.add_row(f"{section}.{name}", said)


def _measured(figures_: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:,.6g}" for name, value in figures_.items())


def _strategy(found: dict[str, Any]) -> str:
    """Return what a strategy has come to, on a line."""
    pnl, halted = figures.money(found["total_pnl"], grouped=True), "  HALTED" if found["halted"] else ""
    counts = "  ".join(
        f"{name} {found[name]:,}" for name in ("signals", "approved", "trades", "failures") if found[name]
    )
    return "  ".join(filter(None, (" ".join(found["symbols"]), counts, pnl))) + halted


def _shown(name: str, value: object) -> str:
    if name in _MONEY and isinstance(value, int | float):
        return figures.money(value, grouped=True)
    if name in _PERCENT and isinstance(value, int | float):
        return figures.percent(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def can_ask() -> bool:
    """Whether a person sits at the terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, is_late: Callable[[], bool] = lambda: False) -> str:
    """Put a question to the person at the terminal; an empty answer where there is none, or once it is late."""
    print(visible(question), end="", file=sys.stderr, flush=True)
    if sys.platform != "win32":  # there, nothing tells whether a line is there
        while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
            if is_late():
                return ""
    return sys.stdin.readline()


def say(sentence: str) -> None:
    """Tell the person at the terminal something that is no log event."""
    print(visible(sentence), file=sys.stderr, flush=True)


def say_finding(finding: Finding) -> None:
    """Print what one check found, and the smallest tape that shows it."""
    print(visible(f"{'ok  ' if finding.passed else 'FAIL'}  {finding.name}: {finding.sentence}"), flush=True)
    for line in finding.tape:
        print(visible(f"        {line}"))


def say_failures(summary: dict[str, object]) -> None:
    """Say which symbols' strategies did not run in the end, and why; how often any failed, and where at first."""
    failed = summary["failed"]
    assert isinstance(failed, dict)
    for symbol, failure in failed.items():
        say(f"the strategy of {symbol} is {failure}")
    failures = summary.get("failures")
    if isinstance(failures, dict) and failures["count"]:
        first, count = failures["first"], failures["count"]
        times = "once" if count == 1 else f"{count:,} times"
        say(f"a strategy FAILED {times}; the first time at {first['symbol']}, input {first['input']:,}:")
        for line in first["traceback"]:
            say(f"  {line}")


def print_outcome(outcome: Outcome, log_file: Path | None, *, as_json: bool | None = None) -> None:
    """Print how a session ended: its summary, what stays open, and where to read on. Raises OutputGone."""
    gone: OutputGone | None = None
    try:
        print_summary(outcome.summary, as_json=as_json)
        sys.stdout.flush()
    except OutputGone as error:
        gone = error  # once all is said
    say_failures(outcome.summary)
    if outcome.failure:
        say(f"microbot: {outcome.failure}")
    if outcome.open_positions:
        say(f"still open: {', '.join(outcome.open_positions)}")
    if outcome.record_failure:
        say(f"microbot: {outcome.record_failure}")
    elif outcome.record is not None:
        others = f", and {outcome.sessions - 1} before it in {outcome.record.parent}" if outcome.sessions > 1 else ""
        say(f"recorded: {outcome.record} (microbot replay {outcome.record}){others}")
    if log_file is not None:
        say(f"log: {log_file} (microbot logs --log-dir {log_file.parent})")
    if gone is not None:
        raise gone
