"""Back-off: delays that grow, and no two bots that come back at once."""

from __future__ import annotations

import itertools
from random import Random

from hypothesis import given, strategies as st

from actors.feeds.backoff import BackOff
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
