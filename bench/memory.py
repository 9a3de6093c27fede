"""memory: how much a million ticks leave behind."""

from __future__ import annotations

from bench.children import Child
from bench.results import Number, Options, Result, Target

ABOUT = (
    "Resident memory before and after so many ticks, after a warm-up of a fifth of them, in a fresh process: the core "
    "alone, and the session of a live bot (gate, telemetry told ten times a second)."
)
TICKS = (1_000_000, 5_000)


def measure(options: Options) -> Result:
    """Run the ticks in a fresh process for each kind, which measures its own memory."""
    ticks = options.sized(*TICKS)
    numbers: list[Number] = []
    for kind in ("core", "session"):
        with Child("weigher", kind, str(ticks)) as child:
            said = child.hear("weighed")
        grown = said["after"] - said["before"]
        numbers += [
            Number(f"memory.{kind}.before", said["before"] / 1e6, "MB"),
            Number(f"memory.{kind}.after", said["after"] / 1e6, "MB", note=f"{ticks:,} ticks later"),
            Number(f"memory.{kind}.growth", grown / 1e6, "MB", Target(at_most=10.0)),
        ]
    return Result("memory", ABOUT, numbers)
