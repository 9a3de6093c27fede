"""What a benchmark is told, and what it gives: numbers with units, what they should be, and where they were taken."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from pathlib import Path
from typing import TypeVar

import msgspec

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("aiohttp", "loguru", "msgspec", "reactivex", "uvloop", "websockets")


T = TypeVar("T")


class Options(msgspec.Struct, frozen=True):
    """What every benchmark is told: how long to measure, and where things are."""

    folder: Path  # for tapes and logs; gone when the run ends
    fused: Path | None = None  # the yardstick, where it is to be had
    quick: bool = False  # sizes that only show that everything runs

    def sized(self, full: T, quick: T) -> T:
        """Return the size for this run."""
        return quick if self.quick else full


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a number should be: at least, or at most, a bound. Shown beside it, never asserted."""

    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        if self.at_least is not None:
            return f">= {shown(self.at_least)}"
        return f"<= {shown(self.at_most)}" if self.at_most is not None else ""


class Number(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured number; `key` is what it is called from run to run."""

    key: str
    value: float
    unit: str
    target: Target | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        return self.target.met(self.value) if self.target is not None else None


class Result(msgspec.Struct, frozen=True):
    """What one benchmark measured, in the order to show it in."""

    name: str
    about: str  # how to read the numbers, in a sentence or two
    numbers: list[Number]
    seconds: float = 0.0  # that measuring took

    @property
    def keys(self) -> list[str]:
        return [number.key for number in self.numbers]


class Machine(msgspec.Struct, frozen=True):
    """Where and on what the numbers were taken: without it they cannot be compared."""

    taken_at: str
    commit: str
    changed: bool  # there were changes beyond the commit
    python: str
    versions: dict[str, str]
    system: str
    cpu: str
    cores: int
    load: float  # of the last minute when it began: other work makes every number worse

    @classmethod
    def here(cls) -> Machine:
        return cls(
            taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=_git("rev-parse", "--short=12", "HEAD") or "unknown",
            changed=bool(_git("status", "--porcelain")),
            python=f"{platform.python_implementation()} {platform.python_version()}",
            versions={name: _version(name) for name in PACKAGES},
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            cpu=_cpu(),
            cores=os.cpu_count() or 1,
            load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
        )


class Report(msgspec.Struct, frozen=True):
    """One run of the benchmarks, as it is written to disk."""

    machine: Machine
    quick: bool
    results: list[Result]

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def shown(value: float) -> str:
    """Show a number with the digits that can mean something.

    >>> shown(352_481.7), shown(12.34), shown(0.4567)
    ('352,482', '12.3', '0.457')
    """
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def percentile(values: Sequence[float], fraction: float) -> float:
    """Return the smallest of the values that at least `fraction` of them do not exceed.

    >>> percentile(range(1, 101), 0.99)
    99
    """
    return sorted(values)[max(0, ceil(fraction * len(values)) - 1)]


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _cpu() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
