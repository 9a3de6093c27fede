"""What the figures mean, in sentences: one place, so that page, text and JSON say the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from pipeline.events import SECOND
from research.report.figures import EXPECTED_BP, EXPECTED_WINS, Figures, Row
from research.statistics.intervals import LEAST_TRADES, Interval
from service.figures import money, zone_of

_STEPS = {
    "gross": "earned at the middle of the quote",
    "spread": "spread",
    "slippage": "slippage",
    "fees": "fees",
    "net": "left",
}
_GROSS = {
    "middle": "at the middle of the quote at each trigger",
    "last": "at the last price at each trigger (no quotes are known)",
    "fills": "at the prices of the fills (no quotes are known)",
}
_STAGES = {
    "venue_to_receipt_ms": "tick to receipt",
    "receipt_to_decision_ms": "to the decision",
    "submit_to_accept_ms": "sent to accepted",
    "accept_to_fill_ms": "to the first fill",
    "submit_to_fill_ms": "sent to filled, at the venue",
    "slippage_bps": "slippage",
}
EXECUTION = (
    "Median and 99th percentile of the orders that were sent; slippage is what fills cost beyond the price of the "
    "trigger, below 0 what they gained."
)
_MOST_SAID = 1_000_000
_MOST_NAMED = 6  # symbols
_SHOWN_BP = 0.05  # what rounds to nothing is no cost to speak of


def signed(value: float, places: int = 1) -> str:
    """Return a number with its sign, a real minus, and none before nothing."""
    text = f"{value:+.{places}f}"
    if float(text) == 0:
        return text[1:]
    return text.replace("-", "\N{MINUS SIGN}")


def bp(value: float | None) -> str:
    """Return basis points: +1.2 bp."""
    return "not known" if value is None else f"{signed(value)} bp"


def spanned(found: Interval) -> str:
    """Return a mean in basis points with its interval: +1.2 bp (-0.3 to 2.7)."""
    if found.low is None or found.high is None:
        return bp(found.mean)
    return f"{bp(found.mean)} ({signed(found.low)} to {signed(found.high)})"


def share(found: Interval) -> str:
    """Return a share with its interval: 31 % (24 to 39 %)."""
    if found.mean is None:
        return "none"
    if found.low is None or found.high is None:
        return f"{found.mean:.0%}".replace("%", " %")
    return f"{found.mean * 100:.0f} % ({found.low * 100:.0f} to {found.high * 100:.0f} %)"


def profit(value: float) -> str:
    """Return money with a sign: +$1.20, and a real minus."""
    text = money(value, grouped=True)
    return text.replace("-", "\N{MINUS SIGN}") if text.startswith("-") else (f"+{text}" if value > 0 else text)


def counted(count: int, name: str) -> str:
    """Return a number of things: 1 trade, 8 trades."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def verdict(found: Figures) -> str:
    """Say in a sentence or two what the run came to, and whether that is luck; a note on the settings comes first."""
    note = found.note.strip().rstrip(".")
    return f"{note[0].upper()}{note[1:]}. {_verdict(found)}" if note else _verdict(found)


def _verdict(found: Figures) -> str:
    result, net = found.result, found.luck.get("net")
    count = result["trades"]
    if not count or net is None:
        return f"No trade was finished. {_why_none(found)}".strip()
    total = profit(result["total_pnl"])
    if count < LEAST_TRADES:
        return (
            f"{counted(count, 'trade')} came to {total} after costs. That is too few to tell a result from luck: "
            f"below {LEAST_TRADES} no interval is given."
        )
    said = f"{counted(count, 'trade')} came to {total} after costs: {spanned(net['bp'])} a trade."
    match net["verdict"]:
        case "above zero" if found.note:
            return (
                f"{said} That is above zero, and no proof: on the data that they were chosen on, settings look better "
                "than they are."
            )
        case "above zero":
            return f"{said} That is more than luck at the 95 % level, for these settings on this tape."
        case "below zero":
            return f"{said} The loss is more than bad luck."
        case "too few trades":
            return f"{said} All of it is from one stretch of time: luck cannot be told apart."
    return f"{said} That cannot be told from luck."


def _why_none(found: Figures) -> str:
    blocked = found.funnel.get("blocked") or {}
    refusals = found.funnel.get("refusals") or {}
    if found.open:
        return f"{counted(len(found.open), 'position')} was still open at the end."
    if refusals and sum(refusals.values()):
        most = max(refusals, key=lambda name: refusals[name])
        return f"Most signals were refused as {most} ({refusals[most]:,})."
    if blocked and sum(blocked.values()):
        most = max(blocked, key=lambda name: blocked[name])
        return f"Most bursts gave no signal for {most} ({blocked[most]:,})."
    return "There was no burst." if found.funnel.get("funnel") else ""


def answers(found: Figures) -> list[str]:
    """Say what a trader asks first: the edge before costs, what took it, what was expected, and what is still open."""
    told = [*_of_edge(found), *_of_expectation(found), *_of_luck(found)]
    if found.result["halted"]:
        told.append("The bot was HALTED at the end: from the halt on it entered nothing more.")
    if found.open:
        profits = profit(sum(position["open_pnl"] for position in found.open))
        many = counted(len(found.open), "position")
        verb = "is" if len(found.open) == 1 else "are"
        told.append(f"{many} {verb} still open at the end, with {profits} at the last price; no figure here has it.")
    return told


