"""The figures of a report, as plain values: what JSON, text and page say is all taken from here."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import fmean, median
from typing import Any

import msgspec

from pipeline.events import SECOND
from research.report.gathered import Gathered, Trade
from research.statistics.intervals import (
    LEAST_DAYS,
    LEAST_TRADES,
    Blocks,
    Interval,
    blocks_of,
    detectable,
    mean_of,
    share_of,
    trades_needed,
)
from service.figures import zone_of

DEFAULT = "momentum_burst"  # the strategy that is told of with an empty name
EXPECTED_WINS = (0.45, 0.55)
EXPECTED_BP = 4.5
"""What the default strategy was once expected to do: 45 to 55 % wins, and 0.045 % a trade."""
BP = 10_000
_EULER = 0.5772156649015329
Row = dict[str, Any]


class Step(msgspec.Struct, frozen=True):
    """One step of a trade's money: in basis points of the entry's value as a mean a trade, and in money altogether."""

    name: str  # gross, spread, slippage, fees or net
    bp: Interval
    total: float
    is_cost: bool


class Figures(msgspec.Struct):
    """All the figures of one run."""

    source: Row
    result: Row
    blocks: Row
    money: Row
    win_rate: Interval
    expectation: Row
    luck: Row
    exits: list[Row]
    hours: list[Row]
    symbols: list[Row]
    sides: list[Row]
    holding: Row
    excursions: Row
    streaks: Row
    funnel: Row
    open: list[Row]
    trades: list[Row]
    execution: Row  # how live orders fared: `research.report.execution`
    equity: list[tuple[int, float, float]]  # ts, equity, drawdown (at most 0), after each trade
    note: str = ""  # how the settings were found, where this run is what they were chosen on: it weakens the verdict


def figures_of(found: Gathered) -> Figures:
    """Return the figures of what was gathered."""
    trades = found.trades
    zone = zone_of(found.zone)
    blocks = blocks_of([trade.line.entry_ts for trade in trades], zone)
    net = [net_bp(trade) for trade in trades]
    win_rate = share_of([trade.line.pnl > 1e-9 for trade in trades], blocks)
    of_net = mean_of(net, blocks)
    money = _money(found, blocks, of_net)
    return Figures(
        source=_source(found),
        result=_result(found),
        blocks=_blocks(blocks),
        money=money,
        win_rate=win_rate,
        expectation=_expectation(win_rate, of_net) if found.strategy == "" else {},
        luck=_luck(of_net, money),
        exits=_groups(trades, blocks, lambda trade: trade.line.exit_reason),
        hours=sorted(_groups(trades, blocks, lambda trade: _hour(trade, zone)), key=lambda row: row["name"]),
        symbols=_groups(trades, blocks, lambda trade: trade.line.symbol),
        sides=_groups(trades, blocks, lambda trade: trade.line.side),
        holding=_holding(trades),
        excursions=_excursions(found),
        streaks=_streaks(trades),
        funnel=_funnel(found),
        open=found.open,
        trades=[_row(trade) for trade in trades],
        execution=found.execution,
        equity=_equity(found),
    )


def net_bp(trade: Trade) -> float:
    """Return what a trade earned after costs, in basis points of its entry's value."""
    return bp_of(trade.line.pnl, trade)


def bp_of(amount: float, trade: Trade) -> float:
    """Return money of a trade in basis points of its entry's value; 0 of what was worth nothing."""
    return amount / trade.value * BP if trade.value else 0.0


# ------------------------------------------------------------------------------------------------------ what it is


def _source(found: Gathered) -> Row:
    times = [trade.line.entry_ts for trade in found.trades] + [trade.line.exit_ts for trade in found.trades]
    times += [signal.ts for signal in found.signals]
    times += [bars.seconds[end] * SECOND for bars in found.bars.values() if bars.seconds for end in (0, -1)]
    symbols = sorted({trade.line.symbol for trade in found.trades} | found.bars.keys())
    quoted = [trade for trade in found.trades if trade.costs is not None and trade.costs.spread is not None]
    return {
        "name": found.name,
        "kind": found.kind,
        "strategy": "strategy not known" if found.strategy is None else found.strategy or DEFAULT,
        "from_ts": min(times, default=0),
        "to_ts": max(times, default=0),
        "zone": found.zone,
        "symbols": symbols,
        "ticks": found.summary.get("ticks"),
        "settings": found.settings,
        "has_quotes": bool(quoted),
        "said": found.said,
    }


