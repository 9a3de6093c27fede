"""What the feeds share: subscribing starts one, and it says how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import UNSET
from reactivex import abc
from reactivex.disposable import Disposable

from actors.feeds.refusals import Refusals
from actors.messages import FeedChanged, FeedState
from pipeline.admission import Admission
from pipeline.operators.lift import Callbacks, Direct, Scheduler
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import Event

Batch = list[Any]
"""Inputs of the core, in order."""


class FeedFailed(Exception):
    """The feed cannot go on, and trying again would not help; the sentence says what to do."""


class Feed(Direct[Batch]):
    """Subscribing starts a task on the running loop, disposing ends it."""

    def __init__(
        self, clock: VenueClock, admission: Admission, monotonic: Callable[[], int], delay_s: float = 0
    ) -> None:
        super().__init__()
        self.clock = clock
        self.state = FeedState.CONNECTING
        self.delay_s = delay_s  # that it is behind the market
        self._admission = admission
        self._refusals = Refusals()
        self._monotonic = monotonic
        self._emit: Callable[[Batch], None] = lambda _: None
        self._task: asyncio.Task[None] | None = None

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        """Start the feed; it has one subscriber at a time."""
        if self._task is not None and not self._task.done():
            raise RuntimeError("a feed has one subscriber: it is one connection")
        self._emit = observer.on_next
        task = self._task = asyncio.get_running_loop().create_task(self._play(observer), name="feed")

        def dispose() -> None:
            self._emit = lambda _: None  # a connection says goodbye, and may still bring something until it is closed
            task.cancel()

        return Disposable(dispose)

    async def _play(self, observer: Callbacks) -> None:
        try:
            await self._run()
        except FeedFailed as error:
            self._change(FeedState.DOWN, str(error))
            observer.on_error(error)
        except Exception as error:  # the core's own failure comes back through emit: it is the subscriber's to judge
            observer.on_error(error)
        else:
            observer.on_completed()

    async def _run(self) -> None:
        raise NotImplementedError

    def _change(self, state: FeedState, reason: str = "") -> None:
        if state is not self.state or reason:
            self.state = state
            self._emit([self._changed(state, reason)])

    def _changed(self, state: FeedState, reason: str) -> FeedChanged:
        return FeedChanged(state, self._now(), reason, self.delay_s or UNSET)

    def _now(self) -> int:
        return self.clock.now(self._monotonic()) or 0

    def _admit(self, events: list[Event], monotonic: int) -> Batch:
        """Return what of some events may enter, and explain what may not. `monotonic` is when they arrived, in ns."""
        inputs = self._admission.admit(events, monotonic)
        if self._admission.not_taken:
            self._refusals.unread(self._admission.not_taken)
        return inputs
