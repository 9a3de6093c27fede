"""The shapes that leave the web process: messages as JSON, with the names of the replay command's files."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from actors.messages import PositionClosed, SignalRaised
from actors.portfolio.lines import SignalLine, TradeLine
from web.messages import MetricsSeen, QueueSeen
from web.readings import reading_data

FUNNEL = ("ticks", "ready", "bursts", "signals", "approved", "filled", "trades")

NUMBERS = {
    **dict.fromkeys(("ticks", "ticks_late", "ticks_rejected", "trades", "wins", "losses", "breakeven"), 0),
    **dict.fromkeys(("win_rate", "total_pnl", "daily_pnl", "equity"), 0.0),
    **dict.fromkeys(("max_drawdown", "max_drawdown_pct", "current_drawdown"), 0.0),
    **dict.fromkeys(("consecutive_losses", "open_positions"), 0),
}
"""The numbers of summary.json as they are before anything has happened."""


def number(value: Any) -> Any:
    """Return the value as a number if it is one; a `Decimal` crosses the pipe as its text."""
    try:
        return float(value) if isinstance(value, str | Decimal) else value
    except ValueError:
        return value


def metrics_data(seen: MetricsSeen | None, own_queues: Sequence[QueueSeen]) -> dict[str, Any]:
    """Return what the newest metrics tell beside the summary; `own_queues` are of the web process itself."""
    told = ("refusals", "queues", "locks", "symbols_halted", "execution")
    data = {name: dict(getattr(seen, name)) if seen is not None else {} for name in told}
    return data | {"bounded": [*(seen.bounded if seen is not None else ()), *own_queues]}


def summary_data(told: dict[str, object]) -> dict[str, Any]:
    """Return the whole summary.json shape, whatever part of it has been told so far."""
    summary: dict[str, Any] = {**NUMBERS, "halted": False} | told
    for name in NUMBERS:
        summary[name] = number(summary[name])
    summary["funnel"] = dict.fromkeys(FUNNEL, 0) | summary.get("funnel", {})
    summary["blocked"] = summary.get("blocked", {})
    return summary


def trade_data(trade: PositionClosed) -> dict[str, Any]:
    """Return a trade with the names of trades.jsonl, and the equity after it."""
    line = msgspec.structs.asdict(TradeLine.of(trade))
    del line["id"]
    return line | {"equity": float(trade.equity), "decision_id": trade.decision}


def signal_data(raised: SignalRaised) -> dict[str, Any]:
    """Return a signal with the names of signals.jsonl, and what its conditions saw."""
    line = msgspec.structs.asdict(SignalLine.of(raised))
    del line["id"]
    why = {"why": raised.why} if raised.why else {}
    return (
        line
        | {"readings": [reading_data(reading) for reading in raised.signal.readings], "decision_id": raised.decision}
        | why
    )
