"""The pause between two connections to a venue."""

from __future__ import annotations

import asyncio

from actors.feeds.backoff import BackOff


class Pause:
    """Waits before the next connection: for a delay that grows, or until it is told that there is something to find.

    It may be held while the other side is known to be down: then it waits until it is told to go on. On one loop.
    """

    def __init__(self, back_off: BackOff) -> None:
        self.held = ""  # why it is not tried
        self._back_off = back_off
        self._called = asyncio.Event()

    def hold(self, reason: str) -> None:
        """Hold every try back until `go_on`."""
        self.held = reason
        self._called.clear()

    def go_on(self) -> None:
        """Make the next try due at once."""
        self.held = ""
        self._back_off.reset()
        self._called.set()

    async def wait(self, delay_s: float) -> None:
        """Wait until the next try is due."""
        while True:
            try:
                async with asyncio.timeout(None if self.held else delay_s):
                    await self._called.wait()
            except TimeoutError:
                if self.held:  # since the wait began
                    continue
            self._called.clear()
            return
