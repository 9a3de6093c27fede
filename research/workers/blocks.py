"""How many settings a task has: enough to be worth its way to a worker, few enough that no worker is idle."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

from service.recorded import columnar, tapes

LEAST_S = 1.0
"""Seconds that a task should take: what it takes to hand it out is then less than a hundredth of it."""
PER_JOB = 4
"""Tasks for each worker, if there is enough to do: so that all of them are done at about the same time."""
_WORTH = 10  # how many times what a task does before its first setting (reading the tape) its settings should take


class Cost(NamedTuple):
    """What one tape costs: seconds before the first of a task's settings, and seconds for each of them."""

    start_s: float
    each_s: float


MEASURED = {"exact": Cost(0.4e-6, 2.0e-6), "compiled": Cost(0.4e-6, 0.05e-6)}
"""What an event costs by engine, with the decoding before it and a dozen trades in a thousand events; measured on one
core of an EPYC, to the nearest round number: as much as bounds of tasks need."""
_EVENT_BYTES = {".gz": 15.0, ".zip": 20.0}  # of one event in a tape that says not how many it has
_LINE_BYTES = 130.0


def cost_of(tape: Path, engine: str) -> Cost:
    """Return what a tape costs an engine, about. Raises UserError if there is none."""
    if columnar.is_columnar(tape):
        events: float = columnar.info(tape).rows
    else:
        events = tapes.size(tape) / _EVENT_BYTES.get(tape.suffix, _LINE_BYTES)
    return Cost(*(events * seconds for seconds in MEASURED[engine]))


class Block(NamedTuple):
    """One task: which tape, by its position, and which of its settings."""

    tape: int
    settings: range


def plan(
    costs: Sequence[Cost], settings: Sequence[int], jobs: int, most: int = sys.maxsize, least_s: float = LEAST_S
) -> list[Block]:
    """Return the tasks of tapes with these costs, each with so many settings, for `jobs` workers, tape by tape.

    Each setting is in one block of its tape. Blocks of a tape differ by one setting at most. They have at most `most`
    settings, and take `least_s` and ten times what comes before the first setting, unless that would leave workers
    without one. Only where bounds lie depends on costs and jobs: results cannot.
    """
    total = sum(cost.each_s * count for cost, count in zip(costs, settings, strict=True))
    share = total / (PER_JOB * jobs)  # seconds of a task, if there were nothing else to think of
    enough = ceil(jobs / max(1, sum(count > 0 for count in settings)))  # blocks of a tape, for each worker to have one
    blocks = []
    for tape, (cost, count) in enumerate(zip(costs, settings, strict=True)):
        each = max(cost.each_s, 1e-9)
        size = max(1, ceil(max(least_s, share, _WORTH * cost.start_s) / each))
        if each * count >= least_s * enough:  # else they would be too small
            size = min(size, ceil(count / enough))
        blocks += [Block(tape, part) for part in _parts(count, ceil(count / min(size, most)))]
    return blocks


def _parts(count: int, parts: int) -> list[range]:
    """Divide `count` into ranges that differ by one at most.

    >>> _parts(10, 3)
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    return [range(count * part // parts, count * (part + 1) // parts) for part in range(parts)]
