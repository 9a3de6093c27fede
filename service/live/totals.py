"""Totals: what the sessions of one run come to together."""

from __future__ import annotations

from typing import Any

_COUNTS = ("ticks", "ticks_late", "ticks_rejected", "trades", "wins", "losses", "breakeven", "total_pnl")
_TABLES = ("funnel", "blocked", "refusals")

Summary = dict[str, Any]


def together(before: Summary, now: Summary) -> Summary:
    """Return the summary of a run of which `before` tells the sessions that are over, and `now` the current one.

    Counts are added up. Equity, the day's profit, drawdown, losses in a row and failed strategies are those of now:
    they are carried from session to session.
    """
    if not before:
        return now
    both = dict(now)
    for name in _COUNTS:
        both[name] = before[name] + now[name]
    for name in _TABLES:
        names = dict.fromkeys((*before[name], *now[name]))
        both[name] = {key: before[name].get(key, 0) + now[name].get(key, 0) for key in names}
    both["refusals"] = dict(sorted(both["refusals"].items()))
    both["failures"] = _failures(before["failures"], now["failures"])
    both["win_rate"] = both["wins"] / both["trades"] if both["trades"] else 0.0
    return both


def _failures(before: Summary, now: Summary) -> Summary:
    symbols = dict.fromkeys((*before["by_symbol"], *now["by_symbol"]))
    by_symbol = {name: before["by_symbol"].get(name, 0) + now["by_symbol"].get(name, 0) for name in symbols}
    return {"count": sum(by_symbol.values()), "by_symbol": by_symbol, "first": before["first"] or now["first"]}
