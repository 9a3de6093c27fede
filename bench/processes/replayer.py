"""Works a tape once in a fresh process, by our replay or by the yardstick, and says how long that took."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.children import tell


def ours(tape: str, out: str) -> Callable[[], int]:
    """Return our replay, from file to files; it returns the number of trades."""
    from service import settings
    from service.recorded.replay import replay

    effective = settings.load(environment={})

    def work() -> int:
        trades = replay(Path(tape), effective, None, Path(out))["trades"]
        assert isinstance(trades, int)
        return trades

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
    work = {"ours": ours, "fused": fused}[kind](*arguments)
    began, cpu_began = time.perf_counter(), time.process_time()
    trades = work()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    tell("replayed", seconds=seconds, cpu_seconds=cpu_seconds, trades=trades)


if __name__ == "__main__":
    main(*sys.argv[1:])
