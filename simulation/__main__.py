"""`python -m simulation`: run seeds, and of the first that fails print what it takes to see it again."""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from itertools import repeat
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.events import SECOND
from service.recorded.recording import Recorder
from simulation import chance
from simulation.broken import Broken
from simulation.days import FIRST_DAY, Days
from simulation.shrink import Failure, Shrinker, attempt, log_nothing, verdict
from simulation.world import Result, World

MINUTES = 5.0
MOST_DAYS = 3_650


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that were asked for; 1 if one fails."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.days is not None:
        if given.only is not None or given.seeds != 1:
            parser.error("--days runs one seed, and without faults: leave out --only and --seeds")
        return _run_days(given.seed, given.first_day, given.days, given.minutes)
    seeds = range(given.seed, given.seed + given.seeds)
    began = time.perf_counter()
    if given.only is not None or given.seeds == 1:
        failures = _run_one(given.seed, given.minutes, given.only)
    else:
        failures = _run_many(seeds, given.minutes, given.jobs, keep_going=given.keep_going)
    took = time.perf_counter() - began
    if not failures:
        print(f"{given.seeds} seeds of {given.minutes:g} minutes passed in {took:.1f} s")
        return 0
    for failure in failures:
        print(f"seed {failure.seed} FAILED {failure.seconds:.3f} s into the market: {failure.sentence}")
    if given.only is None and given.shrink_s > 0:
        _explain(failures[0], given.shrink_s, given.out)
    else:
        _tell(failures[0], given.out)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m simulation", description="The whole bot in virtual time, with faults.")
    parser.add_argument("--seed", type=int, default=1, help="the first seed [1]")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many [1]")
    parser.add_argument(
        "--minutes",
        type=float,
        default=MINUTES,
        help="of the market; with --days: of each session's beginning, and of its end [5]",
    )
    parser.add_argument(
        "--days", type=_days, metavar="N", help="run so many days unattended instead, without faults, nights skipped"
    )
    parser.add_argument(
        "--first-day", type=_date, default=FIRST_DAY, metavar="DATE", help=f"the first of them [{FIRST_DAY}]"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="at once [one a core]")
    parser.add_argument("--keep-going", action="store_true", help="run all seeds, whatever fails")
    parser.add_argument(
        "--only", type=_mask, metavar="MASK", help="let only these faults happen, as a failing seed says"
    )
    parser.add_argument(
        "--shrink-s", type=float, default=60.0, metavar="S", help="to make a failure small; 0: do not [60]"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("logs"), help="where a failing life's inputs are written [logs]"
    )
    return parser


def _mask(text: str) -> list[str]:
    try:
        return sorted(chance.read(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no mask such as crash:1+4,lost_answer:2") from None


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to {MOST_DAYS}")
    return int(text)


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if not 1990 <= found.year <= 2100:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as {FIRST_DAY}")
    return found


# ---------------------------------------------------------------------------------------------------- running


def _run_days(seed: int, first: date, days: int, minutes: float) -> int:
    """Run days, and print what each came to; 1 if one breaks a rule."""
    began, run = time.perf_counter(), Days(seed, first, days, minutes)
    if not run.sessions:
        print(f"the market is closed on all {days} days from {first} on")
        return 0
    entries = trades = 0
    try:
        for day in run.run():
            print(day, flush=True)
            entries, trades = entries + day.entries, trades + day.trades
    except Broken as broken:
        at = datetime.fromtimestamp(run.world.scheduler.now // SECOND, UTC)
        print(f"seed {seed} FAILED at {at:%Y-%m-%d %H:%M:%S} UTC: {broken}")
        return 1
    took = time.perf_counter() - began
    many = f"{days} days, {len(run.sessions)} sessions"
    print(f"{many}: {entries} entries, {trades} trades, flat at each close; {took:.1f} s")
    return 0


def _run_one(seed: int, minutes: float, only: Sequence[str] | None) -> list[Failure]:
    world = World(seed, only=only)
    try:
        print(_described(world.run(minutes * 60)))
    except (Exception, Broken):
        _, failure = attempt(seed, minutes, only)
        if failure is None:
            raise  # the same seed came to something else: that is the worst of all
        return [failure]
    return []


def _run_many(seeds: range, minutes: float, jobs: int, *, keep_going: bool) -> list[Failure]:
    """Run seeds, as many at once as there are jobs; return those that failed."""
    failures: list[Failure] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("seeds", total=len(seeds))
        for failure in _failures(seeds, minutes, jobs):
            progress.advance(bar)
            if failure is not None:
                failures.append(failure)
                progress.update(bar, description=f"seeds ({len(failures)} failed)")
                if not keep_going:
                    break
    return failures


def _failures(seeds: range, minutes: float, jobs: int) -> Iterator[Failure | None]:
    """Yield what each seed came to, in their order; those that have not begun are canceled if no more are taken."""
    if jobs == 1:
        yield from map(verdict, seeds, repeat(minutes))
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), log_nothing) as pool:
        yield from pool.map(verdict, seeds, repeat(minutes))


# ---------------------------------------------------------------------------------------------------- telling


def _described(result: Result) -> str:
    where = "in the core" if result.scenario.simulated else "at the venue"
    return (
        f"seed {result.seed}: fills {where}, {result.lives} lives of the bot, {result.sessions} sessions, "
        f"{result.faults} faults, {result.inputs} inputs, {result.orders} orders, {result.trades} trades"
    )


def _explain(failure: Failure, within_s: float, out: Path) -> None:
    """Shrink a failure and tell what is left of it."""
    print(f"{len(failure.occurred)} faults happened until then; leaving out what it does not take ...", flush=True)
    ends = time.perf_counter() + within_s
    shrinker = Shrinker(failure, lambda: time.perf_counter() >= ends)
    smallest = shrinker.shrink()
    print(f"after {shrinker.tries} runs, {len(smallest.occurred)} faults still break the same rule:")
    _tell(smallest, out)


def _tell(failure: Failure, out: Path) -> None:
    """Tell a failure in words, and how to see it again; write down what the failing life was fed."""
    keys = [occurrence.key for occurrence in failure.occurred]
    minutes = min(failure.minutes, math.ceil(failure.seconds / 6) / 10)  # the faults need not last longer than it does
    world, again = attempt(failure.seed, minutes, keys)
    start = world.scenario.start
    for occurrence in failure.occurred:
        print(f"{(occurrence.at - start) / SECOND:10.3f} s  {occurrence.key:18}  {occurrence.words}")
    print(f"{failure.seconds:10.3f} s  {failure.sentence}")
    mask = chance.written(keys)
    print(f"reproduce: python -m simulation --seed {failure.seed} --minutes {minutes:g} --only {mask}")
    if again is None or again.rule != failure.rule:
        print("which does NOT fail in the same way: something is decided by what is not in the seed")
    if world.bots:
        _say_written(world, out / f"simulation-{failure.seed}.jsonl")


def _say_written(world: World, path: Path) -> None:
    """Write the inputs of the last session as a recording, which `microbot replay` reads."""
    path.unlink(missing_ok=True)
    part = world.bot.parts[-1]
    recorder = Recorder(path, world.scenario.settings, None, *part.names)
    recorder.write(part.log)
    recorder.close()
    where = f"session {len(world.bot.parts)} of life {len(world.bots)} of the bot"
    print(f"the {len(part.log)} inputs of {where}: microbot replay {path}")


if __name__ == "__main__":
    log_nothing()
    sys.exit(main())
