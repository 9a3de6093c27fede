"""How many settings a task has: enough to be worth its way to a worker, few enough that no worker is idle."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

LEAST_S = 1.0
"""Seconds that a task should take: what it takes to hand it out is then less than a hundredth of it."""
PER_JOB = 4
"""Tasks for each worker, if there is enough to do: so that all of them are done at about the same time."""
_WORTH = 10  # how many times what a task does before its first setting (reading the tape) its settings should take


class Cost(NamedTuple):
    """What one tape costs: seconds before the first of a task's settings, and seconds for each of them."""

    start_s: float
    each_s: float


class Block(NamedTuple):
    """One task: which tape, by its position, and which of the settings."""

    tape: int
    settings: range


def plan(costs: Sequence[Cost], settings: int, jobs: int, least_s: float = LEAST_S) -> list[Block]:
    """Return the tasks of `settings` settings over tapes with these costs, for `jobs` workers, tape by tape.

    Each setting is in one block of each tape. Blocks of a tape differ by one setting at most, and take `least_s` and
    ten times what comes before the first setting, unless that would leave workers without one. Only where bounds lie
    depends on the costs, so what was measured may be anything: results cannot depend on it.
    """
    total = sum(cost.each_s for cost in costs) * settings
    share = total / (PER_JOB * jobs)  # seconds of a task, if there were nothing else to think of
    enough = ceil(jobs / len(costs)) if costs else 1  # blocks of a tape, for each worker to have one
    blocks = []
    for tape, cost in enumerate(costs):
        each = max(cost.each_s, 1e-9)
        size = max(1, ceil(max(least_s, share, _WORTH * cost.start_s) / each))
        if each * settings >= least_s * enough:  # else they would be too small
            size = min(size, ceil(settings / enough))
        blocks += [Block(tape, part) for part in _parts(settings, ceil(settings / size))]
    return blocks


def _parts(count: int, parts: int) -> list[range]:
    """Divide `count` into ranges that differ by one at most.

    >>> _parts(10, 3)
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    return [range(count * part // parts, count * (part + 1) // parts) for part in range(parts)]
