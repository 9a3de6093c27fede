"""What every benchmark is told."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Options(msgspec.Struct, frozen=True):
    """How long to measure, and where things are."""

    folder: Path  # for tapes and logs; gone when the run ends
    fused: Path | None = None  # the yardstick, where it is to be had
    quick: bool = False  # sizes that only show that everything runs

    def sized(self, full: T, quick: T) -> T:
        """Return the size for this run."""
        return quick if self.quick else full
