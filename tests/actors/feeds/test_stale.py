"""The watch over a mute connection, in time that the test hands it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors.feeds.stale import StaleWatch


class Hands:
    """A loop whose clock is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Hands:
        self._timers.append((self.now + delay, callback))
        return self

    def cancel(self) -> None:
        self._timers.clear()

    def move_to(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            self.now, callback = self._timers.pop(0)
            callback()
        self.now = now


class Watched:
    """A watch with the limits that hold by default, and when it told what."""

    def __init__(self) -> None:
        self.hands = Hands()
        loop: Any = self.hands
        self.stale: list[float] = []
        self.silent: list[float] = []
        self.expects_news = True
        self.watch = StaleWatch(
            loop,
            15.0,
            165.0,
            lambda: self.expects_news,
            lambda: self.stale.append(self.hands.now),
            lambda: self.silent.append(self.hands.now),
        )

    def hear_until(self, end: float) -> None:
        """Hear something each tenth of a second, up to then."""
        for tenth in range(1, round(end * 10) + 1):
            self.hands.move_to(tenth / 10)
            self.watch.heard = True


@pytest.mark.parametrize("last_heard", [0.0, 0.1, 3.7, 3.8, 14.9, 15.1, 100.0])
def test_each_limit_is_told_once_it_is_past_and_at_most_a_quarter_of_the_first_later(last_heard: float) -> None:
    watched = Watched()
    watched.hear_until(last_heard)
    for limit, told in ((15.0, watched.stale), (165.0, watched.silent)):
        watched.hands.move_to(last_heard + limit - 0.1)
        assert not told
        watched.hands.move_to(last_heard + limit + 15.0 / 4 + 0.1)
        assert len(told) == 1


def test_news_end_a_silence_and_the_next_one_is_told_again() -> None:
    watched = Watched()
    watched.hands.move_to(20.0)
    watched.watch.heard = True
    watched.hands.move_to(60.0)
    assert len(watched.stale) == 2
    watched.hands.move_to(1_000.0)
    assert len(watched.silent) == 1


def test_a_silence_begins_when_news_are_expected() -> None:
    watched = Watched()
    watched.expects_news = False
    watched.hands.move_to(1_000.0)
    assert not watched.stale
    assert not watched.silent
    watched.expects_news = True
    watched.hands.move_to(1_000.0 + 15.0 * 1.25)
    assert len(watched.stale) == 1
    assert not watched.silent
    watched.hands.move_to(1_000.0 + 165.0 + 15.0 / 4)
    assert len(watched.silent) == 1


def test_a_watch_that_was_stopped_tells_nothing() -> None:
    watched = Watched()
    watched.hands.move_to(14.0)
    watched.watch.stop()
    watched.hands.move_to(1_000.0)
    assert not watched.stale
    assert not watched.silent
