"""What a sweep found: the best setting, what it earned where it was not chosen, and whether to believe that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from research.statistics.intervals import LEAST_TRADES, Interval, blocks_of, mean_of
from research.statistics.overfitting import (
    Deflated,
    Overfitting,
    Superiority,
    backtest_overfitting,
    deflated_sharpe,
    distinct_columns,
    sharpe,
    superior_predictive_ability,
)
from research.sweeps.timeline import Timeline, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

Objective = Literal["net", "per_trade", "sharpe"]
BLOCKS = 60
"""Blocks of recorded time in which the results of settings are compared."""
SURE = 0.95
"""The probability that a result is to have before it is believed."""


class Figures(msgspec.Struct, frozen=True):
    """What some trades came to: money after fees."""

    trades: int
    net: float
    wins: int

    @property
    def per_trade(self) -> float | None:
        return self.net / self.trades if self.trades else None


class Fold(msgspec.Struct, frozen=True):
    """One walk-forward window: the setting that was best in sample, there and out of sample; None: none could be."""

    window: Window
    chosen: int | None
    inside: Figures
    outside: Figures


class Survival(msgspec.Struct, frozen=True):
    """Of settings that earned in a window's sample and traded out of it, how many earned there; and of all that did."""

    earned: int
    survived: int
    of_all: float  # the share of all settings that traded out of sample which earned there

    @property
    def share(self) -> float | None:
        return self.survived / self.earned if self.earned else None


class Found(msgspec.Struct, frozen=True):
    """Everything that the statistics say; a setting is its number in the order in which it was tried."""

    tried: int
    traded: int
    distinct: int  # that decided differently from each other, among those that traded
    best: int | None
    whole: Figures  # of the best one, over all the time, with hindsight
    folds: tuple[Fold, ...]
    outside: Figures  # of all windows together, each with the setting that was chosen before it
    interval: Interval  # of the mean of a trade out of sample
    survival: Survival
    deflated: Deflated | None
    overfitting: Overfitting | None
    superiority: Superiority | None
    believe: bool
    sentence: str


class Trades:
    """The trades of all settings in columns, and what they come to by setting."""

    def __init__(
        self,
        settings: int,
        setting: NDArray[np.int64],
        entry: NDArray[np.int64],
        exit_: NDArray[np.int64],
        pnl: NDArray[np.float64],
    ) -> None:
        self.settings = settings
        self.setting = setting
        self.entry = entry
        self.exit = exit_
        self.pnl = pnl

    def within(self, begins: int, ends: int, left_by: int | None = None) -> Trades:
        """Return those that were entered from `begins` on and before `ends`, and left by `left_by`."""
        kept = (self.entry >= begins) & (self.entry < ends)
        if left_by is not None:
            kept &= self.exit <= left_by
        return Trades(self.settings, self.setting[kept], self.entry[kept], self.exit[kept], self.pnl[kept])

    def counts(self) -> NDArray[np.int64]:
        """Return how many trades each setting has."""
        found: NDArray[np.int64] = np.bincount(self.setting, minlength=self.settings)
        return found

    def net(self) -> NDArray[np.float64]:
        """Return what each setting earned."""
        return np.bincount(self.setting, weights=self.pnl, minlength=self.settings).astype(float)

    def of(self, setting: int) -> Figures:
        """Return what one setting's trades came to."""
        pnl = self.pnl[self.setting == setting]
        return Figures(len(pnl), float(pnl.sum()), int((pnl > 0).sum()))

    def by_block(self, blocks: NDArray[np.int64], count: int = BLOCKS) -> NDArray[np.float64]:
        """Return what each setting (column) earned in each block (row); `blocks` are those of the trades."""
        cells = blocks * self.settings + self.setting
        found = np.bincount(cells, weights=self.pnl, minlength=count * self.settings)
        return found.astype(float).reshape(count, self.settings)

    def scores(self, objective: Objective, least: int, timeline: Timeline) -> NDArray[np.float64]:
        """Return how good each setting is, and minus infinity for fewer than `least` trades."""
        counts, net = self.counts(), self.net()
        if objective == "net":
            found = net
        elif objective == "per_trade":
            found = net / np.maximum(counts, 1)
        else:
            found = sharpe(self.by_block(timeline.blocks(self.entry, BLOCKS)))
        return np.where(counts >= max(least, 1), found, -np.inf)


NOTHING = Figures(0, 0.0, 0)


