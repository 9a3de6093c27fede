"""Intervals of means over trades that are not independent of each other: blocks by day or by time, t and BCa.

Trades of one stretch of a market share its volatility, its spread and often its direction. So the blocks are taken
as independent and the trades within one are not: a block is a trading day, or a stretch of time where there are too
few days to count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import msgspec

SECOND = 10**9
LEAST_TRADES = 15
"""Trades below which no interval is told: it would say more of its own assumptions than of the trades."""
LEAST_DAYS = 10
"""Days from which on a block is a day."""
LEAST_FOR_BCA = 40
"""Blocks from which on the bootstrap is used: of fewer, the t interval covers better (Hesterberg 2015)."""
RESAMPLES = 4999
LEVEL = 0.95
POWER = 0.80
_LENGTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)  # seconds of a block
_PAIRED = 0.9  # the share of both sides' trades in blocks of both, from which on two runs are compared in pairs
_NO_SPREAD = 1e-12  # relative: of values that are all the same there is nothing to resample


class Interval(msgspec.Struct, frozen=True):
    """A mean, and between which values it lies with 95 %; `low` and `high` are None where that is not told.

    `method` is "t", "BCa", "same" (all values are equal), "too few trades" or "too few blocks"; `error` is the
    standard error of the mean, None where no interval is told; `blocks` are those that Student's t rests on, None where
    they are so many that it is not needed.
    """

    n: int
    mean: float | None
    low: float | None = None
    high: float | None = None
    method: str = "too few trades"
    error: float | None = None
    blocks: int | None = None

    @property
    def is_above_zero(self) -> bool:
        """Whether it is more than luck that the mean is above 0."""
        return self.low is not None and self.low > 0

    @property
    def is_below_zero(self) -> bool:
        """Whether it is more than luck that the mean is below 0."""
        return self.high is not None and self.high < 0


class Blocks(msgspec.Struct, frozen=True):
    """Which block each trade is in: `labels` count from 0, `length_s` is 0 for days, `days` how many there were."""

    labels: tuple[int, ...]
    count: int
    days: int
    length_s: int

    @property
    def said(self) -> str:
        """What a block is, for people."""
        if not self.length_s:
            return "trading days"
        return f"stretches of {length_said(self.length_s)}"


def length_said(seconds: int) -> str:
    """Say a length of time in its largest unit.

    >>> length_said(90 * 60), length_said(3600), length_said(1)
    ('90 minutes', '1 hour', '1 second')
    """
    units = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
    unit, name = next(one for one in units if seconds % one[0] == 0)
    count = seconds // unit
    return f"{count} {name}{'' if count == 1 else 's'}"


def blocks_of(times: Sequence[int], zone: tzinfo) -> Blocks:
    """Put trades into blocks by their times (ns): by day in `zone` from ten days on, else by stretches of time.

    Of n trades about n^(2/3) blocks are made, so that a block has n^(1/3) of them (Hall, Horowitz and Jing 1995).
    """
    from datetime import datetime

    days = [datetime.fromtimestamp(ts // SECOND, zone).date().toordinal() for ts in times]
    count = len(set(days))
    if count >= LEAST_DAYS:
        return Blocks(*_numbered(days), days=count, length_s=0)
    length = _length(times)
    return Blocks(*_numbered([ts // (length * SECOND) for ts in times]), days=count, length_s=length)


def _length(times: Sequence[int]) -> int:
    """Return the length of block, among round ones, whose number of filled blocks is nearest to the wanted one."""
    wanted = len(times) ** (2 / 3)

    def distance(length: int) -> float:
        filled = len({ts // (length * SECOND) for ts in times})
        return abs(math.log(max(filled, 1) / max(wanted, 1.0)))

    return min(_LENGTHS, key=distance)


def _numbered(keys: Sequence[int]) -> tuple[tuple[int, ...], int]:
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return tuple(numbers[key] for key in keys), len(numbers)


def mean_of(values: Sequence[float], blocks: Blocks, *, level: float = LEVEL, seed: int = 1) -> Interval:
    """Return the mean of one value a trade, with the interval in which it lies.

    From 40 blocks on it is the bootstrap's, bias-corrected and accelerated (BCa, Efron 1987), over whole blocks; below,
    Student's t with the standard error of a ratio of sums over blocks (Cochran 1977, section 6.3; for few blocks see
    Cameron and Miller 2015), or that of independent trades where it is larger: few blocks may cancel by chance. The
    same values and seed give the same interval.
    """
    import numpy as np

    found = np.asarray(values, dtype=float)
    n = len(found)
    if not n:
        return Interval(0, None)
    mean = float(found.mean())
    if n < LEAST_TRADES:
        return Interval(n, mean)
    if float(np.ptp(found)) <= _NO_SPREAD * max(1.0, abs(mean)):
        return Interval(n, mean, mean, mean, "same", 0.0)
    if blocks.count < 2:
        return Interval(n, mean, method="too few blocks")
    labels = np.asarray(blocks.labels)
    sums, counts = np.bincount(labels, found), np.bincount(labels).astype(float)
    error = _error(sums, counts, mean)
    if blocks.count >= LEAST_FOR_BCA and error > 0:
        from scipy import stats  # a second to load, so only where it is needed

        found_ = stats.bootstrap(
            (sums, counts),
            _ratio,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=500,
            confidence_level=level,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        if np.isfinite(found_.low) and np.isfinite(found_.high):
            return Interval(n, mean, float(found_.low), float(found_.high), "BCa", error)
    error = max(error, float(found.std(ddof=1)) / math.sqrt(n))
    reach = _quantile(0.5 + level / 2, blocks.count) * error
    return Interval(n, mean, mean - reach, mean + reach, "t", error, blocks.count)


def _quantile(level: float, blocks: float | None) -> float:
    """Return a quantile of Student's t with a degree of freedom less than blocks; without these, of the normal."""
    if blocks is None:
        from statistics import NormalDist

        return NormalDist().inv_cdf(level)
    from scipy.special import stdtrit

    return float(stdtrit(max(blocks - 1, 1.0), level))


