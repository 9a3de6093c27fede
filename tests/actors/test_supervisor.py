"""Supervision: how often a child may come back, and what happens then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from actors.feeds.backoff import BackOff
from actors.supervision.supervisor import ChildSpec, Dependant, Supervisor
from tests.support.live import PATIENCE_S, events_logged


class Child:
    """A child that ends as often as a test says, and then stays; each end takes some time on a clock of our own."""

    def __init__(self, ends: int, took_s: float = 1.0) -> None:
        self.runs = 0
        self.now = 0.0
        self.stays = asyncio.Event()  # it runs and will not end by itself
        self.cancelled = False
        self.given_up: list[tuple[str, str]] = []
        self.over = asyncio.Event()
        self._ends = ends
        self._took_s = took_s

    async def run(self) -> str:
        self.runs += 1
        if self.runs > self._ends:
            self.stays.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        self.now += self._took_s
        return f"end {self.runs}"

    def on_given_up(self, spec: ChildSpec, reason: str) -> None:
        self.given_up.append((spec.id, reason))
        self.over.set()

    def supervisor(self, spec: Callable[[Child], ChildSpec]) -> Supervisor:
        back_off = BackOff(0.0001, 0.001, Random(1))
        return Supervisor(spec(self), back_off, lambda: self.now, self.on_given_up)


def run(child: Child, spec: Callable[[Child], ChildSpec]) -> Supervisor:
    """Supervise a child until it stays or is given up."""

    async def scenario() -> Supervisor:
        supervisor = child.supervisor(spec)
        supervisor.start()
        waiting = [asyncio.create_task(event.wait()) for event in (child.stays, child.over)]
        done, _ = await asyncio.wait(waiting, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        assert done
        await supervisor.stop()
        return supervisor

    return asyncio.run(scenario())


def within(restarts: int, within_s: float) -> Callable[[Child], ChildSpec]:
    return lambda child: ChildSpec("web", child.run, restarts, within_s)


def test_a_child_that_ends_is_started_again() -> None:
    child = Child(ends=3)
    supervisor = run(child, within(5, 60.0))
    assert child.runs == 4
    assert supervisor.restarted == 3
    assert child.given_up == []


@pytest.mark.parametrize("restarts", [1, 2, 5])
def test_one_end_more_than_the_budget_and_the_child_is_given_up(restarts: int) -> None:
    child = Child(ends=100)
    supervisor = run(child, within(restarts, 1000.0))
    assert child.runs == restarts + 1
    assert supervisor.restarted == restarts
    assert child.given_up == [("web", f"end {restarts + 1}")]


def test_as_many_ends_as_the_budget_allows_are_forgiven() -> None:
    child = Child(ends=5)
    run(child, within(5, 1000.0))
    assert child.given_up == []


def test_ends_that_are_long_ago_do_not_count() -> None:
    child = Child(ends=50, took_s=10.1)  # the sixth end comes 50.5 s after the first
    run(child, within(5, 50.0))
    assert child.runs == 51
    assert child.given_up == []


def test_ends_exactly_as_long_ago_as_the_budget_reaches_do_count() -> None:
    child = Child(ends=50, took_s=10.0)
    run(child, within(5, 50.0))
    assert child.runs == 6
    assert len(child.given_up) == 1


@pytest.mark.parametrize(("took_s", "failures"), [(59.0, 4), (60.0, 1)])
def test_a_child_that_has_lasted_comes_back_as_soon_as_if_it_had_never_ended(took_s: float, failures: int) -> None:
    supervisor = run(Child(ends=4, took_s=took_s), within(5, 60.0))
    assert supervisor._back_off.failures == failures


def test_stopping_cancels_the_child() -> None:
    child = Child(ends=0)
    run(child, within(5, 60.0))
    assert child.cancelled


def test_a_child_that_does_not_end_when_cancelled_is_not_waited_for_longer_than_it_may_take() -> None:
    async def scenario() -> None:
        free = asyncio.Event()

        async def stubborn() -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await free.wait()
            return "at last"

        spec = ChildSpec("web", stubborn, shutdown_s=0.01)
        supervisor = Supervisor(spec, BackOff(0.0001, 0.001, Random(1)), lambda: 0.0, lambda *_: None)
        supervisor.start()
        await asyncio.sleep(0)
        await asyncio.wait_for(supervisor.stop(), PATIENCE_S)
        free.set()

    asyncio.run(scenario())


def test_what_was_never_started_can_be_stopped() -> None:
    async def scenario() -> None:
        await Child(ends=0).supervisor(within(5, 60.0)).stop()

    asyncio.run(scenario())


def test_every_restart_and_the_giving_up_is_logged_with_its_reason() -> None:
    with events_logged() as events:
        run(Child(ends=9), within(2, 1000.0))
    seen = [(event["event"], event["child"], event["reason"]) for event in events]
    assert seen == [
        ("child.restarted", "web", "end 1"),
        ("child.restarted", "web", "end 2"),
        ("child.given_up", "web", "end 3"),
    ]


def test_a_child_that_raises_is_restarted_like_one_that_ends() -> None:
    class Raising(Child):
        async def run(self) -> str:
            if self.runs < 2:
                self.runs += 1
                raise OSError(24, "Too many open files")
            return await super().run()

    child = Raising(ends=0)
    supervisor = run(child, within(5, 60.0))
    assert supervisor.restarted == 2


# ------------------------------------------------------------------------------------------------- rest for one


class Family:
    """A child that a test ends and lets be ready, with two edges that depend on it; `heard` is what happened."""

    def __init__(self, ends: int, restarts: int = 5) -> None:
        self.heard: list[str] = []
        self.child = Child(ends)
        self.ready = asyncio.Event()
        spec = ChildSpec("exchange", self._run, restarts, 1000.0, ready=self._await_ready)
        self.supervisor = Supervisor(
            spec, BackOff(0.0001, 0.001, Random(1)), lambda: 0.0, lambda spec, reason: self.child.over.set()
        )
        for name in ("feed", "broker"):
            self.supervisor.depend(Dependant(name, self._stopping(name), self._starting(name)))

    async def _run(self) -> str:
        self.heard.append("run")
        return await self.child.run()

    async def _await_ready(self) -> None:
        await self.ready.wait()
        self.heard.append("ready")

    def _stopping(self, name: str) -> Callable[[str], None]:
        return lambda reason: self.heard.append(f"stop {name}: {reason}")

    def _starting(self, name: str) -> Callable[[], None]:
        return lambda: self.heard.append(f"start {name}")

    def until(self, true: Callable[[], bool]) -> list[str]:
        async def scenario() -> None:
            self.supervisor.start()
            async with asyncio.timeout(PATIENCE_S):
                while not true():  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(0.001)
            await self.supervisor.stop()

        asyncio.run(scenario())
        return self.heard


def test_what_depends_on_a_child_ends_with_it_in_reverse_order_and_begins_anew_in_order_when_it_is_ready() -> None:
    family = Family(ends=1)
    family.ready.set()
    assert family.until(lambda: "start broker" in family.heard) == [
        "run",
        "stop broker: the exchange ended: end 1",
        "stop feed: the exchange ended: end 1",
        "run",
        "ready",
        "start feed",
        "start broker",
    ]


def test_what_depends_on_a_child_waits_until_that_is_ready() -> None:
    family = Family(ends=1)
    heard = family.until(family.child.stays.is_set)
    assert not [word for word in heard if word.startswith("start")]


def test_a_child_that_ends_before_it_is_ready_starts_nobody() -> None:
    family = Family(ends=3)
    heard = family.until(family.child.stays.is_set)
    assert heard.count("run") == 4
    assert not [word for word in heard if word.startswith("start")]


def test_what_depends_on_a_child_that_is_given_up_is_stopped_and_not_started() -> None:
    family = Family(ends=9, restarts=1)
    heard = family.until(family.child.over.is_set)
    assert heard[-2:] == ["stop broker: the exchange ended: end 2", "stop feed: the exchange ended: end 2"]


def test_each_time_that_a_child_is_ready_starts_its_rest_once_however_often_it_ended_before() -> None:
    family = Family(ends=3)

    def ready_at_last() -> bool:
        if family.child.stays.is_set():
            family.ready.set()
        return "start broker" in family.heard

    assert family.until(ready_at_last).count("start feed") == 1
