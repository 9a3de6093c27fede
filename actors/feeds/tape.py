"""A tape being played, as if it came from a venue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from actors.feeds.feed import Batch, Feed
from actors.messages import FeedChanged, FeedState
from pipeline.admission import Admission
from pipeline.events import SECOND, Clock, Prints, Quote, Refused, Trade
from pipeline.venue_clock import VenueClock


class TapeFeed(Feed):
    """A tape played at `rate` times its own speed; it completes at the tape's end."""

    def __init__(
        self,
        batches: Iterator[Batch],
        rate: float,
        clock: VenueClock,
        admission: Admission,
        monotonic: Callable[[], int],
    ) -> None:
        super().__init__(clock, admission, monotonic)
        self._batches = batches
        self._rate = rate

    async def _run(self) -> None:
        self._emit([FeedChanged(FeedState.CONNECTING, 0, "tape")])
        start: int | None = None
        due: Batch = []
        for batch in self._batches:
            for event in batch:
                ts = event.ts if isinstance(event, Trade | Quote | Clock) else 0
                if ts and start is None:
                    start = ts
                    self.clock.declare(ts, self._rate, self._monotonic())
                    self._change(FeedState.LIVE)
                if ts and ts > self._now():
                    self._flush(due)
                    due = []
                    await asyncio.sleep(max(0, ts - self._now()) / self._rate / SECOND)
                if isinstance(event, Trade | Quote | Clock | Refused | Prints):
                    due.append(event)
            self._flush(due)
            due = []
            await asyncio.sleep(0)  # a tape behind its time must not keep commands and browsers waiting

    def _flush(self, events: Batch) -> None:
        if events:
            self._emit(self._admit(events, self._monotonic()))
