"""replay: a tape's file to the files of its decisions, beside the yardstick and as a whole process."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median

import msgspec

from bench import tape
from bench.children import Child
from bench.results import ROOT, Number, Options, Result, Target

ABOUT = (
    "A tape of JSON Lines to the decisions' files, at 5 and 50 trades a second of tape time; best of interleaved "
    "rounds. Ratios are medians over the rounds; by CPU time they hardly depend on what else the machine does."
)
TICKS = (500_000, 4_000)
ROUNDS = (5, 1)
RATES = (5, 50)  # trades a second of tape time
_COMMAND = "from service.cli import main; main()"


class _Run(msgspec.Struct, frozen=True):
    """One pass over the tape."""

    seconds: float
    cpu_seconds: float
    trades: int


def measure(options: Options) -> Result:
    """Measure both tapes."""
    return Result("replay", ABOUT, [number for rate in RATES for number in _measure(options, rate)])


def _measure(options: Options, rate: int) -> list[Number]:
    ticks = options.sized(*TICKS)
    path = tape.write(options.folder / f"replay-{rate}.jsonl", islice(tape.trades(7, rate), ticks))
    out = str(options.folder / "out")
    yardsticks, ours, process_s = [], [], []
    for _ in range(options.sized(*ROUNDS)):
        if options.fused is not None:
            yardsticks.append(_run("fused", str(options.fused), str(path)))
        ours.append(_run("ours", str(path), out))
        process_s.append(_whole_process(path, out))
    path.unlink()
    at = f"replay.at_{rate}_a_second"
    trades = ours[0].trades
    differs = "".join({f", {y.trades} by fused: THEY DECIDE DIFFERENTLY" for y in yardsticks if y.trades != trades})
    rate_of_ours = ticks / min(run.seconds for run in ours)
    numbers = [
        Number(at, rate_of_ours, "ticks/s", Target(at_least=350_000), f"{trades} trades{differs}"),
        Number(f"{at}.process", ticks / min(process_s), "ticks/s", note="the command, start and all"),
    ]
    if yardsticks:
        target = Target(at_least=0.45)
        pairs = list(zip(yardsticks, ours, strict=True))
        ratios = [yardstick.seconds / run.seconds for yardstick, run in pairs]
        cpu_ratios = [yardstick.cpu_seconds / run.cpu_seconds for yardstick, run in pairs]
        numbers += [
            Number(f"{at}.fused", ticks / min(y.seconds for y in yardsticks), "ticks/s", note="the yardstick"),
            Number(f"{at}.ratio", median(ratios), "x fused", target),
            Number(f"{at}.cpu_ratio", median(cpu_ratios), "x fused", target, "by CPU time"),
        ]
    return numbers


def _run(*arguments: str) -> _Run:
    with Child("replayer", *arguments) as child:
        return msgspec.convert(child.hear("replayed"), _Run)


def _whole_process(path: Path, out: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", _COMMAND, "replay", str(path), "--out", out], cwd=ROOT, capture_output=True, check=True
    )
    return time.perf_counter() - began