def _ratio(sums: Any, counts: Any, axis: int = -1) -> Any:
    return sums.sum(axis=axis) / counts.sum(axis=axis)


def _error(sums: Any, counts: Any, mean: float) -> float:
    """Return the standard error of sum(sums) / sum(counts), blocks being independent."""
    import numpy as np

    blocks = len(sums)
    residuals = sums - mean * counts
    return float(np.sqrt(blocks / (blocks - 1) * (residuals**2).sum()) / counts.sum())


def share_of(hits: Sequence[bool], blocks: Blocks, *, level: float = LEVEL) -> Interval:
    """Return a share such as the wins', with Wilson's interval (1927) over as many trades as the blocks leave.

    Where trades of one block are alike they count for fewer: n is divided by how much larger the variance over blocks
    is than that of independent trades (the design effect, Kish 1965), and never multiplied. Below 40 blocks Student's t
    stands for the normal (Korn and Graubard 1998).
    """
    import numpy as np

    found = np.asarray(hits, dtype=float)
    n = len(found)
    if not n:
        return Interval(0, None)
    share = float(found.mean())
    if n < LEAST_TRADES:
        return Interval(n, share)
    if blocks.count < 2:
        return Interval(n, share, method="too few blocks")
    alone = share * (1 - share) / n
    effect, error = 1.0, math.sqrt(alone)
    if alone > 0:
        labels = np.asarray(blocks.labels)
        error = max(error, _error(np.bincount(labels, found), np.bincount(labels).astype(float), share))
        effect = error**2 / alone
    few = blocks.count if blocks.count < LEAST_FOR_BCA else None
    z, left = _quantile(0.5 + level / 2, few), n / effect
    middle = (share + z * z / (2 * left)) / (1 + z * z / left)
    reach = z / (1 + z * z / left) * math.sqrt(share * (1 - share) / left + z * z / (4 * left * left))
    return Interval(n, share, max(0.0, middle - reach), min(1.0, middle + reach), "Wilson", error, few)


def trades_needed(found: Interval, *, level: float = LEVEL, power: float = POWER) -> int | None:
    """Return how many trades it would take to tell this mean from luck; None where that cannot be said.

    If the true mean is the one that was found, so many trades show it at the 5 % level with a chance of 80 %:
    n = ((z(0.975) + z(0.80)) x standard deviation / mean)^2 (Lehr 1992), the deviation being that over blocks. Where
    these are few, z is Student's t of as many blocks as so many trades would fill.
    """
    if not found.error or not found.mean:
        return None
    needed = wanted = 0.0
    blocks: float | None = None
    for _ in range(60):  # more trades fill more blocks, which want fewer: where the two meet
        wanted = (_reach(level, power, blocks) * found.error / found.mean) ** 2 * found.n
        needed = wanted if blocks is None else (needed + wanted) / 2
        if found.blocks is None:
            break
        blocks = max(2.0, found.blocks * needed / found.n)
    return math.ceil(needed)


def detectable(found: Interval, *, level: float = LEVEL, power: float = POWER) -> float | None:
    """Return the smallest true mean that so many trades would have shown with a chance of 80 %; None if not known."""
    return None if not found.error else _reach(level, power, found.blocks) * found.error


def _reach(level: float, power: float, blocks: float | None) -> float:
    return _quantile(0.5 + level / 2, blocks) + _quantile(power, blocks)


def difference_of(a: Sequence[float], b: Sequence[float], blocks: Blocks, *, level: float = LEVEL) -> Interval:
    """Return the mean of `a` less that of `b`; `blocks` are those of the trades of `a`, then of `b`, together.

    Blocks that hold trades of both count as pairs: what a stretch of the market did to both runs goes out. Student's t
    with the error of the difference of two ratios over blocks (Cochran 1977, section 6.4), and as many degrees of
    freedom as the side with fewer blocks leaves. Where the two do not share their blocks, the error is at least that
    of independent trades: the residuals of a side cancel within a block of its own, and its luck would not be seen.
    """
    import numpy as np

    n = min(len(a), len(b))
    if not n:
        return Interval(0, None)
    labels_a, labels_b = np.asarray(blocks.labels[: len(a)]), np.asarray(blocks.labels[len(a) :])
    found_a, found_b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    mean_a, mean_b = float(found_a.mean()), float(found_b.mean())
    mean = mean_a - mean_b
    if n < LEAST_TRADES:
        return Interval(n, mean)
    in_a, in_b = np.bincount(labels_a, minlength=blocks.count), np.bincount(labels_b, minlength=blocks.count)
    shared = (in_a > 0) & (in_b > 0)
    is_paired = all(side[shared].sum() >= _PAIRED * side.sum() for side in (in_a, in_b))
    count = int(shared.sum()) if is_paired else min(int((in_a > 0).sum()), int((in_b > 0).sum()))
    if count < 2:
        return Interval(n, mean, method="too few blocks")
    residuals = np.bincount(labels_a, found_a - mean_a, blocks.count) / len(a)
    residuals -= np.bincount(labels_b, found_b - mean_b, blocks.count) / len(b)
    error = float(np.sqrt(count / (count - 1) * (residuals**2).sum()))
    if not is_paired:
        error = max(error, math.sqrt(found_a.var(ddof=1) / len(a) + found_b.var(ddof=1) / len(b)))
    reach = _quantile(0.5 + level / 2, count) * error
    return Interval(n, mean, mean - reach, mean + reach, "t", error, count)
