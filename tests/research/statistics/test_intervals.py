"""Intervals of means over trades: what they promise is counted, with fixed seeds."""

from __future__ import annotations

from datetime import UTC
from random import Random

import pytest

from research.statistics.intervals import (
    LEAST_TRADES,
    Blocks,
    Interval,
    blocks_of,
    detectable,
    difference_of,
    length_said,
    mean_of,
    share_of,
    trades_needed,
)

SECOND = 10**9
DAY = 86_400 * SECOND
MORNING = 1_767_623_400 * SECOND


def times(count: int, every_s: int = 60) -> list[int]:
    return [MORNING + number * every_s * SECOND for number in range(count)]


def alone(count: int) -> Blocks:
    """A block for each trade."""
    return Blocks(tuple(range(count)), count, 1, 60)


def test_below_fifteen_trades_there_is_a_mean_and_no_interval() -> None:
    found = mean_of([1.0] * 7 + [2.0] * 7, blocks_of(times(14), UTC))
    assert (found.mean, found.low, found.method) == (1.5, None, "too few trades")
    assert not found.is_above_zero
    assert mean_of([1.0] * 8 + [2.0] * 7, blocks_of(times(LEAST_TRADES), UTC)).low is not None


def test_no_trade_has_no_mean() -> None:
    assert mean_of([], blocks_of([], UTC)) == Interval(0, None)
    assert share_of([], blocks_of([], UTC)) == Interval(0, None)


def test_the_t_interval_of_single_trades_is_the_textbook_one() -> None:
    values = [float(number) for number in range(20)]
    found = mean_of(values, alone(20))
    # Standard deviation 5.916080, so the error is 1.322876; t(0.975, 19) is 2.093024.
    assert found.error == pytest.approx(1.3228757)
    assert found.low == pytest.approx(9.5 - 2.093024 * 1.3228757, abs=1e-5)
    assert found.method == "t"


def test_values_that_are_all_the_same_have_an_interval_of_no_width() -> None:
    found = mean_of([0.3] * 60, alone(60))
    assert found.mean == pytest.approx(0.3)
    assert (found.low, found.high) == (found.mean, found.mean)
    assert found.method == "same"


def test_many_blocks_are_resampled_and_the_same_seed_gives_the_same_interval() -> None:
    random = Random(3)
    values = [random.expovariate(1.0) for _ in range(200)]
    first, second = mean_of(values, alone(200)), mean_of(values, alone(200))
    assert first == second
    assert first.method == "BCa"
    assert first.low is not None
    assert first.high is not None
    assert first.mean is not None
    # The values lean to the right, and so does the interval, as the t interval cannot.
    assert first.high - first.mean > (first.mean - first.low) * 1.02


