"""How `microbot replay` shows what would have changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from research.statistics.intervals import Interval
from research.what_if import FEW, Change, Figures, SessionIf, WhatIf, passes, what_if
from service import figures, outlet
from service.cli import terminal
from service.recorded import tapes
from service.recorded.decisions import Changes
from service.recorded.trust import Trust
from service.visible import visible, visible_json


def show(
    paths: Sequence[Path],
    changes: Changes,
    out: Path | None,
    data_dir: Path,
    *,
    trust: bool,
    fail_fast: bool,
    as_json: bool | None,
) -> WhatIf:
    """Decide, with a bar on the terminal, print the tables, or JSON, and return what is in them. Raises UserError."""
    told: dict[str, None] = {}  # once the bar is gone, and each sentence once
    total = sum(tapes.size(path) * passes(path, changed=bool(changes)) for path in paths)
    with terminal.progress(f"replaying {len(paths)} sessions", total) as progress, outlet.prints_aside():
        found = what_if(
            paths,
            changes,
            Trust(data_dir, trust, lambda sentence: told.setdefault(sentence)),
            out=out,
            progress=progress,
            say=lambda sentence: told.setdefault(sentence),
            fail_fast=fail_fast,
        )
    for sentence in (*told, *_sentences(found)):
        terminal.say(sentence)
    if outlet.for_machines(as_json):
        sys.stdout.write(visible_json(msgspec.json.format(msgspec.json.encode(as_plain(found)), indent=2).decode()))
        sys.stdout.write("\n")
        return found
    console = Console()
    if found.changes:
        console.print(Text("what would have changed with " + ", ".join(map(_change, found.changes))))
    if found.on_both_sides:
        of = "on both sides" if len(found.sessions) == len(_at_broker(found)) else "on both sides of those at a broker"
        console.print(Text(f"{of}: " + ", ".join(map(_change, found.on_both_sides))))
    console.print(_in_all(found.in_all))
    if len(found.sessions) > 1:
        console.print(_by_session(found.sessions))
    return found


def as_plain(found: WhatIf) -> dict[str, Any]:
    """Return it as JSON has it: the tables, with rates and differences."""
    plain: dict[str, Any] = msgspec.to_builtins(found)
    for row, session in zip((*plain["sessions"], plain["in_all"]), (*found.sessions, found.in_all), strict=True):
        for name in ("before", "after", "at_broker"):
            of_it: Figures | None = getattr(session, name)
            if of_it is not None:
                row[name]["win_rate"] = of_it.win_rate
        row["difference"] = _difference(session)
    plain["too_few_trades"] = found.few
    return plain


def _difference(session: SessionIf) -> dict[str, float] | None:
    before, after = session.before, session.after
    if after is None:
        return None
    names = ["signals", "approved", "trades", "wins", "losses", "spread", "slippage", "gross", "fees", "net"]
    names += ["open_positions", "open_pnl"]
    return {name: getattr(after, name) - getattr(before, name) for name in names}


def _at_broker(found: WhatIf) -> list[SessionIf]:
    return [session for session in found.sessions if session.at_broker is not None]


def _sentences(found: WhatIf) -> list[str]:
    said = []
    if not found.changes and found.on_both_sides:
        said.append(
            "only [execution] is changed, by which both sides of a session at a broker are simulated: they are the "
            "same; --set another setting as well to see what that would have changed"
        )
    elif not found.changes:
        said.append("nothing is changed: --set SECTION.KEY=VALUE, --config or --strategy say what is to be other")
    at_broker = _at_broker(found)
    if at_broker:
        which = "the sessions are" if len(at_broker) == len(found.sessions) else f"{len(at_broker)} sessions are"
        which = f"{at_broker[0].file} is" if len(found.sessions) == 1 else which
        costs = ", or ".join(dict.fromkeys(session.fills for session in at_broker))
        said.append(
            f"{which} of a broker, which never saw these orders: fills are simulated on both sides ({costs}); "
            "`microbot calibrate` finds what the broker's cost"
        )
    unknown = max(side.not_known for side in (found.in_all.before, found.in_all.after) if side is not None)
    if unknown:
        said.append(
            f"of {unknown} trades no quote is known at any trigger: spread and slippage are those of the others"
        )
    by_trade = found.by_trade if found.changes else None
    if found.few and found.changes:
        said.append(f"too few trades to tell a change from luck: below {FEW}")
    elif by_trade is not None and by_trade.low is not None and by_trade.high is not None:
        said.append(_believed(by_trade))
    return said


def _believed(change: Interval) -> str:
    mean, low, high = (figures.money(value or 0.0) for value in (change.mean, change.low, change.high))
    told = change.is_above_zero or change.is_below_zero
    verdict = "more than luck, as far as these sessions go" if told else "which cannot be told from luck"
    return f"the difference is {mean} a trade (95 %: {low} to {high}): {verdict}"


def _change(change: Change) -> str:
    return visible(f"{change.setting} {_value(change.before)} -> {_value(change.after)}")


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def _in_all(session: SessionIf) -> Table:
    """Lay out one session's figures: a quantity a row, a side a column."""
    table = Table(box=None)
    sides = [side for side in (session.at_broker, session.before, session.after) if side is not None]
    table.add_column("")
    names = ["at the broker"] if session.at_broker is not None else []
    names += ["simulated" if session.at_broker is not None else "as it was"]
    names += ["changed", "difference"] if session.after is not None else []
    for name in names:
        table.add_column(name, justify="right")
    for name in ("signals", "approved", "trades", "wins", "losses"):
        table.add_row(name, *_cells([getattr(side, name) for side in sides], session))
    table.add_row("win rate", *(figures.percent(side.win_rate) for side in sides))
    for name, label in (
        ("spread", "spread, paid in the prices"),
        ("slippage", "slippage, likewise"),
        ("gross", "P/L gross, of these prices"),
        ("fees", "fees"),
        ("net", "P/L net"),
    ):
        table.add_row(label, *_cells([getattr(side, name) for side in sides], session, money=True))
    table.add_row("still open at the end", *_cells([side.open_positions for side in sides], session))
    if any(side.open_positions for side in sides):
        table.add_row("P/L of these at the last price", *_cells([side.open_pnl for side in sides], session, money=True))
    for reason in sorted({reason for side in sides for reason in side.exits}):
        counts = [side.exits.get(reason, 0) for side in sides]
        table.add_row(Text(f"exits {visible(reason)}"), *_cells(counts, session))
    if (moved := session.moved) is not None:
        told = f"{moved.same} the same, {moved.other_exit} with another course, {moved.gone} gone, {moved.new} new"
        table.caption, table.caption_justify = f"of the trades {told}", "left"
    return table