def _result(found: Gathered) -> Row:
    pnl = [trade.line.pnl for trade in found.trades]
    won, lost = [p for p in pnl if p > 1e-9], [p for p in pnl if p < -1e-9]
    average_win, average_loss = (fmean(won) if won else None), (-fmean(lost) if lost else None)
    needed = None
    if average_win and average_loss:
        needed = average_loss / (average_win + average_loss)
    equity = _equity(found)
    return {
        "trades": len(pnl),
        "wins": len(won),
        "losses": len(lost),
        "breakeven": len(pnl) - len(won) - len(lost),
        "total_pnl": math.fsum(pnl),
        "fees": math.fsum(trade.line.fees for trade in found.trades),
        "average_win": average_win,
        "average_loss": average_loss,
        "win_rate_to_break_even": needed,
        "profit_factor": math.fsum(won) / -math.fsum(lost) if lost and won else None,
        "best": max(pnl, default=None),
        "worst": min(pnl, default=None),
        "starting_equity": _starting_equity(found),
        "max_drawdown": -min((down for _, _, down in equity), default=0.0),
        "halted": bool(found.summary.get("halted")),
        "traded_value": math.fsum(trade.value for trade in found.trades),
    }


def _starting_equity(found: Gathered) -> float:
    starting = found.settings.get("risk", {}).get("starting_equity")
    if starting is not None:
        return float(starting)
    equity = found.summary.get("equity")
    return float(equity) - math.fsum(trade.line.pnl for trade in found.trades) if equity is not None else 0.0


def _equity(found: Gathered) -> list[tuple[int, float, float]]:
    equity = high = _starting_equity(found)
    curve = []
    for trade in sorted(found.trades, key=lambda one: one.line.exit_ts):
        equity += trade.line.pnl
        high = max(high, equity)
        curve.append((trade.line.exit_ts, round(equity, 9), round(equity - high, 9) + 0.0))
    return curve


def _blocks(blocks: Blocks) -> Row:
    by_day = not blocks.length_s
    return {
        "count": blocks.count,
        "days": blocks.days,
        "length_s": blocks.length_s,
        "said": blocks.said,
        "by_day": by_day and bool(blocks.count),
        "least_days": LEAST_DAYS,
        "least_trades": LEAST_TRADES,
    }


# ------------------------------------------------------------------------------------------- where the money went


def _money(found: Gathered, blocks: Blocks, net: Interval) -> Row:
    """Return the steps from the middle at the triggers to what was left."""
    trades = found.trades
    known = [(number, trade) for number, trade in enumerate(trades) if trade.costs is not None]
    quoted = any(trade.costs and trade.costs.spread is not None for _, trade in known)
    unquoted = [trade for _, trade in known if trade.costs and trade.costs.spread is None] if quoted else []
    partly = sum(trade.costs is not None and not trade.costs.is_all_quoted for _, trade in known) if quoted else 0
    steps: list[Step] = []
    if known:
        chosen = _part(blocks, [number for number, _ in known])
        names = ("gross", "spread", "slippage", "fees", "net") if quoted else ("gross", "slippage", "fees", "net")
        for name in names:
            money = [float(getattr(trade.costs, name) or 0.0) for _, trade in known]  # a spread may not be known
            bp = [bp_of(amount, trade) for amount, (_, trade) in zip(money, known, strict=True)]
            steps.append(Step(name, mean_of(bp, chosen), math.fsum(money), name in ("spread", "slippage", "fees")))
    elif trades:
        fees = [bp_of(trade.line.fees, trade) for trade in trades]
        at_fills = [net_bp(trade) + fee for trade, fee in zip(trades, fees, strict=True)]
        total, paid = math.fsum(trade.line.pnl for trade in trades), math.fsum(trade.line.fees for trade in trades)
        steps = [
            Step("gross", mean_of(at_fills, blocks), total + paid, False),
            Step("fees", mean_of(fees, blocks), paid, True),
            Step("net", net, total, False),
        ]
    gross_is = "middle" if quoted else "last" if known else "fills"
    count = len(known) if known else len(trades)
    return {
        "steps": steps,
        "trades": count,
        "of": len(trades),
        "partly_quoted": partly - len(unquoted),  # at one trigger, but not at each
        "unquoted": len(unquoted),  # at none, beside trades with quotes
        "unquoted_symbols": sorted({trade.line.symbol for trade in unquoted}),
        "gross_is": gross_is,
    }


