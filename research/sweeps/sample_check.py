"""The proof of a sweep: some of its cells are decided again by the core itself, and must be the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import isclose
from pathlib import Path
from typing import Any

import msgspec

from actors.portfolio.lines import TradeLine
from research.engine.decided import TRADE_FIELDS
from research.engine.exact import ExactEngine
from research.sweeps.cells import Cells
from service import strategies
from service.settings import Settings

_MONEY = ("pnl", "fees")
_ROUNDING = 1e-9  # of money that follows from times and prices: the core reckons it in exact decimals


class Cell(msgspec.Struct, frozen=True):
    """One of the cells to look at: where it is decided, with what, and its number among the settings."""

    tape: Path
    settings: Settings
    key: str
    number: int


class Checked(msgspec.Struct, frozen=True):
    """How many cells were decided again, with how many trades, and the first difference, if there is one."""

    cells: int
    trades: int
    difference: str | None = None


def drawn(cells: Sequence[Cell], traded: Sequence[bool], count: int, chosen: Sequence[int]) -> list[Cell]:
    """Draw the cells to look at: one of each setting that was `chosen`, up to half of all, and the rest by chance.

    By chance come cells with trades, and one without, where there is one: not to trade is a decision too. The draw is
    by the keys of the cells alone: the same sweep has the same sample.
    """
    chance = random.Random(",".join(sorted(cell.key for cell in cells)))
    order = list(range(len(cells)))
    chance.shuffle(order)
    order.sort(key=lambda i: not traded[i])
    firsts: dict[int, int] = {}  # of each setting: a cell with trades, if it has any
    for i in order:
        firsts.setdefault(cells[i].number, i)
    found = [firsts[number] for number in dict.fromkeys(chosen)][: -(-count // 2)]
    others = [i for i in order if i not in found]
    idle = next((i for i in others if not traded[i]), None)
    if idle is not None and count - len(found) > 1:
        found.append(idle)
        others.remove(idle)
    return [cells[i] for i in (found + others)[:count]]


def checked(sample: Sequence[Cell], kept: Cells, strategy: strategies.Wanted) -> Checked:
    """Decide the cells of a sample by the exact engine, and compare each trade with what the sweep kept."""
    mine = {key: (row, trades) for key, row, trades in kept.taken([cell.key for cell in sample]).by_key()}
    trades = 0
    for tape in dict.fromkeys(cell.tape for cell in sample):
        here = [cell for cell in sample if cell.tape == tape]
        outcomes = ExactEngine(strategy).decide(tape, [cell.settings for cell in here])
        for cell, outcome in zip(here, outcomes, strict=True):
            row, table = mine[cell.key]
            trades += len(outcome.trades)
            where = f"setting {cell.number + 1} on {tape.name}"
            if difference := _difference(where, table.to_pylist(), outcome.trades):
                return Checked(len(sample), trades, difference)
            for name in ("ticks", "bursts", "signals", "approved"):
                if row[name] != (exact := outcome.summary["funnel"][name]):
                    return Checked(len(sample), trades, f"{where}: {row[name]:,} {name}, and {exact:,} by the core")
    return Checked(len(sample), trades)


def _difference(where: str, mine: Sequence[dict[str, Any]], exact: Sequence[TradeLine]) -> str | None:
    """Return the first difference between trades, in words; None if they are the same."""
    for number, (found, line) in enumerate(zip(mine, exact, strict=False), 1):
        for name in TRADE_FIELDS:
            theirs = getattr(line, name)
            if found[name] != theirs and not (name in _MONEY and isclose(found[name], theirs, abs_tol=_ROUNDING)):
                return f"{where}, trade {number}: {name} is {found[name]!r}, and {theirs!r} by the core"
    if len(mine) != len(exact):
        return f"{where}: {len(mine):,} trades, and {len(exact):,} by the core"
    return None
