"""The shapes that leave the web process: messages as JSON, with the names of the replay command's files."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from actors.messages import PositionClosed, SignalRaised

FUNNEL = ("ticks", "ready", "bursts", "signals", "approved", "trades")

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
    return {
        "symbol": trade.symbol,
        "side": trade.side.value,
        "quantity": float(trade.quantity),
        "entry_ts": trade.entry_ts,
        "entry_price": float(trade.entry_price),
        "exit_ts": trade.exit_ts,
        "exit_price": float(trade.exit_price),
        "exit_reason": trade.exit_reason,
        "pnl": float(trade.pnl),
        "pnl_pct": trade.pnl_pct,
        "fees": float(trade.fees),
        "equity": float(trade.equity),
        "decision_id": trade.decision,
    }


def signal_data(raised: SignalRaised) -> dict[str, Any]:
    """Return a signal with the names of signals.jsonl, and what its conditions saw."""
    signal = raised.signal
    return {
        "symbol": signal.symbol,
        "ts": signal.ts,
        "side": signal.side.value,
        "price": signal.price,
        "momentum": signal.momentum,
        "volume_ratio": signal.volume_ratio,
        "range": signal.range,
        "decision": "APPROVED" if raised.approved else "REJECTED",
        "reason": raised.reason,
        "readings": signal.readings,
        "decision_id": raised.decision,
    }