def _cells(values: list[Any], session: SessionIf, *, money: bool = False) -> list[str]:
    shown = [figures.money(value, grouped=True) if money else f"{value:,}" for value in values]
    if session.after is not None:
        by = values[-1] - values[-2]
        by = (
            round(by, 2) if money and max(map(abs, values)) >= 1 else by
        )  # else what fees differ in would be millionths
        shown.append(f"{'+' if by > 0 else ''}{figures.money(by, grouped=True) if money else f'{by:,}'}")
    return shown


def _by_session(sessions: Sequence[SessionIf]) -> Table:
    table = Table(box=None)
    changed = any(session.after is not None for session in sessions)
    table.add_column("session", overflow="fold")
    for name in ("trades", "wins", "P/L net", *(["changed", "difference"] if changed else [])):
        table.add_column(name, justify="right")
    held = any(side is not None and side.open_positions for each in sessions for side in (each.before, each.after))
    if held:
        table.add_column("still open", justify="right")
    for session in sessions:
        before, after = session.before, session.after
        row = [_pair(before, after, "trades"), _pair(before, after, "wins"), figures.money(before.net, grouped=True)]
        if changed:
            other = after if after is not None else before
            by = other.net - before.net
            row += [figures.money(other.net, grouped=True), ("+" if by > 0 else "") + figures.money(by, grouped=True)]
        row += [_pair(before, after, "open_positions")] if held else []
        table.add_row(Text(visible(Path(session.file).name)), *row)
    return table


def _pair(before: Figures, after: Figures | None, name: str) -> str:
    one = getattr(before, name)
    return f"{one:,}" if after is None else f"{one:,} -> {getattr(after, name):,}"
