"""Results of settings that are decided one by one, through the core itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from actors.engine.core import Core
from actors.messages import Fact, PositionClosed
from pipeline.strategy import Strategies, momentum_burst
from research.engine.facts import TapeFacts, events_of
from research.engine.sharing import REASONS, Funnel, Result, Trades
from service.settings import Settings


def through_core(facts: TapeFacts, settings: Settings) -> Result:
    """Decide on a tape through the core."""
    closed: list[PositionClosed] = []

    def see(fact: Fact) -> None:
        if isinstance(fact, PositionClosed):
            closed.append(fact)

    core = Core(settings.core, Strategies(momentum_burst(settings.strategy)), see)
    for batch in events_of(facts.columns):
        core.run(batch)
    core.finish()
    summary = core.summary()
    still_open = len(core.positions.open)
    return Result(trades_of(facts, closed), 0, len(closed), funnel_of(summary), still_open, in_full=True)


def trades_of(facts: TapeFacts, closed: list[PositionClosed]) -> Trades:
    """Return finished trades in columns."""
    index = {name: at for at, name in enumerate(facts.names)}
    rows = [
        (
            index[trade.symbol],
            trade.side.sign,
            REASONS.index(str(trade.exit_reason)),
            int(trade.decision) - 1,
            trade.entry_ts,
            float(trade.entry_price),
            trade.input - 1,
            trade.exit_ts,
            float(trade.exit_price),
            float(trade.pnl),
            float(trade.fees),
        )
        for trade in closed
    ]
    kinds = (np.int32, np.int64, np.int64, np.int64, np.int64, float, np.int64, np.int64, float, float, float)
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return Trades(*map(np.array, columns, kinds))


def funnel_of(summary: Mapping[str, Any]) -> Funnel:
    """Return the counts of a summary."""
    funnel, blocked, refusals = (summary[name] for name in ("funnel", "blocked", "refusals"))
    return Funnel(
        **funnel,
        no_volume_spike=blocked["NO_VOLUME_SPIKE"],
        no_volatility=blocked["NO_VOLATILITY"],
        never_together=blocked["NEVER_TOGETHER"],
        position_open=refusals.get("POSITION_OPEN", 0),
        cooldown=refusals.get("COOLDOWN", 0),
        halted=refusals.get("HALTED", 0),
    )
