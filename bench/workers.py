"""workers: what it costs to share the settings of a sweep out, and how much faster it then is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bench import tape
from bench.results import Number, Options, Result, Target
from research.engine.port import Engine, EngineName, engine_of
from research.workers.blocks import Block, cost_of, plan
from research.workers.choice import workers_of
from research.workers.port import Shipped, Workers
from service import settings as settings_
from service.recorded.columnar import TapeInfo, TapeWriter, rows_of
from service.settings import Settings

ABOUT = (
    "Settings on one tape, by one worker and by two. `rate` is ticks x settings a second of wall time, which means "
    "something on a quiet machine with two cores. `cpu` is what the tasks took of CPU time for one setting and tick, "
    "over what they take alone; `each_task` what the process that shares them out spends on one. `up` is the time "
    "until every worker has answered."
)
CASES: tuple[tuple[EngineName, str, int], ...] = (
    ("compiled", "serial", 1),
    ("compiled", "threads", 2),
    ("compiled", "ray", 2),
    ("exact", "serial", 1),
    ("exact", "processes", 2),
    ("exact", "ray", 2),
)
TICKS = {"compiled": (200_000, 2_000), "exact": (50_000, 2_000)}
SETTINGS = {"compiled": (256, 4), "exact": (32, 4)}


class _Task(NamedTuple):
    engine: Engine
    tape: Shipped
    settings: tuple[Settings, ...]


class _Run(NamedTuple):
    seconds: float
    cpu_s: float  # of the tasks
    own_s: float  # of the process that shares them out, without tasks of its own
    tasks: int


def measure(options: Options) -> Result:
    """Measure every case; Ray only in full."""
    numbers: list[Number] = []
    alone: dict[str, float] = {}
    for name, kind, jobs in CASES:
        if options.quick and kind == "ray":
            continue
        path = _tape(options, name)
        settings = _settings(options.sized(*SETTINGS[name]))
        engine = engine_of(name, settings).engine
        began = time.perf_counter()
        with workers_of(kind, jobs, name) as workers:
            _run(workers, engine, path, settings[:1] * jobs, [Block(0, range(n, n + 1)) for n in range(jobs)])
            up = time.perf_counter() - began
            run = _run(workers, engine, path, settings, plan([cost_of(path, name)], [len(settings)], jobs))
        each = run.cpu_s / (options.sized(*TICKS[name]) * len(settings))
        at = f"workers.{name}.{kind}"
        numbers.append(Number(f"{at}.rate", options.sized(*TICKS[name]) * len(settings) / run.seconds, "ticks/s"))
        if jobs == 1:
            alone[name] = each
            numbers.append(Number(f"{at}.each", each * 1e6, "us", note="CPU time of a tick with one setting"))
            continue
        target = Target(at_most=5.0) if kind == "ray" and name == "exact" else None
        numbers += [
            Number(f"{at}.cpu", each / alone[name], "x alone", note=f"{run.tasks} tasks"),
            Number(f"{at}.each_task", max(0.0, run.own_s) / run.tasks * 1e3, "ms", note="CPU time"),
            Number(f"{at}.up", up, "s", target),
        ]
    return Result("workers", ABOUT, numbers)


def _tape(options: Options, engine: str) -> Path:
    path = options.folder / f"workers-{engine}.parquet"
    if not path.exists():
        with TapeWriter(path, TapeInfo()) as writer:
            trades = tape.trades(7, 5)
            ticks = options.sized(*TICKS[engine])
            while batch := list(islice(trades, min(ticks, 100_000))):
                writer.write(rows_of(batch))
                ticks -= len(batch)
            writer.finish({})
    return path


def _settings(count: int) -> list[Settings]:
    """Return settings that have little in common."""
    return [
        settings_.load(
            given={
                "strategy.entry_threshold": 0.0003 + 0.000_02 * (n % 40),
                "strategy.profit_target": 0.001 + 0.0001 * (n % 13),
                "strategy.stop_loss": 0.0004 + 0.0001 * (n % 7),
            },
            environment={},
        )
        for n in range(count)
    ]


def _run(workers: Workers, engine: Engine, path: Path, settings: Sequence[Settings], blocks: Sequence[Block]) -> _Run:
    shipped = workers.ship(path)
    tasks = [_Task(engine, shipped, tuple(settings[n] for n in block.settings)) for block in blocks]
    began, own = time.perf_counter(), time.process_time()
    cpu_s = sum(seconds for _, seconds in workers.run(_decide, tasks))
    own_s = time.process_time() - own - (cpu_s if workers.name in ("serial", "threads") else 0.0)
    return _Run(time.perf_counter() - began, cpu_s, own_s, len(tasks))


def _decide(task: _Task) -> float:
    """Decide, and return the CPU time that it took."""
    began = time.thread_time()
    task.engine.decide(task.tape.path(), task.settings)
    return time.thread_time() - began