def _of_edge(found: Figures) -> list[str]:
    steps = {step.name: step for step in found.money["steps"]}
    if not steps:
        return []
    gross = steps["gross"].bp
    where = _GROSS[found.money["gross_is"]]
    said = f"Before costs, {where}: {spanned(gross)} a trade"
    if found.money["trades"] < found.money["of"]:
        return [
            f"Before costs, {where}: {bp(gross.mean)} a trade in the {found.money['trades']:,} of "
            f"{found.money['of']:,} trades whose way is known; of all of them nothing can be said."
        ]
    if gross.is_above_zero:
        said += ", above zero where it was chosen." if found.note else ", more than luck."
    elif gross.is_below_zero:
        said += ", less than bad luck would explain: the signals point the wrong way."
    elif gross.low is not None:
        said += ", which is no edge that could be told from none."
    else:
        said += "."
    costs = [
        f"{name} {'took' if step.bp.mean > 0 else 'gave'} {abs(step.bp.mean):.1f} bp"
        for name, step in steps.items()
        if step.is_cost and step.bp.mean and abs(step.bp.mean) >= _SHOWN_BP
    ]
    took = f" Then {', '.join(costs)}; {bp(steps['net'].bp.mean)} a trade was left." if costs else ""
    if found.money["gross_is"] == "last":
        took += " Prints bounce between bid and ask, so real fills would cost about a spread more."
    return [said + took, *_of_unquoted(found)]


def _of_unquoted(found: Figures) -> list[str]:
    """Say which trades had no quotes where others had: their spread is in no step, and the mean of it is too small."""
    count, names = found.money["unquoted"], found.money["unquoted_symbols"]
    if not count:
        return []
    symbols = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if names[_MOST_NAMED:] else "")
    return [
        f"Of {count:,} of the {counted(found.money['trades'], 'trade')} ({symbols}) no quote is known: last prices "
        "stand for the middle there, their spread counts as nothing, and real fills would cost about a spread more."
    ]


def _of_expectation(found: Figures) -> list[str]:
    if not found.result["trades"] or not found.expectation:
        return []
    wins, mean = found.expectation["wins"], found.expectation["mean_bp"]
    low, high = EXPECTED_WINS
    placed = {
        "below": "fewer",
        "above": "more",
        "open": "that is not ruled out",
        "too few trades": "too few trades to say",
    }
    earned = {
        "below": "less than that",
        "above": "more than that",
        "open": "that is not ruled out" if not _reached(mean["found"]) else "that fits",
        "too few trades": "too few trades to say",
    }
    return [
        f"Expected {low * 100:.0f} to {high * 100:.0f} % wins; found {share(wins['found'])}: {placed[wins['answer']]}.",
        f"Expected +{EXPECTED_BP / 100:.3f} % ({EXPECTED_BP:.1f} bp) a trade; found {spanned(mean['found'])}: "
        f"{earned[mean['answer']]}.",
    ]


def _reached(found: Interval) -> bool:
    return found.mean is not None and found.mean >= EXPECTED_BP


def _of_luck(found: Figures) -> list[str]:
    net = found.luck.get("net")
    if net is None or net["bp"].low is None:
        return []
    needed, least = net["trades_needed"], net["detectable_bp"]
    told = []
    if net["verdict"] == "luck" and needed is not None:
        many = f"about {needed:,}" if needed < _MOST_SAID else "more than a million"
        told.append(
            f"To tell {bp(net['bp'].mean)} a trade from luck would take {many} trades like these (80 % power); "
            f"there are {found.result['trades']:,}."
        )
    if least:
        told.append(f"So many trades would have shown an edge of {least:.1f} bp or more four times out of five.")
    return told


def of_blocks(found: Figures) -> str:
    """Say what the intervals rest on."""
    blocks = found.blocks
    if found.result["trades"] < LEAST_TRADES:
        return f"Too few trades for intervals: below {LEAST_TRADES} none is given."
    if blocks["by_day"]:
        return f"Intervals: 95 %, over {blocks['count']} trading days, each taken as one block."
    days = counted(blocks["days"], "day")
    return (
        f"Intervals: 95 %, over {blocks['count']} {blocks['said']}, as {days} cannot stand for others (from "
        f"{blocks['least_days']} on a block is a day): they tell how this market was then. Nothing is annualised."
    )


def step_name(step: str, gross_is: str) -> str:
    """Name a step of a trade's money."""
    if step == "gross" and gross_is != "middle":
        return "earned at last prices" if gross_is == "last" else "earned at the fills"
    return _STEPS[step]


