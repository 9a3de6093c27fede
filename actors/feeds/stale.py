"""A watch over a connection that is open, but mute."""

from __future__ import annotations

import asyncio

from actors.frames import FrameConnection


class StaleWatch:
    """Drops a connection that was mute for a while; one timer, not one per message."""

    def __init__(self, loop: asyncio.AbstractEventLoop, after_s: float, connection: FrameConnection) -> None:
        self.heard = False
        self.bitten = False
        self._loop = loop
        self._after = after_s
        self._connection = connection
        self._timer = loop.call_later(after_s, self._look)

    def _look(self) -> None:
        if self.heard:
            self.heard = False
            self._timer = self._loop.call_later(self._after, self._look)
        else:
            self.bitten = True
            self._connection.transport.abort()

    def stop(self) -> None:
        self._timer.cancel()
