"""window: against a model that looks at every tick anew."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from microbot.testing.hypothesis import ticks
from pipeline import operators as op
from pipeline.events import SECOND, Trade
from pipeline.operators.frame import Frame
from pipeline.strategy import StrategySettings
from tests.support.market import trade
from tests.support.streams import (
    Tap,
    assert_marbles,
    assert_no_look_ahead,
    assert_two_subscriptions_are_independent,
    outputs,
    then,
)


def frames(seconds: float, min_ticks: int, *values: Trade) -> list[Frame]:
    return outputs(lambda source: source.pipe(op.window(seconds, min_ticks)), values)


def counts(seconds: float, *values: Trade) -> list[int]:
    return [frame.count for frame in frames(seconds, 1, *values)]


def ready(seconds: float, min_ticks: int, *values: Trade) -> list[bool]:
    return [frame.ready for frame in frames(seconds, min_ticks, *values)]


# ---------------------------------------------------------------------------------------------- the model


class Naive:
    """The window as strategy and docstring put it: every tick is looked at anew."""

    def __init__(self, seconds: float, min_ticks: int) -> None:
        self.span = round(seconds * SECOND)
        self.min_ticks = min_ticks
        self.seen: list[Trade] = []
        self.warm_from = 0

    def frame(self, tick: Trade) -> dict[str, Any]:
        others = [t for t in self.seen if t.ts > tick.ts - self.span]
        if not others:
            self.warm_from = tick.ts
        self.seen.append(tick)
        window = [*others, tick]
        prices = [t.price for t in window]
        volume = math.fsum(t.size for t in others)
        return {
            "count": len(window),
            "oldest_price": window[0].price,
            "high": max(prices),
            "low": min(prices),
            "momentum": tick.price / window[0].price - 1,
            "ready": len(window) >= self.min_ticks and tick.ts - self.warm_from >= self.span,
            "others_volume": volume,
            "others_notional": math.fsum(t.price * t.size for t in others),
            "range": max(prices) / min(prices) - 1,
            "volume_ratio": tick.size / (volume / len(others)) if volume > 0 else 0.0,
        }


SUMS = ("others_volume", "others_notional", "volume_ratio")


@given(ticks(), st.sampled_from([0.25, 1.0, 2.5, 15.0]), st.integers(1, 4))
def test_every_frame_is_what_a_look_at_all_ticks_gives(values: list[Trade], seconds: float, min_ticks: int) -> None:
    naive = Naive(seconds, min_ticks)
    for frame in frames(seconds, min_ticks, *values):
        expected = naive.frame(frame.tick)
        sums = {name: expected.pop(name) for name in SUMS}
        assert {name: getattr(frame, name) for name in expected} == expected
        assert {name: getattr(frame, name) for name in sums} == pytest.approx(sums, rel=1e-9, abs=1e-12)


def test_running_sums_stay_exact_to_the_noise_over_thousands_of_ticks() -> None:
    """Long enough that the sums are taken anew several times, with sizes that no float holds exactly."""
    values = [trade(n / 50, 100 + n % 7 / 10, (n * 37 % 101) / 10) for n in range(3000)]
    naive = Naive(2.0, 1)
    for frame in frames(2.0, 1, *values):
        expected = naive.frame(frame.tick)
        assert frame.others_volume == pytest.approx(expected["others_volume"], rel=1e-12)
        assert frame.others_notional == pytest.approx(expected["others_notional"], rel=1e-12)


@pytest.mark.parametrize("block", [1e4, 1e9, 1e15])
def test_a_block_that_left_leaves_no_trace(block: float) -> None:
    small = [trade(n * 0.25, size=0.1) for n in range(1, 40)]
    last = frames(2.0, 1, trade(0, size=block), *small)[-1]
    assert last.others_volume == pytest.approx(0.7, rel=1e-10)
    assert last.volume_ratio == pytest.approx(1.0, rel=1e-10)


def test_blocks_that_left_leave_less_noise_than_thresholds_forgive() -> None:
    """Now and then a block of a million times the other sizes, as in crypto: 1.5 times the mean must stay just that."""
    chance = random.Random(10)
    values, ts = [], 0.0
    for _ in range(2000):
        ts += chance.choice([0, 0.05, 0.1, 0.25, 1])
        values.append(trade(ts, 100, 1e6 if chance.random() < 0.03 else chance.choice([0.0, 0.01, 0.1, 0.3])))
    naive = Naive(2.0, 1)
    noise = [
        abs(frame.others_volume / expected - 1)
        for frame in frames(2.0, 1, *values)
        if (expected := naive.frame(frame.tick)["others_volume"]) > 0
    ]
    assert max(noise) < 1e-9


# ------------------------------------------------------------------------------------------- by the letter


def test_a_tick_as_old_as_the_window_is_outside_of_it() -> None:
    assert counts(15, trade(0), trade(15)) == [1, 1]


def test_a_tick_a_nanosecond_younger_than_the_window_is_inside() -> None:
    first = trade(0)
    assert counts(15, first, Trade("A", first.ts + 15 * SECOND - 1, 100.0, 1.0)) == [1, 2]


def test_ticks_of_the_same_time_share_a_window() -> None:
    assert counts(15, trade(0), trade(0), trade(0)) == [1, 2, 3]


def test_ready_needs_the_whole_window_to_have_passed() -> None:
    assert ready(15, 3, trade(0), trade(7), trade(14), trade(14.999), trade(15)) == [False] * 4 + [True]


def test_ready_needs_enough_ticks_in_the_window() -> None:
    assert ready(15, 3, trade(0), trade(14), trade(15), trade(16)) == [False, False, False, True]


def test_a_gap_as_long_as_the_window_starts_the_warm_up_anew() -> None:
    warm = [trade(0), trade(1), trade(2)]
    assert ready(2, 1, *warm, trade(4), trade(5), trade(6)) == [False, False, True, False, False, True]


def test_a_gap_shorter_than_the_window_does_not_start_the_warm_up_anew() -> None:
    assert ready(2, 1, trade(0), trade(1), trade(2), trade(3.999)) == [False, False, True, True]


def test_momentum_compares_with_the_oldest_tick_in_the_window() -> None:
    found = frames(2, 1, trade(0, 50), trade(1, 100), trade(2, 101))
    assert [frame.momentum for frame in found] == [0.0, 1.0, 101 / 100 - 1]


def test_the_tick_itself_is_not_among_the_others() -> None:
    first, second = frames(15, 1, trade(0, size=10), trade(1, size=30))
    assert (first.others_volume, first.volume_ratio) == (0.0, 0.0)
    assert (second.others_volume, second.volume_ratio) == (10.0, 3.0)


def test_the_volume_ratio_is_zero_where_the_others_traded_nothing() -> None:
    assert frames(15, 1, trade(0, size=0), trade(1, size=30))[-1].volume_ratio == 0.0


def test_a_fraction_of_a_second_is_a_window_too() -> None:
    assert counts(0.25, trade(0), trade(0.2), trade(0.25), trade(0.5)) == [1, 2, 2, 1]


# ----------------------------------------------------------------------------------------- as an operator


def test_a_window_says_one_frame_for_each_tick_and_ends_with_them() -> None:
    assert_marbles(
        then(lambda source: source.pipe(op.window(2.0, 1)), lambda frame: (frame.count, frame.ready)),
        hears="-a-b-c--d-|",
        says="-A-B-C--A-|",
        heard={"a": trade(0), "b": trade(1), "c": trade(2), "d": trade(5)},
        said={"A": (1, False), "B": (2, False), "C": (2, True)},
    )


def test_an_error_of_the_source_goes_through() -> None:
    assert_marbles(
        then(lambda source: source.pipe(op.window(2.0, 1)), lambda frame: frame.count),
        hears="-a-#",
        says="-A-#",
        heard={"a": trade(0)},
        said={"A": 1},
        error=RuntimeError("the feed broke"),
    )


def test_two_subscriptions_never_share_a_window() -> None:
    values = [trade(n * 0.5, 100 + n / 10, n + 1) for n in range(20)]
    assert_two_subscriptions_are_independent(lambda s: s.pipe(op.window(2.0, 2)), values, key=lambda frame: frame)


@given(ticks(), st.integers(0, 60))
def test_a_prefix_of_the_ticks_gives_a_prefix_of_the_frames(values: list[Trade], cut: int) -> None:
    assert_no_look_ahead(lambda s: s.pipe(op.window(2.0, 2)), values, cut, key=lambda frame: frame)


def test_a_disposed_subscription_hears_nothing_more() -> None:
    tap = Tap(lambda source: source.pipe(op.window(2.0, 1))).push(trade(0))
    tap.subscription.dispose()
    assert len(tap.push(trade(1)).values) == 1


def test_the_memory_is_that_of_one_window() -> None:
    values = [trade(n * 0.1) for n in range(1000)]
    assert max(counts(1.0, *values)) == 10


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_window_of_no_length_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be more than 0"):
        op.window(seconds)


def test_a_window_of_no_ticks_is_refused() -> None:
    with pytest.raises(ValueError, match="min_ticks must be 1 or more"):
        op.window(15, 0)


def test_the_defaults_are_those_of_the_strategy() -> None:
    settings = StrategySettings()
    assert op.window.__defaults__ == (settings.window_size, settings.min_ticks)
