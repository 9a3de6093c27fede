"""What the venue's clock shows: learnt from messages, and moved by no single one of them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, strategies as st

from pipeline.events import SECOND
from pipeline.venue_clock import VenueClock
from tests.support.market import START

HOUR = 3600 * SECOND
TICK = SECOND // 10  # of our clock, between two messages


class Told:
    """A clock that has heard a punctual message every tenth of a second, and goes on from there."""

    def __init__(self, *, rate: float = 1.0, max_skew_s: float = 60.0, messages: int = 40) -> None:
        self.clock = VenueClock(max_skew_s, rate)
        self.monotonic = 5 * SECOND
        self.began = self.monotonic
        self.rate = rate
        for number in range(messages):
            assert self.hear(0) == (number >= 2)  # the first two are no more than witnesses

    @property
    def true(self) -> int:
        """What the venue's clock really shows now."""
        return START + round(self.rate * (self.monotonic - self.began))

    def hear(self, off: int, wait: int = TICK) -> bool:
        """Hear a message that is `off` ns from the truth, a tenth of a second after the last one."""
        self.monotonic += wait
        return self.clock.plausible(self.true + off, self.monotonic)

    @property
    def error(self) -> int:
        """By how much the clock is wrong, in ns."""
        shown = self.clock.now(self.monotonic)
        assert shown is not None
        return shown - self.true


def test_a_clock_that_heard_nothing_shows_nothing() -> None:
    assert VenueClock().now(7 * SECOND) is None


def test_a_clock_goes_on_between_messages_at_the_rate_of_the_venue() -> None:
    clock = VenueClock()
    clock.declare(START, 10.0, SECOND)
    assert clock.now(SECOND) == START
    assert clock.now(4 * SECOND) == START + 30 * SECOND


def test_a_venue_that_declares_no_time_is_believed_by_its_messages() -> None:
    told = Told()
    assert told.error == 0
    assert told.clock.now(told.monotonic + HOUR) == told.true + HOUR


def test_the_first_message_is_not_believed_alone() -> None:
    clock = VenueClock()
    assert [clock.plausible(START + HOUR, SECOND), clock.now(SECOND)] == [False, None]
    assert [clock.plausible(START + n * TICK, SECOND + n * TICK) for n in (1, 2, 3)] == [False, False, True]
    assert clock.now(SECOND) == START
    assert clock.jumps == 0