def _part(blocks: Blocks, numbers: Sequence[int]) -> Blocks:
    """Return the blocks of some of the trades."""
    labels = [blocks.labels[number] for number in numbers]
    order = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    return Blocks(tuple(order[label] for label in labels), len(order), blocks.days, blocks.length_s)


def _expectation(wins: Interval, net: Interval) -> Row:
    low, high = EXPECTED_WINS
    return {
        "wins": {"expected": EXPECTED_WINS, "found": wins, "answer": _placed(wins, low, high)},
        "mean_bp": {"expected": EXPECTED_BP, "found": net, "answer": _placed(net, EXPECTED_BP, EXPECTED_BP)},
    }


def _placed(found: Interval, low: float, high: float) -> str:
    """Say where an interval lies beside what was expected: below, above, open, or "too few trades"."""
    if found.low is None or found.high is None:
        return "too few trades"
    if found.high < low:
        return "below"
    return "above" if found.low > high else "open"


def _luck(net: Interval, money: Row) -> Row:
    gross = next((step.bp for step in money["steps"] if step.name == "gross"), None)
    told: Row = {}
    for name, found in (("gross", gross), ("net", net)):
        if found is None or found.mean is None:
            continue
        verdict = "too few trades" if found.low is None else "luck"
        if name == "gross" and money["trades"] < money["of"]:
            verdict = "not of all trades"
        elif found.is_above_zero or found.is_below_zero:
            verdict = "above zero" if found.is_above_zero else "below zero"
        told[name] = {
            "bp": found,
            "verdict": verdict,
            "trades_needed": trades_needed(found),
            "detectable_bp": detectable(found),
        }
    return told


# ------------------------------------------------------------------------------------------------------- groups


def _groups(trades: Sequence[Trade], blocks: Blocks, key: Callable[[Trade], str]) -> list[Row]:
    grouped: defaultdict[str, list[int]] = defaultdict(list)
    for number, trade in enumerate(trades):
        grouped[key(trade)].append(number)
    rows = []
    for name, numbers in grouped.items():
        chosen = [trades[number] for number in numbers]
        known = [trade for trade in chosen if trade.costs is not None]
        pnl = [trade.line.pnl for trade in chosen]
        rows.append(
            {
                "name": name,
                "trades": len(chosen),
                "wins": sum(amount > 1e-9 for amount in pnl),
                "pnl": math.fsum(pnl),
                "net_bp": mean_of([net_bp(trade) for trade in chosen], _part(blocks, numbers)),
                "gross_bp": fmean(bp_of(t.costs.gross, t) for t in known if t.costs)
                if len(known) == len(chosen)
                else None,
                "held_s": median((t.line.exit_ts - t.line.entry_ts) / SECOND for t in chosen),
            }
        )
    return sorted(rows, key=lambda row: -row["trades"])


def _hour(trade: Trade, zone: Any) -> str:
    return f"{datetime.fromtimestamp(trade.line.entry_ts // SECOND, zone).hour:02}"


def _holding(trades: Sequence[Trade]) -> Row:
    held = sorted((trade.line.exit_ts - trade.line.entry_ts) / SECOND for trade in trades)
    if not held:
        return {"seconds": []}
    return {
        "seconds": held,
        "median": median(held),
        "mean": fmean(held),
        "shortest": held[0],
        "longest": held[-1],
    }


