"""How much of the best of many settings is the search itself: figures over the results of all that were tried.

Everywhere, `results` is a matrix with a row for each block of time and a column for each setting: what the setting
earned in that block. Blocks are of equal length, in their order, and the same for all settings.
"""

from __future__ import annotations

import math
from itertools import combinations, islice
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Measure = Literal["mean", "sharpe"]

_EULER = 0.5772156649015329  # the Euler-Mascheroni constant
_NORMAL = NormalDist()
_NOTHING = 1e-12  # of a deviation, beside the largest value
_COLUMNS = 4_096  # settings whose samples are in memory at once
_AT_ONCE = 2_000_000  # numbers of one intermediate matrix


def sharpe(results: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean / standard deviation of each column, of a block and not annualised; 0 where nothing varies."""
    deviation = results.std(axis=0, ddof=1)
    still = deviation <= _NOTHING * np.maximum(np.abs(results).max(axis=0), 1e-300)
    return np.where(still, 0.0, results.mean(axis=0) / np.where(still, 1.0, deviation))


def probabilistic_sharpe(found: float, hurdle: float, n: int, skew: float, kurtosis: float) -> float:
    """Return the probability that the true Sharpe ratio is above a hurdle, of n results; both are of one result.

    `kurtosis` is 3 for a normal distribution. Bailey and Lopez de Prado, "The Sharpe Ratio Efficient Frontier" (2012),
    equation 6: it allows for results that are skewed and have fat tails.
    """
    variance = 1 - skew * found + (kurtosis - 1) / 4 * found * found
    return _NORMAL.cdf((found - hurdle) * math.sqrt(n - 1) / math.sqrt(max(variance, _NOTHING)))


def expected_best(variance: float, trials: int) -> float:
    """Return the Sharpe ratio that the best of many trials is to be expected to have if none has an edge.

    `variance` is that of the trials' Sharpe ratios. Bailey and Lopez de Prado, "The Deflated Sharpe Ratio" (2014),
    equation 1, from the extreme value theory of normal variables.
    """
    if trials < 2:
        return 0.0
    first, second = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - _EULER) * first + _EULER * second)


class Deflated(msgspec.Struct, frozen=True):
    """The best setting's Sharpe ratio, of a block, beside what luck alone gives the best of so many."""

    sharpe: float
    expected_best: float
    trials: int
    probability: float  # that the true one is above `expected_best`


def deflated_sharpe(results: NDArray[np.float64], chosen: int, trials: int | None = None) -> Deflated | None:
    """Return the deflated Sharpe ratio of one column, chosen among all of them; None if it never varies.

    `trials` is how many settings were tried, if they are more than the columns. Each counts as independent of the
    others, so that the probability is a low one where they are alike. Bailey and Lopez de Prado (2014), equation 2.
    """
    ratios = sharpe(results)
    values = results[:, chosen]
    deviation = float(values.std())
    if len(values) < 3 or ratios[chosen] == 0 or deviation == 0:
        return None
    standard = (values - values.mean()) / deviation
    count = max(trials or 0, results.shape[1])
    hurdle = expected_best(float(ratios.var(ddof=1)) if len(ratios) > 1 else 0.0, count)
    skew, kurtosis = float((standard**3).mean()), float((standard**4).mean())
    found = probabilistic_sharpe(float(ratios[chosen]), hurdle, len(values), skew, kurtosis)
    return Deflated(float(ratios[chosen]), hurdle, count, found)


class Overfitting(msgspec.Struct, frozen=True):
    """What became, out of sample, of the setting that was best in sample, over all ways to halve the blocks."""

    probability: float  # that it was below the median of all settings: PBO
    loss: float  # the share of ways in which it lost
    ways: int
    settings: int


def backtest_overfitting(
    results: NDArray[np.float64], measure: Measure = "mean", groups: int = 12
) -> Overfitting | None:
    """Return the probability of backtest overfitting; None for fewer than two settings or than two blocks a group.

    Bailey, Borwein, Lopez de Prado and Zhu, "The Probability of Backtest Overfitting" (2015): combinatorially symmetric
    cross-validation. The blocks are put into `groups` (even) of neighbours; for each way to choose half of these, the
    setting that `measure` finds best there is ranked among all on the other half. Overfitted is what ends in the lower
    half: its logit, ln(rank / (1 - rank)), is at most 0. Twelve groups give 924 ways.
    """
    blocks, settings = results.shape
    if settings < 2 or blocks < 2 * groups:
        return None
    parts = np.array_split(np.arange(blocks), groups)
    sums = np.stack([results[part].sum(axis=0) for part in parts])
    squares = np.stack([(results[part] ** 2).sum(axis=0) for part in parts])
    sizes = np.array([len(part) for part in parts], dtype=float)
    low = lost = ways = 0
    halves = combinations(range(groups), groups // 2)
    while chosen := list(islice(halves, max(1, _AT_ONCE // settings))):
        inside = np.zeros((len(chosen), groups))
        inside[np.arange(len(chosen))[:, None], chosen] = 1.0
        best = _measured(inside, sums, squares, sizes, measure).argmax(axis=1)
        outside = 1 - inside
        other = _measured(outside, sums, squares, sizes, measure)
        mine = other[np.arange(len(chosen)), best][:, None]
        ranks = (other < mine).sum(axis=1) + ((other == mine).sum(axis=1) + 1) / 2
        low += int((ranks / (settings + 1) <= 0.5).sum())
        lost += int(((outside @ sums)[np.arange(len(chosen)), best] < 0).sum())
        ways += len(chosen)
    return Overfitting(low / ways, lost / ways, ways, settings)


def _measured(
    inside: NDArray[np.float64],
    sums: NDArray[np.float64],
    squares: NDArray[np.float64],
    sizes: NDArray[np.float64],
    measure: Measure,
) -> NDArray[np.float64]:
    """Return the measure of each setting on each choice of groups."""
    counts = (inside @ sizes)[:, None]
    means: NDArray[np.float64] = inside @ sums / counts
    if measure == "mean":
        return means
    variance = np.maximum(inside @ squares / counts - means**2, 0.0)
    return np.where(variance > 0, means / np.sqrt(np.where(variance > 0, variance, 1.0)), 0.0)


class Superiority(msgspec.Struct, frozen=True):
    """How often the best of settings without any edge would have looked as good: p-values, each from 0 to 1."""

    spa: float  # Hansen's test, consistent
    reality_check: float  # White's
    samples: int
    settings: int


def superior_predictive_ability(
    results: NDArray[np.float64], block: float | None = None, samples: int = 1000, seed: int = 1
) -> Superiority | None:
    """Test whether the best setting earns more than nothing, given how many were tried; None if none ever varies.

    White, "A Reality Check for Data Snooping" (2000), and Hansen, "A Test for Superior Predictive Ability" (2005), with
    the stationary bootstrap of Politis and Romano (1994): stretches of rows of a random length, `block` on average (by
    default the root of how many there are), are drawn with replacement. The benchmark is not to trade at all. Means are
    compared as they are, in money, as `arch.bootstrap.SPA` does, whose p-values these are: that library takes longer to
    load than a sweep takes, and the sample at once is one product of matrices.
    """
    varied = results[:, sharpe(results) != 0]
    n, settings = varied.shape
    if not settings or n < 3:
        return None
    length = block or math.sqrt(n)
    means = varied.mean(axis=0)
    errors = np.sqrt(_long_run_variance(varied - means, 1 / length) / n)
    rows = _drawn(n, length, samples, np.random.default_rng(seed))
    # Hansen's recentring: what did far worse than nothing cannot be the best, and is left where it was.
    poor = means < -errors * math.sqrt(2 * math.log(math.log(n)))
    best = float(means.max())
    highest = np.full((2, samples), -np.inf)  # of each sample: the best mean, recentred by Hansen and by White
    for start in range(0, settings, _COLUMNS):
        part = slice(start, start + _COLUMNS)
        drawn = rows @ varied[:, part] / n  # means of each sample
        np.maximum(highest[0], (drawn - np.where(poor[part], 0.0, means[part])).max(axis=1), out=highest[0])
        np.maximum(highest[1], (drawn - means[part]).max(axis=1), out=highest[1])
    spa, reality_check = (highest > best).mean(axis=1)
    return Superiority(float(spa), float(reality_check), samples, settings)


def _long_run_variance(centred: NDArray[np.float64], p: float) -> NDArray[np.float64]:
    """Return the variance of sqrt(n) x mean under the stationary bootstrap (Politis and Romano 1994, lemma 1)."""
    n = len(centred)
    found: NDArray[np.float64] = (centred**2).mean(axis=0)
    for lag in range(1, n):
        kernel = (n - lag) / n * (1 - p) ** lag + lag / n * (1 - p) ** (n - lag)
        found = found + 2 * kernel * (centred[lag:] * centred[:-lag]).sum(axis=0) / n
    floor: NDArray[np.float64] = _NOTHING * np.maximum((centred**2).mean(axis=0), 1e-300)
    least: NDArray[np.float64] = np.maximum(found, floor)
    return least


def _drawn(n: int, length: float, samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each row is in each sample of the stationary bootstrap."""
    starts = random.integers(0, n, (samples, n))
    begins = random.random((samples, n)) < 1 / length
    begins[:, 0] = True
    since = np.arange(n) - np.maximum.accumulate(np.where(begins, np.arange(n), 0), axis=1)
    first = np.take_along_axis(starts, np.arange(n) - since, axis=1)
    rows = (first + since) % n
    cells = (rows + n * np.arange(samples)[:, None]).ravel()
    counts: NDArray[np.float64] = np.bincount(cells, minlength=samples * n).reshape(samples, n).astype(float)
    return counts


def distinct_columns(results: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first column of each kind: settings that decide alike are one trial, not many."""
    kept: dict[bytes, int] = {}
    for number, column in enumerate(np.ascontiguousarray(results.T)):
        kept.setdefault(column.tobytes(), number)
    return np.array(sorted(kept.values()), dtype=np.int64)
