"""sweeps: a thousand settings over a morning, by the compiled engine, with and without results checked by the core."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

from bench import tape
from bench.results import ROOT, Number, Options, Result, Target

ABOUT = (
    "`microbot sweep` as a whole process, start and all, with compiled functions from numba's cache: processor time of "
    "all its threads, the least of several rounds. The morning is LOBSTER's AAPL (63,160 rows, 16,542 trades) where "
    "the recorded data is at hand, and else one that is made of a seed."
)
MORNING = "AAPL_2012-06-21_34200000_46800000_1.zip"
ROUNDS = (3, 1)
TICKS = 16_000
FINE = ("0.0002:0.0011:0.0001", "0:0.0009:0.0001", "0.0005:0.005:0.0005")  # a thousand settings
COARSE = ("0.0002:0.0011:0.0003", "0,0.0005", "0.001")
_COMMAND = "from research.cli import main; main()"


def measure(options: Options) -> Result:
    """Measure a sweep without and with results that are decided again, and one whose cells are all kept."""
    morning = _morning(options)
    grid = options.sized(FINE, COARSE)
    least: dict[str, float] = {}
    _swept(morning, grid, 0, options.folder / "warm")  # compiles what is not in the cache yet
    for number in range(options.sized(*ROUNDS)):
        for name, checked in (("compiled", 0), ("checked", options.sized(50, 2))):
            took = _swept(morning, grid, checked, options.folder / f"{name}-{number}")
            least[name] = min(took, least.get(name, took))
    again = _swept(morning, grid, 0, options.folder / "compiled-0")
    note = f"{morning.name}, one worker, processor time"
    return Result(
        "sweeps",
        ABOUT,
        [
            Number("sweeps.settings_1000", least["compiled"], "s", Target(at_most=2.0), note),
            Number("sweeps.settings_1000.checked_50", least["checked"], "s", Target(at_most=6.0), note),
            Number("sweeps.settings_1000.all_kept", again, "s", note="every result was kept from before"),
        ],
    )


def _morning(options: Options) -> Path:
    """Return the recorded morning, or one made of a seed."""
    shared = Path(os.environ.get("MICROBOT_SHARED", ROOT.parent / "shared")) / "data" / MORNING
    if shared.is_file():
        return shared
    return tape.write(options.folder / "morning.jsonl", islice(tape.trades(7, 5), options.sized(TICKS, 2_000)))


def _swept(morning: Path, grid: tuple[str, ...], checked: int, out: Path) -> float:
    """Sweep in a process of its own, and return its processor time in seconds."""
    keys = ("entry_threshold", "volatility_guard_threshold", "profit_target")
    parameters = [
        part for key, values in zip(keys, grid, strict=True) for part in ("--param", f"strategy.{key}={values}")
    ]
    options = ["--jobs", "1", "--engine", "compiled", "--check", str(checked), "--no-svg", "--json", "--out", str(out)]
    before = os.times()
    subprocess.run(
        [sys.executable, "-c", _COMMAND, "sweep", str(morning), *parameters, *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = os.times()
    return (after.children_user - before.children_user) + (after.children_system - before.children_system)
