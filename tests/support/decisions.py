"""Decisions compared as the vectors ask for: counts and times exact, prices and money to float noise."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec

from actors.engine.core import Core, CoreSettings, Input
from actors.messages import Fact, PositionClosed, SignalRaised
from actors.portfolio.lines import SignalLine, TradeLine
from pipeline.strategy import Strategy
from tests.support.model import Model

Decisions = dict[str, Any]

MONEY = {"pnl", "fees", "equity", "total_pnl", "daily_pnl", "max_drawdown", "current_drawdown"}


def decided_by_core(settings: CoreSettings, strategy: Strategy, events: Iterable[Input]) -> Decisions:
    """Run a core over events and return what a replay would write."""
    signals: list[Any] = []
    trades: list[Any] = []

    def see(fact: Fact) -> None:
        if isinstance(fact, SignalRaised):
            signals.append(msgspec.to_builtins(SignalLine.of(fact)))
        elif isinstance(fact, PositionClosed):
            trades.append(msgspec.to_builtins(TradeLine.of(fact)))

    core = Core(settings, strategy, see)
    core.run(events)
    core.finish()
    return {"signals": signals, "trades": trades, "summary": core.summary()}


def decided_by_model(settings: CoreSettings, events: Iterable[Input], without: Iterable[str] = ()) -> Decisions:
    """Run the independent model over events."""
    model = Model(settings, without).run(events).finish()
    return {"signals": model.signals, "trades": model.trades, "summary": model.summary}


def differences(expected: Any, found: Any, where: str = "") -> list[str]:
    """List what of `expected` is not found, by its place. Fields beyond the expected ones are no difference."""
    name = where.rpartition(".")[2]
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return [f"{where}: expected an object, found {found!r}"]
        return [
            difference
            for key, value in expected.items()
            for difference in (
                differences(value, found[key], f"{where}.{key}") if key in found else [f"{where}.{key} is missing"]
            )
        ]
    if isinstance(expected, list):
        if not isinstance(found, list):
            return [f"{where}: expected a list, found {found!r}"]
        length = [f"{where}: expected {len(expected)}, found {len(found)}"] if len(expected) != len(found) else []
        return length + [
            difference
            for place, pair in enumerate(zip(expected, found, strict=False))
            for difference in differences(*pair, f"{where}[{place}]")
        ]
    return [] if same(name, expected, found) else [f"{where}: expected {expected!r}, found {found!r}"]


def same(name: str, expected: object, found: object) -> bool:
    """Compare two plain values; money may come as an integer where a fraction was possible."""
    if expected is None or isinstance(expected, bool | str):
        return type(found) is type(expected) and found == expected
    if isinstance(expected, int) and name not in MONEY:
        return type(found) is int and found == expected
    assert isinstance(expected, int | float)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return math.isclose(expected, found, rel_tol=1e-9, abs_tol=1e-6 if name in MONEY else 1e-11)
