"""What a report is made of, wherever it came from: trades with their costs, signals, the summary, the prices."""

from __future__ import annotations

from typing import Any

import msgspec

from actors.portfolio.lines import SignalLine, TradeLine


class Costs(msgspec.Struct, frozen=True):
    """Where a trade's money went: `gross` - `spread` - `slippage` - `fees` = `net`, in money.

    `gross` is what the shares had earned at the middle of the quote in force at each trigger: at the signal, and when
    the exit was decided. `spread` is half of it at each of the two; None where no quote is known of either. Where none
    is known of one, the middle there is the last price (of a stop: its own), and the spread is in the slippage.
    `slippage` is what was paid beyond the quote's side: above 0 against us.
    """

    gross: float
    spread: float | None
    slippage: float
    fees: float
    net: float
    is_all_quoted: bool = True  # a quote is known at each trigger


class Trade(msgspec.Struct, frozen=True):
    """A finished trade, its costs, and how far the price went for and against it, as fractions of the entry price.

    `worst` (at most 0) and `best` (at least 0) are of the last prices at which its exits could have acted; None where
    the prices are not known.
    """

    line: TradeLine
    costs: Costs | None = None
    worst: float | None = None
    best: float | None = None

    @property
    def value(self) -> float:
        """Money that the entry was worth."""
        return self.line.entry_price * self.line.quantity


class Bars(msgspec.Struct):
    """Last prices of a symbol, at most one for each `width_s` seconds; times are whole seconds since 1970."""

    width_s: int = 1
    seconds: list[int] = []
    prices: list[float] = []


class Gathered(msgspec.Struct):
    """All that is known of one run."""

    name: str  # as it was called on the command line
    kind: str  # tape, session, run or journal
    trades: list[Trade]
    signals: list[SignalLine]
    summary: dict[str, Any]  # as replay writes it; of a journal only what it knows
    zone: str  # in which hours and days are told
    settings: dict[str, Any] = {}  # by section; empty where they are not known
    strategy: str | None = ""  # empty for the default one; None where it is not known
    open: list[dict[str, Any]] = []  # positions at the end
    bars: dict[str, Bars] = {}
    said: list[str] = []  # what a person has to know of it
    execution: dict[str, Any] = {}  # how live orders fared: `research.report.execution`
    exact: bool = True  # every decision was made by the bot's own core; False where some other engine made them
