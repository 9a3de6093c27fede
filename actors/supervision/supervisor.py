"""Supervision of edges: what is to run, how often it may be restarted, and what happens then."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from loguru import logger
from msgspec import Meta

from actors.feeds.backoff import BackOff


class SupervisionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[supervision]: how often another process may be restarted. All of it in real seconds."""

    restarts: Annotated[int, Meta(ge=0)] = 5  # at most so many ...
    within_s: Annotated[float, Meta(gt=0)] = 60.0  # ... in so many seconds; one more, and it is given up
    first_delay_s: Annotated[float, Meta(gt=0)] = 0.2  # before a restart; then it doubles
    most_delay_s: Annotated[float, Meta(gt=0)] = 5.0  # before any restart


class ChildSpec(msgspec.Struct, frozen=True):
    """One child: `run` runs it to its end, and returns why it ended."""

    id: str
    run: Callable[[], Awaitable[str]]
    restarts: int = 5  # at most so many ...
    within_s: float = 60.0  # ... in so many real seconds; one more, and it is given up
    shutdown_s: float = 2.0  # real seconds it has to end when cancelled
    vital: bool = False  # the session ends if it is given up; without the others it goes on
    ready: Callable[[], Awaitable[object]] | None = None  # returns once it can be used


class Dependant(msgspec.Struct, frozen=True):
    """An edge that is of no use while a child is away: it is stopped with it, and restarts when that is ready."""

    id: str
    stop: Callable[[str], None]  # why
    start: Callable[[], None]


class Supervisor:
    """Runs a child for as long as its restart budget lasts, with growing delays in between.

    A child that ends is restarted alone (one for one), or with those that depend on it (rest for one): they are
    stopped in the reverse order of their start, and started in order once the child is ready. `on_given_up(spec,
    reason)` is called when the budget is spent. It restarts edges only: the core is never restarted, since an executor
    with empty hands is a forgotten position.
    """

    def __init__(
        self,
        spec: ChildSpec,
        back_off: BackOff,
        monotonic: Callable[[], float],
        on_given_up: Callable[[ChildSpec, str], None],
    ) -> None:
        self.restarted = 0
        self._spec = spec
        self._back_off = back_off
        self._monotonic = monotonic
        self._on_given_up = on_given_up
        self._rest: list[Dependant] = []
        self._ended: deque[float] = deque(maxlen=spec.restarts + 1)
        self._task: asyncio.Task[None] | None = None
        self._log = logger.bind(logger="microbot.supervisor", child=spec.id)

    def start(self) -> None:
        """Start the child on the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._supervise(), name=self._spec.id)

    def depend(self, dependant: Dependant) -> None:
        """Stop and restart an edge, which was started after the child, along with it."""
        self._rest.append(dependant)

    async def stop(self) -> None:
        """Cancel the child and wait for it, as long as its shutdown time allows."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=self._spec.shutdown_s)

    async def _supervise(self) -> None:
        spec = self._spec
        while True:
            born = self._monotonic()
            reason = await self._life()
            for dependant in reversed(self._rest):
                dependant.stop(f"the {spec.id} ended: {reason}")
            now = self._monotonic()
            if now - born >= spec.within_s:
                self._back_off.reset()  # it has lasted: what ended it is another matter than what ended the one before
            self._ended.append(now)
            if len(self._ended) > spec.restarts and now - self._ended[0] <= spec.within_s:
                self._log.bind(event="child.given_up", reason=reason).error(
                    f"{spec.id} ended {len(self._ended)} times in {spec.within_s:g} s and is given up: {reason}"
                )
                self._on_given_up(spec, reason)
                return
            self.restarted += 1
            rest = [dependant.id for dependant in self._rest]
            self._log.bind(event="child.restarted", reason=reason, restarts=self.restarted, rest=rest).warning(
                f"{spec.id} ended and is restarted{', and with it ' if rest else ''}{', '.join(rest)}: {reason}"
            )
            await asyncio.sleep(self._back_off.next())

    async def _life(self) -> str:
        """Run the child once, and start what depends on it when it is ready; return why it ended."""
        rest = asyncio.get_running_loop().create_task(self._start_rest()) if self.restarted and self._rest else None
        try:
            return await self._spec.run()
        except Exception as error:  # a fault of the edge is an end of it like any other
            return f"{type(error).__name__}: {error}"
        finally:
            if rest is not None:
                rest.cancel()

    async def _start_rest(self) -> None:
        if self._spec.ready is not None:
            await self._spec.ready()
        for dependant in self._rest:
            dependant.start()