def _excursions(found: Gathered) -> Row:
    """Return how far prices went for and against the trades, beside the target and the stop of the default exits."""
    strategy = found.settings.get("strategy", {}) if found.strategy == "" else {}
    target, stop = strategy.get("profit_target"), strategy.get("stop_loss")
    known = [t for t in found.trades if t.best is not None and t.worst is not None]
    points: list[Row] = [
        {
            "best_bp": (t.best or 0) * BP,
            "worst_bp": (t.worst or 0) * BP,
            "net_bp": net_bp(t),
            "reason": t.line.exit_reason,
        }
        for t in known
    ]
    told: Row = {
        "trades": len(known),
        "target_bp": None if target is None else target * BP,
        "stop_bp": None if stop is None else stop * BP,
        "points": points,
    }
    if not known:
        return told
    told["median_best_bp"] = median(point["best_bp"] for point in points)
    told["median_worst_bp"] = median(point["worst_bp"] for point in points)
    if target is not None and stop is not None:
        losers = [point for point in points if point["net_bp"] < 0]
        told["reached_target"] = sum(point["best_bp"] >= target * BP - 1e-6 for point in points)
        told["reached_stop"] = sum(point["worst_bp"] <= -stop * BP + 1e-6 for point in points)
        told["losers"] = len(losers)
        told["losers_half_way"] = sum(point["best_bp"] >= target * BP / 2 for point in losers)
        stopped = [-point["worst_bp"] - stop * BP for point in points if point["reason"] == "SL"]
        told["beyond_stop_bp"] = fmean(stopped) if stopped else None
    return told


def _streaks(trades: Sequence[Trade]) -> Row:
    """Return the longest runs, and how long a run of losses is usual among independent trades of that win rate.

    The usual one is log(n p) / log(1 / q) + gamma / log(1 / q) - 1/2 for a share q of losses (Schilling 1990).
    """
    longest = {"win": 0, "loss": 0}
    run, before = 0, ""
    for trade in sorted(trades, key=lambda one: one.line.exit_ts):
        if abs(trade.line.pnl) <= 1e-9:
            continue  # breakeven leaves a run as it is
        kind = "win" if trade.line.pnl > 0 else "loss"
        run = run + 1 if kind == before else 1
        before = kind
        longest[kind] = max(longest[kind], run)
    losses = sum(trade.line.pnl < -1e-9 for trade in trades)
    usual = None
    if len(trades) >= LEAST_TRADES and 0 < losses < len(trades):
        q = losses / len(trades)
        usual = (math.log(len(trades) * (1 - q)) + _EULER) / -math.log(q) - 0.5
    current = run if before else 0
    return {
        "longest_win": longest["win"],
        "longest_loss": longest["loss"],
        "usual_loss": usual,
        "current": current if before == "win" else -current,
    }


def _funnel(found: Gathered) -> Row:
    summary = found.summary
    told: Row = {name: dict(summary[name]) for name in ("funnel", "blocked", "refusals") if summary.get(name)}
    if "funnel" not in told and found.signals:  # what a journal knows
        approved = sum(signal.decision == "APPROVED" for signal in found.signals)
        told["funnel"] = {"signals": len(found.signals), "approved": approved, "trades": len(found.trades)}
    if "refusals" not in told and found.signals:
        refused: defaultdict[str, int] = defaultdict(int)
        for signal in found.signals:
            if signal.reason:
                refused[signal.reason] += 1
        told["refusals"] = dict(refused)
    return told


def _row(trade: Trade) -> Row:
    told = msgspec.structs.asdict(trade.line)
    told |= {"net_bp": net_bp(trade)}
    told["costs"] = None if trade.costs is None else msgspec.structs.asdict(trade.costs)
    told["mae_bp"] = None if trade.worst is None else trade.worst * BP
    told["mfe_bp"] = None if trade.best is None else trade.best * BP
    return told
