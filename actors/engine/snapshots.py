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
from pipeline.strategy import Strategies


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
        fees=tuple(positions.fees.days.values()) or UNSET,
        locks=state.locks or UNSET,
        account_day=state.account_day if state.account_day is not None else UNSET,
    )


def summary_of(
    ticks: int,
    metrics: Metrics,
    risk: Risk,
    positions: Positions,
    contexts: SymbolContexts,
    failures: Failures,
    figures: StrategyFigures | None,
    strategies: Strategies,
) -> dict[str, object]:
    """Return the fields of summary.json; strategies, parameters, metrics, prints only where there are any."""
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
        found = figures.summary(of_symbols, failures.by_symbol, halted)
        for name, strategy in strategies.named.items():
            if declared := strategy.parameters.summary():
                found[name]["parameters"] = declared
        summary["strategies"] = found
    if positions.fees.days:
        summary["fees"] = positions.fees.summary()
    measured = {symbol: figure for symbol, context in of_symbols.items() if (figure := context.metrics)}
    prints = {
        "prints": dict(sorted(metrics.prints.items())),
        "prints_shares": dict(sorted(metrics.prints_shares.items())),
    }
    own = {"parameters": strategies.rest.parameters.summary(), "metrics": measured} | prints
    return summary | {name: told for name, told in own.items() if told}
