"""How often a secret may be guessed."""

from __future__ import annotations

from hypothesis import given, strategies as st

from web.tries import AT_ONCE, AT_ONCE_OF_ALL, EACH_S, EACH_S_OF_ALL, Tries


class Clock:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.s = 5.0

    def __call__(self) -> float:
        return self.s


def taken(tries: Tries, address: str, times: int) -> int:
    return sum(tries.begin(address) == 0 for _ in range(times))


def test_a_few_come_at_once_and_then_one_at_a_time() -> None:
    clock = Clock()
    tries = Tries(clock)
    assert taken(tries, "192.0.2.1", 50) == AT_ONCE
    assert tries.begin("192.0.2.1") == EACH_S
    clock.s += EACH_S / 2
    assert tries.begin("192.0.2.1") == EACH_S / 2
    clock.s += EACH_S / 2
    assert taken(tries, "192.0.2.1", 50) == 1
    clock.s += 1e6
    assert taken(tries, "192.0.2.1", 50) == AT_ONCE


def test_one_that_guesses_does_not_hold_up_others() -> None:
    tries = Tries(Clock())
    taken(tries, "192.0.2.1", 50)
    assert tries.begin("192.0.2.2") == 0


def test_what_was_right_costs_nothing() -> None:
    tries = Tries(Clock())
    for _ in range(10 * AT_ONCE):
        assert tries.begin("192.0.2.1") == 0
        tries.give_back("192.0.2.1")


def test_many_addresses_together_are_bounded_too() -> None:
    clock = Clock()
    tries = Tries(clock)
    assert sum(taken(tries, f"198.51.100.{i}", 1) for i in range(256)) == AT_ONCE_OF_ALL
    clock.s += EACH_S_OF_ALL
    assert sum(taken(tries, f"198.51.100.{i}", 1) for i in range(256)) == 1


def test_a_network_of_ipv6_counts_as_one() -> None:
    tries = Tries(Clock())
    assert sum(taken(tries, f"2001:db8::{i:x}", 1) for i in range(50)) == AT_ONCE
    assert tries.begin("2001:db8:0:1::1") == 0


def test_ipv4_that_is_written_as_ipv6_counts_as_what_it_is() -> None:
    """So a proxy forwards it that listens to both by one socket."""
    tries = Tries(Clock())
    assert taken(tries, "::ffff:192.0.2.1", 50) == AT_ONCE
    assert tries.begin("192.0.2.1") == EACH_S
    assert tries.begin("::ffff:192.0.2.2") == 0


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "::1", "fe80::1%eth0", ""]), st.floats(0, 10))))
def test_whatever_comes_an_address_never_gets_more_than_it_should(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    tries = Tries(clock)
    begun: dict[str, int] = {}
    for address, pause in steps:
        clock.s += pause
        if tries.begin(address) == 0:
            begun[address] = begun.get(address, 0) + 1
    assert all(count <= AT_ONCE + (clock.s - 5) / EACH_S + 1e-6 for count in begun.values())
