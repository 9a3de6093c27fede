"""The watch over a mute connection, in time that the test hands it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors.feeds.stale import StaleWatch


class Hands:
    """A loop whose clock is moved by hand, and a connection that counts how often it is cut."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cuts = 0
        self.transport = self
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Hands:
        self._timers.append((self.now + delay, callback))
        return self

    def cancel(self) -> None:
        self._timers.clear()

    def abort(self) -> None:
        self.cuts += 1

    def move_to(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            self.now, callback = self._timers.pop(0)
            callback()
        self.now = now


def watched(after_s: float) -> tuple[Hands, StaleWatch]:
    hands: Any = Hands()
    return hands, StaleWatch(hands, after_s, hands)


@pytest.mark.parametrize("last_heard", [0.0, 0.1, 3.7, 3.8, 14.9, 15.1, 100.0])
def test_a_connection_is_cut_when_it_was_mute_for_so_long_and_at_most_a_quarter_longer(last_heard: float) -> None:
    hands, watch = watched(15.0)
    for tenth in range(int(last_heard * 10) + 1):
        hands.move_to(tenth / 10)
        watch.heard = tenth > 0
    hands.move_to(last_heard + 14.9 if last_heard else 14.9)
    assert hands.cuts == 0
    hands.move_to(last_heard + 15.0 * 1.25 + 0.1)
    assert watch.bitten
    assert hands.cuts == 1


def test_a_watch_that_was_stopped_cuts_nothing() -> None:
    hands, watch = watched(15.0)
    hands.move_to(14.0)
    watch.stop()
    hands.move_to(100.0)
    assert not watch.bitten
    assert hands.cuts == 0
