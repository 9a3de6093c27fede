"""Periodic: looks until it is stopped, and never ends in silence."""

from __future__ import annotations

import threading

from actors.supervision.periodic import Periodic
from tests.support.live import PATIENCE_S, events_logged


def test_it_looks_until_it_is_stopped() -> None:
    looks = threading.Semaphore(0)
    watch = Periodic("test", looks.release, 0.001)
    watch.start()
    assert all(looks.acquire(timeout=PATIENCE_S) for _ in range(3))
    watch.stop(PATIENCE_S)
    assert not watch._thread.is_alive()


def test_a_look_that_fails_ends_it_and_is_logged() -> None:
    ended = threading.Event()

    def fail() -> None:
        ended.set()
        raise RuntimeError("a fault of ours")

    with events_logged() as events:
        watch = Periodic("test", fail, 0.001)
        watch.start()
        assert ended.wait(PATIENCE_S)
        watch.stop(PATIENCE_S)
    assert [event["event"] for event in events] == ["test.failed"]


def test_a_look_may_be_the_last() -> None:
    looks = []

    def look() -> None:
        looks.append(1)
        watch.end()

    watch = Periodic("test", look, 0.001)
    watch.start()
    watch._thread.join(PATIENCE_S)
    assert looks == [1]
