"""compiled: the compiled engine's speed and memory, beside hftbacktest where that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from bench import tape
from bench.results import ROOT, Number, Options, Result, Target
from pipeline.events import SECOND, Trade

ABOUT = (
    "Ticks a second of CPU time, best of several rounds: of columns in memory to decisions (and to booked trades), and "
    "of a tape in Parquet to its outcome in a process of its own, with the most memory that it had. One symbol trades "
    "50 times a second, many do 5 times each. hftbacktest walks the same tape for a strategy of fewer rules."
)
TICKS = (1_000_000, 20_000)
SYMBOLS = (100, 5)
COPIES = (50, 2)  # of the tape of one symbol, one behind the other: the large one
ROUNDS = (5, 1)
_COLUMNS = ("kind", "ts", "price", "size", "bid", "ask")


class _Streamed(msgspec.Struct):
    """What a process says of a tape that it decided."""

    ticks: int
    trades: int
    cpu_s: float
    memory_mb: float
    compile_s: float


def measure(options: Options) -> Result:
    """Measure one symbol, many, and a large tape."""
    ticks, symbols, rounds = options.sized(*TICKS), options.sized(*SYMBOLS), options.sized(*ROUNDS)
    events = list(islice(tape.trades(7, 50), ticks))
    each = ticks // symbols
    several = (islice(tape.trades(n, 5, f"S{n:03}"), each) for n in range(symbols))
    mixed = sorted(chain.from_iterable(several), key=lambda trade: trade.ts)
    numbers = [
        *_in_memory("compiled.one_symbol", events, rounds, Target(at_least=20e6)),
        *_in_memory("compiled.many_symbols", mixed, rounds, Target(at_least=12e6)),
    ]
    numbers += _hftbacktest(events, rounds, numbers[0].value)
    return Result("compiled", ABOUT, [*numbers, *_streamed(options, events)])


def _in_memory(key: str, events: Sequence[Trade], rounds: int, target: Target) -> list[Number]:
    from research.engine import kernel
    from research.engine.columns import columns_of
    from research.engine.machine import Machine
    from service.settings import Settings

    batch, core = columns_of(events), Settings().core
    spent = [0.0]
    run = kernel.run

    def timed(*arguments: Any) -> int:
        began = time.process_time()
        why = run(*arguments)
        spent[0] += time.process_time() - began
        return why

    machine = Machine(core)
    machine.feed(columns_of(events[:100]))  # compiles
    decided, booked = [], []
    kernel.run = timed  # type: ignore[assignment]
    try:
        for _ in range(rounds):
            spent[0] = 0.0
            machine = Machine(core)
            began = time.process_time()
            machine.feed(batch)
            booked.append(time.process_time() - began)
            decided.append(spent[0])
    finally:
        kernel.run = run
    note = f"{len(batch.symbols)} symbols, {len(machine.booking.trades)} trades"
    return [
        Number(key, len(events) / min(decided), "ticks/s", target, note),
        Number(f"{key}.booked", len(events) / min(booked), "ticks/s", note="with the trades booked exactly"),
    ]


def _streamed(options: Options, events: Sequence[Trade]) -> list[Number]:
    path = options.folder / "large.parquet"
    copies = options.sized(*COPIES)
    write_copies(path, events, copies)
    kept = options.sized(options.folder / "kept", None)
    cold, *runs = (_decided(path, kept) for _ in range(options.sized(3, 2)))
    best = min(runs, key=lambda run: run.cpu_s)
    millions = best.ticks / 1e6
    note = f"{millions:g} M ticks from Parquet, {best.trades} trades, imports and all"
    full = not options.quick
    path.unlink()
    return [
        Number("compiled.streamed", best.cpu_s, "s", Target(at_most=6) if full else None, note),
        Number("compiled.memory", max(run.memory_mb for run in runs), "MB", Target(at_most=300), "of that process"),
        Number("compiled.cold_start", cold.compile_s, "s", note="the first call ever: it compiles"),
        Number("compiled.cached_start", best.compile_s, "s", note="the first call of a process, with the code kept"),
    ]


def write_copies(path: Path, events: Sequence[Trade], copies: int) -> None:
    """Write a tape that holds the events so many times, one behind the other in time."""
    import numpy as np
    import pyarrow as pa

    from research.engine.columns import columns_of
    from service.recorded.columnar import TapeInfo, TapeWriter

    batch = columns_of(events)
    length = (int(batch.ts[-1] - batch.ts[0]) // SECOND + 60) * SECOND
    symbol = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(batch), np.int32)), [events[0].symbol])
    fixed = {name: pa.array(getattr(batch, name), from_pandas=True) for name in _COLUMNS}
    with TapeWriter(path, TapeInfo(source="bench")) as writer:
        for copy in range(copies):
            ts = pa.array(batch.ts + copy * length)
            writer.write(pa.table(fixed | {"ts": ts, "symbol": symbol}))
        writer.finish({})


_CHILD = """
import sys, time
from pathlib import Path
import msgspec
from bench.children import most_held
from research.engine.columns import columns_of
from research.engine.compiled import CompiledEngine, decided
from pipeline.events import Trade
from service.settings import Settings
before = time.process_time()
decided([columns_of([Trade("A", 1, 1.0, 1.0)])], [Settings()])
compile_s = time.process_time() - before
found = CompiledEngine().decide(Path(sys.argv[1]), [Settings()])[0]
told = {"ticks": found.summary["ticks"], "trades": len(found.trades), "cpu_s": time.process_time(),
        "memory_mb": most_held() / 1e6, "compile_s": compile_s}
print(msgspec.json.encode(told).decode())
"""


def _decided(path: Path, kept: Path | None) -> _Streamed:
    """Decide a tape in a process of its own; `kept` has the code that was compiled so, None: where it is kept anyway.

    The first process that is given a folder compiles, and holds what that takes; those after it find all they need.
    """
    cache = {"NUMBA_CACHE_DIR": str(kept)} if kept is not None else {}
    command = [sys.executable, "-c", _CHILD, str(path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | cache, capture_output=True, check=True)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=_Streamed)


def _hftbacktest(events: Sequence[Trade], rounds: int, ours: float) -> list[Number]:
    """Measure hftbacktest on the same tape; nothing where it is not installed."""
    try:
        from bench.hft import run
    except ImportError:
        return []
    numbers = []
    for only_new, name, note in ((False, "", "each quote is an event"), (True, "_new_quotes", "new quotes alone are")):
        found = [run(events, only_new=only_new) for _ in range(rounds + 1)]  # the first one compiles
        rate = len(events) / min(seconds for seconds, _ in found[1:])
        note = f"{note}; {found[-1][1]} trades of momentum and three exits alone"
        target = None if only_new else Target(at_least=3)
        numbers += [
            Number(f"compiled.hftbacktest{name}", rate, "ticks/s", note=note),
            Number(f"compiled.ratio{name}", ours / rate, "x hftbacktest", target),
        ]
    return numbers