def test_trades_that_move_together_have_a_wider_interval_than_independent_ones() -> None:
    random = Random(4)
    shared = [random.gauss(0, 1) for _ in range(30)]
    values = [level + random.gauss(0, 0.1) for level in shared for _ in range(10)]
    together = Blocks(tuple(number // 10 for number in range(300)), 30, 1, 60)
    wide, narrow = mean_of(values, together), mean_of(values, alone(300))
    assert wide.error is not None
    assert narrow.error is not None
    assert wide.error > 2.5 * narrow.error


def test_wins_and_losses_that_cancel_within_few_blocks_do_not_make_it_certain() -> None:
    found = mean_of([10.0, -8.0] * 20, Blocks(tuple(number // 4 for number in range(40)), 10, 1, 60))
    assert found.low is not None
    assert found.low < 0


def test_from_ten_days_on_a_block_is_a_day() -> None:
    days = [MORNING + day * DAY + number * SECOND for day in range(10) for number in range(3)]
    found = blocks_of(days, UTC)
    assert (found.count, found.days, found.length_s) == (10, 10, 0)
    assert found.said == "trading days"
    fewer = blocks_of([ts for ts in days if ts < MORNING + 9 * DAY], UTC)
    assert fewer.days == 9
    assert fewer.length_s > 0


@pytest.mark.parametrize("count", [15, 60, 400])
def test_below_ten_days_there_are_about_as_many_blocks_as_the_rule_wants(count: int) -> None:
    found = blocks_of(times(count, 17), UTC)
    assert count ** (2 / 3) / 2.3 < found.count < count ** (2 / 3) * 2.3
    assert found.said == f"stretches of {length_said(found.length_s)}"
    assert sorted(set(found.labels)) == list(range(found.count))


def test_a_mean_of_nothing_but_luck_is_outside_about_one_time_in_twenty() -> None:
    random = Random(11)
    outside = 0
    for _ in range(200):
        at = sorted(MORNING + random.randrange(10_800) * SECOND for _ in range(60))
        # As trades are with a far target and a near stop: many small losses, few large wins, and 0 in the mean.
        values = [12.0 if random.random() < 0.25 else -4.0 for _ in at]
        found = mean_of(values, blocks_of(at, UTC))
        outside += found.is_above_zero or found.is_below_zero
    assert 3 <= outside <= 20


def test_a_share_has_wilsons_interval() -> None:
    found = share_of([True] * 30 + [False] * 30, alone(60))
    # Wilson 1927 of 30 in 60: 0.3773 to 0.6227; blocks of one trade each have no effect beyond n / (n - 1).
    assert found.low == pytest.approx(0.3773, abs=0.002)
    assert found.high == pytest.approx(0.6227, abs=0.002)
    none = share_of([False] * 60, alone(60))
    assert none.low == 0.0
    assert none.high == pytest.approx(0.0602, abs=0.001)


def test_few_blocks_want_more_than_the_normal() -> None:
    """Of 4 blocks t(0.975) is 3.182 and t(0.80) 0.978, where the normal has 1.960 and 0.842."""
    random = Random(3)
    blocks = Blocks(tuple(number % 4 for number in range(60)), 4, 1, 60)
    found = mean_of([random.gauss(1, 5) for _ in range(60)], blocks)
    assert found.blocks == 4
    assert detectable(found) == pytest.approx((3.1824 + 0.9785) * (found.error or 0), rel=1e-3)
    needed = trades_needed(found)
    plain = trades_needed(Interval(found.n, found.mean, found.low, found.high, "BCa", found.error))
    assert needed is not None
    assert plain is not None
    assert plain < needed < plain * 2
    share = share_of([number // 4 % 2 == 0 for number in range(60)], blocks)
    assert share.low == pytest.approx(0.339, abs=0.003)  # the normal's is 0.409
    assert share_of([True, False] * 30, Blocks((0,) * 60, 1, 1, 60)).method == "too few blocks"


def test_so_many_trades_as_are_said_to_be_needed_do_tell_it_from_luck() -> None:
    random = Random(7)
    found = mean_of([random.gauss(0.2, 1.0) for _ in range(100)], alone(100))
    needed = trades_needed(found)
    assert needed is not None
    assert found.mean is not None
    shown = 0
    for _ in range(100):
        drawn = [random.gauss(found.mean, (found.error or 0) * 10) for _ in range(needed)]
        middle = sum(drawn) / needed
        error = (sum((one - middle) ** 2 for one in drawn) / (needed - 1) / needed) ** 0.5
        shown += middle > 1.96 * error
    assert 70 <= shown <= 90
    assert detectable(found) == pytest.approx(2.8016 * (found.error or 0), rel=1e-3)
    assert trades_needed(Interval(20, 0.0, -1.0, 1.0, "t", 0.5)) is None


def test_runs_over_the_same_hours_are_compared_in_pairs() -> None:
    random = Random(9)
    at = times(120)
    market = [random.gauss(0, 5) for _ in range(120)]
    a, b = [one + 0.5 for one in market], market
    found = difference_of(a, b, blocks_of([*at, *at], UTC))
    assert found.mean == pytest.approx(0.5)
    assert found.is_above_zero
    later = difference_of(a, b, blocks_of([*at, *(ts + DAY for ts in at)], UTC))
    assert not later.is_above_zero
    assert difference_of(a[:5], b[:5], blocks_of([*at[:5], *at[:5]], UTC)).low is None


def claimed(first: range, other: range, seed: int, *, more: float = 0.0, of_day: float = 0.0, each: int = 30) -> float:
    """Return how often two runs of the same trades, `each` a day, are called different; the first earns `more`."""
    random = Random(seed)
    beyond = 0
    for _ in range(150):
        days = {day: random.gauss(0, of_day) for day in {*first, *other}}
        at, values = [], []
        for day in [*first, *other]:
            at += [MORNING + day * DAY + random.randrange(20_000) * SECOND for _ in range(each)]
            values += [days[day] + (12.0 if random.random() < 0.25 else -4.0) for _ in range(each)]
        count = len(first) * each
        found = difference_of([one + more for one in values[:count]], values[count:], blocks_of(at, UTC))
        beyond += found.is_above_zero or found.is_below_zero
    return beyond / 150


@pytest.mark.parametrize(
    ("first", "other", "of_day"),
    [
        (range(1), range(1, 13), 0.0),
        (range(2), range(2, 14), 0.0),
        (range(12), range(12), 3.0),
        (range(10), range(5, 15), 2.0),
        (range(10), range(10, 22), 3.0),
    ],
    ids=["a day", "two days", "the same days", "half of the days", "other days"],
)
def test_runs_that_differ_by_luck_alone_are_called_different_one_time_in_twenty(
    first: range, other: range, of_day: float
) -> None:
    assert claimed(first, other, 3, of_day=of_day) <= 0.09


def test_runs_that_do_differ_are_called_so() -> None:
    assert claimed(range(12), range(12), 4, more=3.0, of_day=3.0) >= 0.9
    assert claimed(range(10), range(10, 22), 4, more=3.0) >= 0.9


def test_a_run_of_one_stretch_of_time_is_not_compared() -> None:
    """Its residuals add up to nothing within its one block: how much of it is luck cannot be seen."""
    random = Random(6)
    short = [MORNING + random.randrange(120) * SECOND for _ in range(20)]
    long = [MORNING + day * DAY + random.randrange(20_000) * SECOND for day in range(1, 4) for _ in range(400)]
    values = [random.gauss(0, 5) for _ in [*short, *long]]
    found = difference_of(values[:20], values[20:], blocks_of([*short, *long], UTC))
    assert (found.method, found.low) == ("too few blocks", None)
