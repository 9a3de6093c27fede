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
    told = Told(messages=3)  # too few to be sure of the time
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


def test_three_messages_in_a_row_move_a_clock_that_is_not_sure_yet() -> None:
    told = Told(messages=5)
    assert [told.hear(HOUR) for _ in range(3)] == [False, False, True]
    assert (told.error, told.clock.jumps, told.clock.gaps) == (HOUR, 1, 1)
    assert told.hear(HOUR)
    assert not told.hear(0)


@pytest.mark.parametrize("messages", [6, 99])
def test_a_later_time_is_not_believed_before_ten_seconds_of_nothing_else(messages: int) -> None:
    """Six messages an hour ahead once made a symbol deaf for that hour."""
    told = Told()
    assert not any(told.hear(HOUR) for _ in range(messages))  # ten of them a second
    assert (told.error, told.clock.jumps) == (0, 0)
    assert told.hear(0)


def test_a_later_time_is_believed_after_ten_seconds_of_nothing_else() -> None:
    told = Told()
    assert [told.hear(HOUR) for _ in range(101)] == [False] * 100 + [True]
    assert (told.error, told.clock.jumps, told.clock.gaps) == (HOUR, 1, 1)
    assert told.hear(HOUR)


def test_a_later_time_that_a_sparse_feed_agrees_on_is_believed_too() -> None:
    told = Told()
    assert [told.hear(HOUR, wait=6 * SECOND) for _ in range(3)] == [False, False, True]


def test_one_punctual_message_among_those_of_ten_seconds_makes_them_start_over() -> None:
    told = Told()
    for n in range(250):
        told.hear(0 if n % 99 == 98 else HOUR)
    assert (told.error, told.clock.jumps) == (0, 0)


@pytest.mark.parametrize("off", [2 * SECOND, 59 * SECOND])
def test_a_later_time_within_the_skew_is_plausible_and_moves_the_clock_after_ten_seconds_only(off: int) -> None:
    told = Told()
    assert all(told.hear(off) for _ in range(100))
    assert told.error == 0
    assert told.hear(off)
    assert (told.error, told.clock.gaps) == (off, 0)  # nothing was missed: what came was used


@pytest.mark.parametrize("slept", [30 * SECOND, HOUR])
def test_a_later_time_is_believed_at_once_where_the_machine_s_clock_jumped_alike(slept: int) -> None:
    """A laptop that slept: its monotonic clock stood still, its wall clock did not."""
    told = Told()
    told.clock.see_machine(told.true - 600 * SECOND, told.monotonic)  # it may be wrong, as long as it goes on alike
    told.hear(0)
    told.clock.see_machine(told.true - 600 * SECOND + slept, told.monotonic)
    assert told.error == 0  # by itself it moves nothing
    assert told.hear(slept)
    assert (told.error, told.clock.jumps, told.clock.gaps) == (slept, 1, 1)
    assert not told.hear(slept + HOUR)


@pytest.mark.parametrize("jumped", [-HOUR, 0, HOUR // 2, 2 * HOUR])
def test_a_jump_of_the_machine_s_clock_bears_out_no_other_time(jumped: int) -> None:
    told = Told()
    told.clock.see_machine(told.true, told.monotonic)
    told.hear(0)
    told.clock.see_machine(told.true + jumped, told.monotonic)
    assert not any(told.hear(HOUR) for _ in range(6))
    assert told.error == 0


def test_an_earlier_time_moves_nothing_and_is_told_after_ten_seconds_of_nothing_else() -> None:
    told = Told()
    for _ in range(100):
        assert not told.hear(-HOUR)
        assert told.clock.earlier(told.monotonic) is None
    told.hear(-HOUR)
    assert told.error == 0
    assert told.clock.earlier(told.monotonic) == told.true - HOUR
    told.clock.go_back(told.monotonic)
    assert told.error == -HOUR
    assert told.hear(-HOUR)
    assert told.clock.earlier(told.monotonic) is None


def test_an_earlier_time_that_is_heard_no_more_is_forgotten() -> None:
    told = Told()
    for _ in range(101):
        told.hear(-HOUR)
    assert told.hear(0)
    assert told.clock.earlier(told.monotonic) is None
    told.clock.go_back(told.monotonic)
    assert told.error == 0


def test_an_earlier_time_within_the_skew_is_one_too_if_what_was_heard_comes_again() -> None:
    told = Told()
    assert all(told.hear(-30 * SECOND) for _ in range(101))
    assert told.clock.earlier(told.monotonic) == told.true - 30 * SECOND


def test_messages_that_come_late_in_their_order_are_no_earlier_time() -> None:
    """A way that takes its time: they are delivered ever later, and none of them was heard before."""
    told = Told()
    assert all(told.hear(-n * SECOND // 11) for n in range(600))
    assert told.clock.earlier(told.monotonic) is None
    assert told.error == 0


def test_a_feed_that_goes_back_again_and_again_has_to_insist_longer_each_time() -> None:
    told = Told()
    waits = []
    for back in range(1, 4):
        since = told.monotonic
        while told.clock.earlier(told.monotonic) is None:
            told.hear(-back * HOUR)
        waits.append((told.monotonic - since) // SECOND)
        told.clock.go_back(told.monotonic)
    assert waits == [10, 20, 40]


def test_a_punctual_message_between_the_witnesses_makes_them_start_over() -> None:
    told = Told()
    for off in (HOUR, HOUR, 0, HOUR, HOUR):
        told.hear(off)
    assert told.error == 0


def test_witnesses_who_do_not_agree_with_each_other_move_nothing() -> None:
    told = Told()
    for hours in range(1, 121):
        assert not told.hear(hours * HOUR)
    assert told.error == 0
    assert told.clock.jumps == 0


def test_witnesses_who_differ_by_a_second_agree() -> None:
    told = Told(messages=5)
    for off in (HOUR, HOUR + SECOND, HOUR):
        told.hear(off)
    assert told.clock.jumps == 1


def test_the_time_of_witnesses_is_compared_at_the_rate_of_the_venue() -> None:
    told = Told(rate=100.0, messages=5)  # a second of ours is a hundred of its: so far apart may messages be on arrival
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
    told = Told(messages=5)
    told.clock.declare(START + HOUR, 5.0, told.monotonic)
    assert told.clock.rate == 5.0
    assert told.clock.now(told.monotonic) == START + HOUR
    assert told.clock.plausible(START + HOUR, told.monotonic)
    assert not told.clock.plausible(START, told.monotonic)


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_a_hello_of_another_time_is_a_witness_like_any_other_once_the_time_is_sure(off: int) -> None:
    told = Told()
    told.clock.declare(told.true + off, 5.0, told.monotonic)
    assert told.clock.rate == 5.0
    assert told.error == 0
    assert told.hear(0)


def test_nothing_that_is_admitted_is_later_than_the_clock_shows_beyond_doubt() -> None:
    told = Told()
    assert told.clock.latest(told.monotonic) == told.true + SECOND


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