def found_in(
    trades: Trades, timeline: Timeline, windows: Sequence[Window], objective: Objective, least: int, zone: ZoneInfo
) -> Found:
    """Choose the best setting, in each window and of all, and say how much of it is the search."""
    scores = trades.scores(objective, least, timeline)
    best = _best(scores)
    folds, outside = _walked(trades, timeline, windows, objective, least)
    interval = _interval(outside, zone)
    matrix = trades.by_block(timeline.blocks(trades.entry, BLOCKS))
    counts = trades.counts()
    traded = np.flatnonzero(counts)
    columns = traded[distinct_columns(matrix[:, traded])] if len(traded) else traded
    kinds = matrix[:, columns]
    alike = None if best is None else int(np.flatnonzero((kinds == matrix[:, [best]]).all(axis=0))[0])
    many = len(columns) > 1
    deflated = deflated_sharpe(kinds, alike) if alike is not None else None
    overfitting = backtest_overfitting(kinds, "sharpe" if objective == "sharpe" else "mean") if many else None
    superiority = superior_predictive_ability(kinds) if len(columns) else None
    whole = NOTHING if best is None else trades.of(best)
    out = Figures(len(outside.pnl), float(outside.pnl.sum()), int((outside.pnl > 0).sum()))
    believe, sentence = _verdict(best, whole, out, folds, interval, deflated, overfitting, superiority, least)
    return Found(
        trades.settings, len(traded), len(columns), best, whole, folds, out, interval,
        _survival(trades, windows), deflated, overfitting, superiority, believe, sentence,
    )  # fmt: skip


def _best(scores: NDArray[np.float64]) -> int | None:
    """Return the setting with the best score, the first of several; None where no setting traded enough."""
    chosen = int(scores.argmax())
    return chosen if np.isfinite(scores[chosen]) else None


def _walked(
    trades: Trades, timeline: Timeline, windows: Sequence[Window], objective: Objective, least: int
) -> tuple[tuple[Fold, ...], Trades]:
    """Choose in each window's sample, and follow the choice out of it; return also the trades that this gives."""
    folds, kept = [], []
    for window in windows:
        inside = trades.within(window.begins, window.cut, window.purged)
        outside = trades.within(window.cut, window.ends)
        chosen = _best(inside.scores(objective, least, timeline))
        if chosen is None:
            folds.append(Fold(window, None, NOTHING, NOTHING))
            continue
        folds.append(Fold(window, chosen, inside.of(chosen), outside.of(chosen)))
        mine = outside.setting == chosen
        kept.append((outside.setting[mine], outside.entry[mine], outside.exit[mine], outside.pnl[mine]))
    columns: list[Any] = [np.concatenate(each) for each in zip(*kept, strict=True)] if kept else [
        trades.setting[:0], trades.entry[:0], trades.exit[:0], trades.pnl[:0]
    ]  # fmt: skip
    return tuple(folds), Trades(trades.settings, columns[0], columns[1], columns[2], columns[3])


def _interval(outside: Trades, zone: ZoneInfo) -> Interval:
    return mean_of(outside.pnl.tolist(), blocks_of(outside.entry.tolist(), zone))


def _survival(trades: Trades, windows: Sequence[Window]) -> Survival:
    """Count over all windows."""
    earned = survived = traded = good = 0
    for window in windows:
        inside = trades.within(window.begins, window.cut, window.purged).net() > 0
        out = trades.within(window.cut, window.ends)
        outside = out.net() > 0
        active = out.counts() > 0  # what does not trade in the window neither survives there nor fails
        earned += int((inside & active).sum())
        survived += int((inside & outside).sum())
        traded += int(active.sum())
        good += int(outside.sum())
    return Survival(earned, survived, good / traded if traded else 0.0)


def _verdict(
    best: int | None,
    whole: Figures,
    outside: Figures,
    folds: Sequence[Fold],
    interval: Interval,
    deflated: Deflated | None,
    overfitting: Overfitting | None,
    superiority: Superiority | None,
    least: int,
) -> tuple[bool, str]:
    """Say in a sentence whether to believe what the search found: it is choosing that was tried out of sample."""
    if best is None:
        return False, (
            f"There is nothing to believe: no setting made {least} trades or more. "
            "Lower the thresholds, or sweep over more data."
        )
    if whole.net <= 0:
        return (
            False,
            f"Do not trade it: of settings with {least} trades or more none earned anything, even in sample.",
        )
    if outside.trades < LEAST_TRADES:
        return False, (
            f"Do not believe it yet: {outside.trades} trades out of sample are too few to tell an edge from luck "
            f"({LEAST_TRADES} is the least). Sweep over more days."
        )
    if outside.net <= 0:
        return False, "Do not believe it: what was best in sample lost out of sample, where it was not chosen."
    doubts = []
    if not interval.is_above_zero:
        doubts.append("its result out of sample cannot be told from zero")
    if deflated is None or deflated.probability < SURE:
        doubts.append("the best of so many settings looks as good by luck alone")
    if superiority is not None and superiority.spa > 1 - SURE:
        doubts.append(f"without any edge the search finds as much in {superiority.spa:.0%} of all cases")
    if doubts:
        return False, f"Do not believe it: {', and '.join(doubts)}."
    if overfitting is not None and overfitting.probability > 0.5:
        return True, (
            "Believe the edge, and not this setting: many settings do as well, and which of them was best says nothing "
            "of which will be."
        )
    times = sum(fold.chosen == best for fold in folds)
    return True, (
        "It may be believed: choosing this way earned out of sample, more than luck and the search explain (the best "
        f"setting was chosen in {times} of {len(folds)} windows). Trade it on paper first."
    )
