"""What a person is told of an import: what was asked for, what was refused and why, and what is worth a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from service.recorded.unlike import shown

Unit = Literal["s", "ms", "us", "ns"]

UNITS: dict[str, int] = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds in each."""

NO_TIME = "no time from 2001 to 2100 in the unit of the file"
SKIPPED = "a time that its zone has not: clocks are put forward over it"
NO_PRICE = "no price above 0"
NO_SIZE = "no size, or a negative one"
NO_SYMBOL = "no symbol"
NO_SIDES = "a quote without both sides"
NO_ROW = "a row that cannot be read"
SUSPICIOUS = "marked suspicious by its source"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a person wants files to be read; nothing is asked for what a file says itself."""

    format: str = ""  # the name of one; empty: by what a file holds
    columns: Mapping[str, str] = {}  # ours -> theirs
    unit: Unit | None = None
    symbol: str = ""  # of files that name none
    timezone: str = ""  # of times without one


class Refusal(msgspec.Struct):
    """Rows that were left out for one reason, with the first of them."""

    reason: str
    count: int
    file: str
    line: int  # of the first, from 1; 0 where there are no lines
    example: str


class Notes:
    """Gathers what is to be told of the files of one import."""

    def __init__(self) -> None:
        self.refused: dict[str, Refusal] = {}
        self.said: dict[str, None] = {}  # sentences, each once
        self.prints: dict[str, tuple[int, float]] = {}  # by kind: how many a dialect has counted, and their shares
        self.unordered = 0  # rows that stood behind a later one, and were sorted

    def refuse(self, reason: str, count: int, file: str, line: int = 0, example: bytes | str = b"") -> None:
        """Count rows that are left out; the first of a reason is kept as its example."""
        if (found := self.refused.get(reason)) is not None:
            found.count += count
            return
        text = example.encode() if isinstance(example, str) else example
        self.refused[reason] = Refusal(reason, count, file, line, shown(text))

    def count_prints(self, kind: str, count: int, size: float) -> None:
        """Count prints that are no plain ticks, by what they are."""
        before, shares = self.prints.get(kind, (0, 0.0))
        self.prints[kind] = (before + count, shares + size)

    def say(self, sentence: str) -> None:
        """Keep a sentence for the person, once."""
        self.said[sentence] = None

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were refused, by reason."""
        return {reason: found.count for reason, found in self.refused.items()}
