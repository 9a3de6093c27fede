"""What a core has come to, put together of what its actors say: its book, and the fields of its summary."""

from __future__ import annotations

from msgspec import UNSET

from actors.book import Book
from actors.engine.strategy_instance import Failures
from actors.engine.symbol_contexts import SymbolContexts
from actors.execution.executor import Executor
from actors.portfolio.metrics import Metrics
from actors.portfolio.positions import Positions
from actors.portfolio.strategy_figures import StrategyFigures
from actors.risk.risk import Risk
from pipeline.parameters import Parameters


def book_of(name: str, now: int, metrics: Metrics, risk: Risk, positions: Positions, executor: Executor) -> Book:
    """Return what a bot owns and remembers at `now` (ns); `name` is what its ids begin with."""
    state = risk.snapshot()
    return Book(
        ts=now,
        tally=metrics.tally,
        date=state.date,
        state=state.state,
        reason=state.reason,
        daily_halt=state.daily_halt,
        cooldown=state.cooldown,
        positions=positions.held(),
        orders=executor.open_orders(),
        name=name,
        account=metrics.account,
        closing=executor.exits.closing,
        counted=executor.counted(),
        halt_cause=state.halt_cause,
        halted_before=state.halted_before,
        parts=executor.parts.to_book() or UNSET,
        strategies=state.strategies or UNSET,
    )


def summary_of(
    ticks: int,
    metrics: Metrics,
    risk: Risk,
    positions: Positions,
    contexts: SymbolContexts,
    failures: Failures,
    figures: StrategyFigures | None,
    parameters: Parameters,
) -> dict[str, object]:
    """Return the fields of summary.json; strategies, parameters and metrics only where there are any."""
    of_symbols = contexts.by_symbol
    summary = metrics.summary(
        ticks=ticks,
        ready=sum(context.probe.ready for context in of_symbols.values()),
        bursts=sum(context.probe.bursts for context in of_symbols.values()),
        halted=risk.state == "HALTED",
        open_positions=len(positions.open),
    ) | {"failed": contexts.failed(), "failures": failures.summary()}
    if figures is not None:
        halted = [name for name, day in risk.snapshot().strategies.items() if day.halted]
        summary["strategies"] = figures.summary(of_symbols, failures.by_symbol, halted)
    measured = {symbol: found for symbol, context in of_symbols.items() if (found := context.metrics)}
    own = {"parameters": parameters.summary(), "metrics": measured}
    return summary | {name: found for name, found in own.items() if found}
