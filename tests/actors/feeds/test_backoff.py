"""Back-off: delays that grow, and no two bots that come back at once."""

from __future__ import annotations

import itertools
from random import Random

from hypothesis import given, strategies as st

from actors.feeds.backoff import BackOff, Quota
from actors.feeds.websocket import FeedSettings


@given(st.floats(0.001, 1.0), st.floats(1.0, 60.0), st.integers(0, 2**32), st.integers(1, 100))
def test_delays_double_up_to_the_most_and_are_shortened_by_chance_to_no_less_than_half(
    first: float, most: float, seed: int, failures: int
) -> None:
    back_off = BackOff(first, most, Random(seed))
    for failure in range(failures):
        whole = min(most, first * 2**failure)
        assert whole / 2 <= back_off.next() <= whole
    assert back_off.failures == failures


def test_the_same_chance_gives_the_same_delays_and_another_gives_others() -> None:
    def delays(seed: int) -> list[float]:
        back_off = BackOff(1.0, 60.0, Random(seed))
        return [back_off.next() for _ in range(8)]

    assert delays(1) == delays(1)
    assert delays(1) != delays(2)


def test_after_a_reset_delays_start_over() -> None:
    back_off = BackOff(1.0, 60.0, Random(1))
    for _ in range(9):
        back_off.next()
    back_off.reset()
    assert back_off.next() <= 1.0


def test_a_venue_that_refuses_us_for_a_minute_is_asked_at_most_twelve_times() -> None:
    class Unlucky(Random):
        def random(self) -> float:
            return 0.0

    defaults = FeedSettings()
    back_off = BackOff(defaults.first_delay_s, defaults.most_delay_s, Unlucky())
    asked_at = list(itertools.accumulate((back_off.next() for _ in range(30)), initial=0.0))
    assert sum(at < 60 for at in asked_at) <= 12


@given(st.lists(st.floats(0.0, 30.0), max_size=60), st.integers(1, 20))
def test_no_minute_has_more_tries_than_its_quota_however_they_come(gaps: list[float], most: int) -> None:
    quota = Quota(most)
    now, tries = 0.0, []
    for gap in gaps:
        now += gap
        now += quota.left(now)
        quota.take(now)
        tries.append(now)
    for first, last in zip(tries, tries[most:], strict=False):
        assert last - first >= 60.0 - 1e-9


def test_a_quota_that_is_not_used_up_makes_nobody_wait() -> None:
    quota = Quota(2)
    for now in (0.0, 1.0):
        assert quota.left(now) == 0
        quota.take(now)
    assert quota.left(1.0) == 59.0
    assert quota.left(60.0) == 0