@pytest.mark.parametrize("wait", [0, SECOND // 20 - 1])
def test_what_arrives_together_is_one_witness_of_the_first_time(wait: int) -> None:
    clock = VenueClock()
    assert not any(clock.plausible(START + HOUR, SECOND + n * wait // 9) for n in range(10))
    assert clock.now(2 * SECOND) is None


@pytest.mark.parametrize("wait", [0, SECOND // 20 - 1])
def test_what_arrives_together_is_one_witness_of_another_time(wait: int) -> None:
    told = Told()
    assert not any(told.hear(HOUR, wait=(n > 0) * wait // 9) for n in range(10))
    assert (told.error, told.clock.jumps) == (0, 0)
    assert [told.hear(HOUR, wait=SECOND // 20) for _ in range(2)] == [False, True]


def test_a_time_that_runs_at_a_rate_nobody_declared_is_found_and_found_again() -> None:
    """Ten seconds of the venue's pass in one of ours, and it is heard five times in that."""
    clock = VenueClock()
    heard = [clock.plausible(START + 10 * n * SECOND // 5, n * SECOND // 5) for n in range(200)]
    assert heard.count(True) > 150


def test_the_time_that_was_expected_moves_nothing_by_itself() -> None:
    clock = VenueClock()
    clock.expect(START, SECOND)
    assert clock.now(SECOND) is None


@pytest.mark.parametrize("off", [-60 * SECOND, 0, 60 * SECOND])
def test_a_first_message_near_the_time_that_was_expected_is_believed_alone(off: int) -> None:
    clock = VenueClock()
    clock.expect(START, SECOND)
    assert clock.plausible(START + 5 * SECOND + off, 6 * SECOND)
    assert clock.now(6 * SECOND) == START + 5 * SECOND + off


def test_the_time_that_is_expected_runs_at_the_rate_that_is_known() -> None:
    clock = VenueClock(60.0, rate=10.0)
    clock.expect(START, 500 * SECOND)
    assert clock.plausible(START + 10 * SECOND, 501 * SECOND)
    assert clock.now(502 * SECOND) == START + 20 * SECOND


@pytest.mark.parametrize("off", [-HOUR, 61 * SECOND, 1 << 61])
def test_a_first_message_far_from_the_time_that_was_expected_is_refused_and_the_next_is_heard(off: int) -> None:
    clock = VenueClock()
    clock.expect(START, SECOND)
    assert not clock.plausible(START + off, SECOND)
    assert clock.plausible(START, SECOND)
    assert clock.now(SECOND) == START


def test_a_venue_is_found_also_where_our_own_clock_is_wrong() -> None:
    clock = VenueClock()
    clock.expect(START - HOUR, 0)
    assert [clock.plausible(START + n * TICK, n * TICK) for n in range(3)] == [False, False, True]
    assert clock.now(0) == START


def test_punctual_messages_are_plausible_at_every_rate() -> None:
    for rate in (0.1, 1.0, 10.0, 1000.0):
        assert Told(rate=rate).error == 0


def test_messages_that_take_their_time_move_the_clock_by_no_more_than_that() -> None:
    told = Told()
    chance = Random(7)
    for _ in range(200):
        assert told.hear(-chance.randrange(SECOND // 5))
    assert -SECOND // 5 <= told.error <= 0


@pytest.mark.parametrize("off", [-HOUR, HOUR, -61 * SECOND, 61 * SECOND])
def test_a_message_far_from_venue_time_is_implausible_and_moves_nothing(off: int) -> None:
    told = Told()
    assert not told.hear(off)
    assert told.error == 0
    assert told.hear(0)
    assert told.clock.jumps == 0


@pytest.mark.parametrize("off", [-60 * SECOND, 60 * SECOND])
def test_a_message_exactly_at_the_skew_is_plausible_and_one_beyond_it_is_not(off: int) -> None:
    assert Told().hear(off)
    assert not Told().hear(off + (1 if off > 0 else -1))


def test_the_skew_is_what_the_settings_say() -> None:
    assert not Told(max_skew_s=5).hear(6 * SECOND)
    assert Told(max_skew_s=7).hear(6 * SECOND)


def test_a_message_within_the_skew_but_more_than_a_second_off_does_not_move_the_clock() -> None:
    told = Told()
    assert told.hear(30 * SECOND)
    assert told.error == 0


def test_two_messages_that_agree_on_another_time_move_nothing() -> None:
    told = Told()
    assert not told.hear(HOUR)
    assert not told.hear(HOUR)
    assert told.error == 0


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_three_messages_in_a_row_that_agree_on_another_time_move_the_clock_to_it(off: int) -> None:
    told = Told()
    assert [told.hear(off) for _ in range(3)] == [False, False, True]
    assert told.error == off
    assert told.clock.jumps == 1
    assert told.hear(off)
    assert not told.hear(0)


def test_a_punctual_message_between_the_witnesses_makes_them_start_over() -> None:
    told = Told()
    for off in (HOUR, HOUR, 0, HOUR, HOUR):
        told.hear(off)
    assert told.error == 0


def test_witnesses_who_do_not_agree_with_each_other_move_nothing() -> None:
    told = Told()
    for hours in (1, 2, 3, 4, 5, 6):
        assert not told.hear(hours * HOUR)
    assert told.error == 0
    assert told.clock.jumps == 0


def test_witnesses_who_differ_by_a_second_agree() -> None:
    told = Told()
    for off in (HOUR, HOUR + SECOND, HOUR):
        told.hear(off)
    assert told.clock.jumps == 1


def test_the_time_of_witnesses_is_compared_at_the_rate_of_the_venue() -> None:
    told = Told(rate=100.0)  # a second of ours is a hundred of the venue's: so far apart may messages be on arrival
    for off in (HOUR, HOUR + 90 * SECOND, HOUR):
        told.hear(off)
    assert told.clock.jumps == 1


def test_messages_are_near_at_the_rate_that_was_declared() -> None:
    """Half a second of ours late at ten times the speed is five of the venue's, and no other time."""
    clock = VenueClock()
    clock.declare(START, 10.0, 0)
    assert all(clock.plausible(START + 10 * n * TICK - 5 * SECOND, n * TICK) for n in range(5))
    assert clock.jumps == 0


def test_a_hello_is_taken_at_its_word_and_forgets_what_messages_said() -> None:
    told = Told()
    told.clock.declare(START + HOUR, 5.0, told.monotonic)
    assert told.clock.rate == 5.0
    assert told.clock.now(told.monotonic) == START + HOUR
    assert told.clock.plausible(START + HOUR, told.monotonic)
    assert not told.clock.plausible(START, told.monotonic)


@pytest.mark.parametrize("off", [-9 * SECOND // 10, 9 * SECOND // 10])
def test_one_message_that_is_near_but_off_is_outvoted(off: int) -> None:
    told = Told()
    assert told.hear(off)
    assert told.error == 0


def test_the_clock_follows_a_drift_that_stays_near() -> None:
    told = Told()
    for _ in range(40):
        told.hear(SECOND // 2)
    assert told.error == SECOND // 2


def test_a_burst_of_messages_counts_as_one_sample() -> None:
    told = Told()
    for _ in range(1000):  # half a second late, all within a millisecond: an overload, no new time
        told.hear(-SECOND // 2, wait=1)
    assert told.error == 0


@given(
    st.lists(st.integers(-SECOND // 5, SECOND // 5), min_size=40, max_size=80),
    st.lists(
        st.one_of(st.integers(2 * SECOND, 10**6 * SECOND), st.integers(-(10**6) * SECOND, -2 * SECOND)), max_size=30
    ),
    st.randoms(use_true_random=False),
)
def test_single_liars_among_punctual_messages_never_move_the_clock_out_of_what_those_say(
    punctual: list[int], liars: list[int], chance: Random
) -> None:
    told = Told()
    for off in punctual:
        if liars and chance.random() < 0.5:
            told.hear(liars.pop())
        assert told.hear(off)
        assert abs(told.error) <= SECOND // 5


@pytest.mark.parametrize("divisor", [10**3, 10**6, 10**9])
def test_a_time_in_another_unit_is_no_witness_however_often_it_comes(divisor: int) -> None:
    clock = VenueClock()
    assert not any(clock.plausible((START + n * TICK) // divisor, SECOND + n * TICK) for n in range(100))
    assert clock.now(20 * SECOND) is None
