"""The journal port: what must be durable before an effect may leave, and its twin in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from actors.book import Book
from actors.messages import Fact


class Run(msgspec.Struct, frozen=True):
    """One session, as the journal knows it."""

    started_ts: int  # wall clock, ns
    version: str
    strategy: str
    venue: str
    paper: bool
    name: str  # what its order ids begin with
    settings: dict[str, Any]
    recording: str = ""  # the file that holds its inputs; empty where there is none


class TradeTicks(msgspec.Struct, frozen=True, tag="trade_ticks", tag_field="type"):
    """What was traded around a closed trade: from a window before its entry until some seconds after its exit."""

    decision: str
    symbol: str
    every: int  # of so many ticks one was kept
    ticks: Sequence[Any]  # each of ts, price, size, bid, ask


class OrderMeasured(msgspec.Struct, frozen=True, omit_defaults=True, tag="order_measured", tag_field="type"):
    """How an order fared that is over. No input led to it, and no decision depends on it: a replay states none.

    Times are ms of the venue's time, but for `receipt_to_decision_ms`, which are real ones; what is not known, or was
    not (an order that was never accepted), is left out.
    """

    order: str
    symbol: str
    decision: str
    role: str
    ts: int
    quantity: Decimal  # shares ordered
    filled: Decimal
    venue_to_receipt_ms: float | None = None  # from the tick's time to when it came; of entries
    receipt_to_decision_ms: float | None = None  # from there to the order; of entries
    submit_to_accept_ms: float | None = None  # until it was heard of
    accept_to_fill_ms: float | None = None  # from there until the first fill was heard of
    submit_to_fill_ms: float | None = None  # to the first fill, by the venue's own time of it
    slippage_bps: float | None = None  # what its fills cost beyond the price that triggered it; below 0: gained
    slippage: float | None = None  # money, the same


Entry = Fact | TradeTicks | OrderMeasured
"""What a journal takes."""


class Journal(Protocol):
    """Keeps facts in the order of their inputs."""

    def begin(self, run: Run) -> None:
        """Note the session to which what follows belongs. Raises OSError if it cannot."""

    def append(self, number: int, facts: Sequence[Entry], book: Book | None = None) -> None:
        """Make the facts of input `number`, and the book after it, durable before returning. Raises OSError if not."""

    def close(self) -> None:
        """Write what is left and let go."""


class MemoryJournal:
    """Keeps the newest facts in memory: for simulated fills, which need not survive the process."""

    def __init__(self, limit: int = 10_000) -> None:
        self.entries: deque[tuple[int, Sequence[Entry]]] = deque(maxlen=limit)

    def begin(self, run: Run) -> None:
        """Keep nothing of it."""

    def append(self, number: int, facts: Sequence[Entry], book: Book | None = None) -> None:
        self.entries.append((number, facts))

    def close(self) -> None:
        """Nothing to let go of."""
