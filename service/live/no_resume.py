"""Why a resume would change nothing, for the dashboard, which then does not offer it."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from actors.engine.core import Core
from actors.messages import HaltCause
from actors.risk.symbol_locks import until_words
from pipeline.events import SECOND


def why_not_resume(core: Core, gate_halted: str | None) -> str:
    """Say what `resume` does not lift, and until when it holds; empty where there is nothing of the kind.

    `gate_halted` is why the gate lets no entry out, which only a new start changes.
    """
    if gate_halted is not None:
        return f"no entry leaves until the bot is started again: {gate_halted}"
    if core.risk.halt_cause is not HaltCause.LOSS_LIMIT:
        return ""
    return f"the daily loss limit is reached, {_until_next_day(core.now, core.settings.risk.timezone)}"


def _until_next_day(now: int, zone: str) -> str:
    """Say when the trading day after the one of `now` (ns) begins: at midnight in `zone`."""
    if not now:
        return "until the next trading day"
    at = ZoneInfo(zone)
    midnight = datetime.combine(
        datetime.fromtimestamp(now // SECOND, at).date() + timedelta(days=1), datetime.min.time(), at
    )
    return until_words(int(midnight.timestamp()) * SECOND, now, zone)
