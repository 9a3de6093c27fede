"""Has a desk's messages sent, one at a time to each address, so that one that hangs holds up no other."""

from __future__ import annotations

import asyncio
import time

from service.notify.desk import Desk


class Sender:
    """Sends what a desk has."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, *, hurry: bool = False) -> None:
        """Send what is due, kept before it goes."""
        now = time.time()
        self._desk.outbox.seal(now, hurry=hurry)
        self._desk.save()
        for key, message in self._desk.outbox.due(now, hurry=hurry):
            task = asyncio.create_task(self._desk.send(key, message, time.time))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """Go on with what is due next at that address."""
        self._tasks.discard(task)
        if not task.cancelled():
            self.send()

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return bool(self._tasks)

    async def wait(self, within_s: float) -> None:
        """Wait until what is under way has been sent, for some seconds at most."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    async def finish(self, within_s: float) -> None:
        """Send what can be sent in some seconds."""
        until = time.monotonic() + within_s
        while self._desk.outbox.waiting and time.monotonic() < until:
            self.send(hurry=True)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(0.1)
