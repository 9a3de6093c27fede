"""A watch over a connection that is open, but mute."""

from __future__ import annotations

import asyncio

from websockets.asyncio.client import ClientConnection

LOOKS = 4
"""How often it looks within the time that a connection may be mute: so it is late by a quarter of that at most."""


class StaleWatch:
    """Drops a connection that was mute for a while. One timer, not one per message: receiving one sets a flag."""

    def __init__(self, loop: asyncio.AbstractEventLoop, after_s: float, connection: ClientConnection) -> None:
        self.heard = False
        self.bitten = False
        self._loop = loop
        self._every = after_s / LOOKS
        self._connection = connection
        self._mute = 0  # looks in a row that found nothing new
        self._timer = loop.call_later(self._every, self._look)

    def _look(self) -> None:
        self._mute = 0 if self.heard else self._mute + 1
        self.heard = False
        if self._mute < LOOKS:
            self._timer = self._loop.call_later(self._every, self._look)
        else:
            self.bitten = True
            self._connection.transport.abort()

    def stop(self) -> None:
        self._timer.cancel()
