"""Works a tape once in a fresh process, by our replay or by the yardstick, and says how long that took."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.children import most_held, tell
from bench.tape import trades
from pipeline.events import as_json


def ours(tape: str, out: str) -> Callable[[], int]:
    """Return our replay, from file to files; it returns the number of trades."""
    from service import settings
    from service.recorded import columnar
    from service.recorded.replay import replay

    effective = settings.load(environment={})
    if tape.endswith(".parquet"):
        columnar.schema()  # what a program loads once is not the tape's

    def work() -> int:
        decided = replay(Path(tape), effective, None, Path(out))["trades"]
        assert isinstance(decided, int)
        return decided

    return work


def chain(tape: str, out: str) -> Callable[[], int]:
    """Return our replay with the default strategy's chain compiled; the compiled code is loaded before it is timed."""
    from research.engine.compiled_chain import replay
    from service import settings
    from service.recorded import columnar

    effective = settings.load(environment={})
    with TemporaryDirectory() as folder:
        warm = Path(folder) / "warm.jsonl"
        columnar.schema()
        warm.write_bytes(b"\n".join(as_json(trade) for trade in islice(trades(1, 5), 2_000)))
        replay(warm, effective)

    def work() -> int:
        decided = replay(Path(tape), effective, None, Path(out))["trades"]
        assert isinstance(decided, int)
        return decided

    return work


def fused(script: str, tape: str) -> Callable[[], int]:
    """Return the yardstick's pass over the tape."""
    sys.path.insert(0, str(Path(script).parent))
    module = importlib.import_module(Path(script).stem)

    def work() -> int:
        with Path(tape).open("rb") as file:
            return len(module.run(file)[2])

    return work


def main(kind: str, *arguments: str) -> None:
    work = {"ours": ours, "chain": chain, "fused": fused}[kind](*arguments)
    began, cpu_began = time.perf_counter(), time.process_time()
    decided = work()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    tell("replayed", seconds=seconds, cpu_seconds=cpu_seconds, trades=decided, most_bytes=most_held())


if __name__ == "__main__":
    main(*sys.argv[1:])
