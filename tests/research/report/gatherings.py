"""Runs that a report is made of: decided from small tapes of our own, or put together by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from actors.engine.core import Input
from actors.portfolio.lines import TradeLine
from pipeline.events import SECOND
from research.report import sources
from research.report.figures import Figures, figures_of
from research.report.gathered import Costs, Gathered, Trade
from research.statistics.chance import random_walk
from service import settings, strategies
from service.recorded.recording import Recorder
from tests.support.market import START

EAGER = (
    "strategy.entry_threshold=0.0005",
    "strategy.volatility_guard_threshold=0.0005",
    "risk.cooldown_trades_after_loss=0",
)
"""Settings that trade often on a random walk."""


def decided(events: Iterable[Input], *assignments: str) -> Gathered:
    """Decide events with the default strategy."""
    effective = settings.load(assignments=assignments, environment={})
    return sources.decide([list(events)], effective, strategies.lineup(None, effective))


def walked(seed: int, ticks: int = 3_000, *assignments: str) -> Gathered:
    """Decide a random walk with settings that trade often."""
    return decided(random_walk(seed, ticks), *EAGER, *assignments)


def record(path: Path, events: Sequence[Input], *assignments: str) -> Path:
    """Write a session's recording."""
    recorder = Recorder(path, settings.load(assignments=assignments, environment={}).core, None)
    recorder.write(events)
    recorder.close()
    return path


def line(number: int, pnl: float, *, symbol: str = "A", reason: str = "TIME", every_s: int = 30) -> TradeLine:
    """A trade of a hundred shares at 100: a profit of a dollar is one basis point."""
    entry_ts = START + number * every_s * SECOND
    out = 100.0 + pnl / 100
    return TradeLine(
        symbol, "LONG", 100.0, entry_ts, 100.0, entry_ts + 4 * SECOND, out, reason, pnl, pnl / 1e4, 0.0, f"d-{number}"
    )


def by_hand(profits: Sequence[float], *, symbols: Sequence[str] = ("A",), spread: float | None = 1.0) -> Gathered:
    """A run of so many trades, each with a spread that was paid."""
    trades = []
    for number, pnl in enumerate(profits):
        costs = Costs(pnl + (spread or 0.0), spread, 0.0, 0.0, pnl)
        trades.append(Trade(line(number, pnl, symbol=symbols[number % len(symbols)]), costs, -0.0003, 0.0005))
    return Gathered("by hand", "tape", trades, [], {}, "America/New_York")


def figures(found: Gathered) -> Figures:
    """Return the figures of a run."""
    return figures_of(found)
