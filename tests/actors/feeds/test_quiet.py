"""The watch over each symbol's own silences, look by look."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings, strategies as st

from actors.feeds.quiet import LEARNT, SPAN, Heard, QuietSymbols, Silence


class Looks:
    """A watch over A, and whether A had news at each look."""

    def __init__(self, *, least: int = 4, times: float = 3.0) -> None:
        self.quiet = QuietSymbols(least, times)
        self.ts = 1
        self.told: list[Silence] = []
        self.again: list[str] = []

    def look(self, *news: bool, halted: bool = False) -> Looks:
        for heard in news:
            if heard:
                self.ts += 1
                self.again += self.quiet.heard_again(lambda _: self.ts)
            self.told += self.quiet.look([Heard("A", self.ts, halted)])
        return self

    def learn(self, gap: int, count: int = LEARNT) -> Looks:
        """Have news every `gap` looks, so many times."""
        return self.look(*([False] * (gap - 1) + [True]) * (count + 1))

    def limit(self, most: int = 10_000) -> int:
        """Be silent until A is stale; return for how many looks that was."""
        for looks in range(1, most):
            if self.look(False).told:
                return looks
        return 0


def test_a_symbol_is_stale_past_three_of_its_longest_silences_and_not_before_the_least() -> None:
    assert [Looks().learn(gap).limit() for gap in (1, 2, 3, 10)] == [4, 6, 9, 30]


def test_what_is_told_is_how_long_it_was_silent_and_the_most_of_before() -> None:
    looks = Looks().learn(5)
    looks.limit()
    assert looks.told == [Silence("A", 15, 5)]
    looks.look(*[False] * 100)
    assert len(looks.told) == 1


def test_news_end_it() -> None:
    looks = Looks().learn(1)
    looks.limit()
    assert looks.quiet.stale == {"A"}
    looks.look(True)
    assert (looks.again, looks.quiet.stale) == (["A"], set())


def test_a_symbol_that_was_hardly_ever_heard_is_never_stale() -> None:
    assert Looks().learn(2, count=LEARNT - 2).limit(1_000) == 0


def test_other_symbols_are_not_touched() -> None:
    quiet = QuietSymbols(4, 3.0)
    for ts in range(100):
        quiet.look([Heard("A", min(ts, 60), halted=False), Heard("B", ts, halted=False)])
    assert quiet.stale == {"A"}


def test_a_halt_is_no_silence_and_teaches_nothing() -> None:
    looks = Looks().learn(1)
    looks.look(*[False] * 200, halted=True)
    assert not looks.told
    looks.look(True)
    assert looks.limit() == 4


def test_where_nothing_is_expected_silences_start_over() -> None:
    looks = Looks().learn(1)
    for _ in range(20):
        looks.look(False, False, False)
        looks.quiet.start_over()
    assert not looks.told
    assert looks.limit() == 4


def test_a_silence_past_the_limit_counts_as_the_limit() -> None:
    looks = Looks().learn(1)
    looks.look(*[False] * 1_000, True)
    looks.told.clear()
    assert looks.limit() == 12


def test_a_longer_silence_is_forgotten_after_two_spans() -> None:
    looks = Looks().learn(20)
    looks.look(*[True] * (2 * SPAN))
    assert looks.limit() == 4


@given(st.lists(st.booleans(), max_size=300))
@settings(max_examples=50)
def test_it_is_a_function_of_the_looks_alone(news: Sequence[bool]) -> None:
    first, second = (Looks().learn(1).look(*news) for _ in range(2))
    assert (first.told, first.again) == (second.told, second.again)
    # Stale and heard again take turns, beginning with stale.
    assert 0 <= len(first.told) - len(first.again) <= 1
