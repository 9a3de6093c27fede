"""Supervision of edges: what is to run, how often it may be restarted, and what happens then."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec
from loguru import logger

from actors.feeds.backoff import BackOff


class ChildSpec(msgspec.Struct, frozen=True):
    """One child: `run` runs it to its end, and returns why it ended."""

    id: str
    run: Callable[[], Awaitable[str]]
    restarts: int = 5  # at most so many ...
    within_s: float = 60.0  # ... in so many real seconds; one more, and it is given up
    shutdown_s: float = 2.0  # real seconds it has to end when cancelled


class Supervisor:
    """Runs a child for as long as its restart budget lasts, with growing delays in between.

    `on_given_up(id, reason)` is called when the budget is spent. It restarts edges only: the core is never restarted,
    since an executor with empty hands is a forgotten position.
    """

    def __init__(
        self,
        spec: ChildSpec,
        back_off: BackOff,
        monotonic: Callable[[], float],
        on_given_up: Callable[[str, str], None],
    ) -> None:
        self.restarted = 0
        self._spec = spec
        self._back_off = back_off
        self._monotonic = monotonic
        self._on_given_up = on_given_up
        self._ended: deque[float] = deque(maxlen=spec.restarts + 1)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the child on the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._supervise(), name=self._spec.id)

    async def stop(self) -> None:
        """Cancel the child and wait for it, as long as its shutdown time allows."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=self._spec.shutdown_s)

    async def _supervise(self) -> None:
        spec = self._spec
        log = logger.bind(logger="microbot.supervisor", child=spec.id)
        while True:
            try:
                reason = await spec.run()
            except Exception as error:  # a fault of the edge is an end of it like any other
                reason = f"{type(error).__name__}: {error}"
            now = self._monotonic()
            self._ended.append(now)
            if len(self._ended) > spec.restarts and now - self._ended[0] <= spec.within_s:
                log.bind(event="child.given_up", reason=reason).error(
                    f"{spec.id} ended {len(self._ended)} times in {spec.within_s:g} s and is given up: {reason}"
                )
                self._on_given_up(spec.id, reason)
                return
            self.restarted += 1
            log.bind(event="child.restarted", reason=reason, restarts=self.restarted).warning(
                f"{spec.id} ended and is restarted: {reason}"
            )
            await asyncio.sleep(self._back_off.next())