def notes(found: Figures) -> list[str]:
    """Say what else a reader has to know of how this was made."""
    money_ = found.money
    told = list(found.source["said"])
    if money_["trades"] < money_["of"]:
        told.append(
            f"the costs are those of {money_['trades']:,} of {money_['of']:,} trades: of the others no price at a "
            "trigger is known"
        )
    if money_["partly_quoted"]:
        told.append(
            f"no quote is known at a trigger of {counted(money_['partly_quoted'], 'trade')}, as where a stop was "
            "reached: its own price, or the last one, stands for the middle there, and what the spread cost is in the "
            "slippage"
        )
    return told


def first_lines(found: Figures) -> list[str]:
    """Return what goes on top of any form of the report."""
    return [verdict(found), *answers(found), of_blocks(found)]


def as_row(found: Figures) -> Row:
    """Return the figures with what they mean, as JSON says it."""
    told: dict[str, Any] = {"verdict": verdict(found), "answers": answers(found), "intervals": of_blocks(found)}
    told |= {"notes": notes(found)}
    figures: Row = msgspec.to_builtins(found)
    return told | figures


def about(found: Figures) -> str:
    """Say what a run was of: when, how long, what and how much."""
    source = found.source
    zone = zone_of(source["zone"])
    if not source["from_ts"]:
        return f"{source['kind']}, {source['strategy']}"
    begin, end = (datetime.fromtimestamp(source[name] // SECOND, zone) for name in ("from_ts", "to_ts"))
    until = f"{end:%H:%M:%S}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    names = source["symbols"]
    symbols = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    parts = [source["kind"], f"{begin:%Y-%m-%d %H:%M:%S} to {until} {end:%Z}", symbols]
    if source["ticks"]:
        parts.append(f"{source['ticks']:,} ticks")
    return " \u00b7 ".join([*filter(None, parts), source["strategy"]])


def excursions_said(found: Figures) -> str:
    """Say what the excursions tell of target and stop."""
    told = found.excursions
    if "median_best_bp" not in told:
        return ""
    best, worst = told["median_best_bp"], -told["median_worst_bp"]
    said = f"Half of the trades saw {best:.1f} bp or more for them, and half {worst:.1f} bp or more against."
    if told.get("reached_target") is not None:
        said += (
            f" {told['reached_target']:,} of {told['trades']:,} reached the target of {told['target_bp']:.1f} bp, "
            f"{told['reached_stop']:,} the stop of {told['stop_bp']:.1f} bp; of {told['losers']:,} losers "
            f"{told['losers_half_way']:,} had been half way to the target."
        )
    if told.get("beyond_stop_bp") is not None:
        said += f" Where the stop acted, the price was {told['beyond_stop_bp']:.1f} bp beyond it."
    return said


def streaks_said(found: Figures) -> str:
    """Say how long the longest runs were, and what is usual."""
    told = found.streaks
    said = f"Longest run of wins {told['longest_win']}, of losses {told['longest_loss']}"
    if told["usual_loss"] is not None:
        said += f"; one of about {max(1, round(told['usual_loss']))} losses is usual at that win rate"
    return said + "."


def step_cells(found: Figures) -> list[list[str]]:
    """Return the table of where the money went; the last row is what was left."""
    told = found.money
    rows = [["a trade", "mean", "95 %", "by", "altogether"]]
    for step in told["steps"]:
        sign = -1 if step.is_cost else 1
        span = "too few trades"
        if step.bp.low is not None and step.bp.high is not None:
            low, high = sorted((step.bp.low * sign, step.bp.high * sign))
            span = "always the same" if step.bp.method == "same" else f"{signed(low)} to {signed(high)}"
        name = step_name(step.name, told["gross_is"])
        rows.append(
            [
                name,
                bp((step.bp.mean or 0.0) * sign),
                span,
                "" if step.bp.method in ("same", "too few trades") else step.bp.method,
                profit(step.total * sign),
            ]
        )
    return rows


def group_cells(rows: list[Row], title: str) -> list[list[str]]:
    """Return the table of groups of trades."""
    cells = [[title, "trades", "wins", "before costs", "after costs (95 %)", "P/L", "held, median"]]
    for row in rows:
        cell = [row["name"], f"{row['trades']:,}", f"{row['wins'] / row['trades'] * 100:.0f} %", bp(row["gross_bp"])]
        cells.append([*cell, spanned(row["net_bp"]), profit(row["pnl"]), f"{row['held_s']:.1f} s"])
    return cells


def execution_cells(found: Figures) -> list[list[str]]:
    """Return the table of how live orders fared: p50 and p99 of each stage; empty without any order."""
    if not found.execution:
        return []
    symbols = found.execution["symbols"]
    rows = symbols if len(symbols) == 1 else symbols | {"all": found.execution["all"]}
    known = [name for name in _STAGES if name in found.execution["all"]]
    cells = [["", "orders", *(_STAGES[name] for name in known)]]
    for name, row in rows.items():
        cells.append([name, f"{row['orders']:,}", *(_stage_cell(stage, row.get(stage)) for stage in known)])
    return cells


def _stage_cell(name: str, told: Row | None) -> str:
    if told is None:
        return ""
    if name == "slippage_bps":
        return f"{signed(told['p50'])} / {signed(told['p99'])} bp"
    places = 1 if told["p99"] < 100 else 0
    return f"{told['p50']:,.{places}f} / {told['p99']:,.{places}f} ms"
