"""The market's pace: every event is published when it is due in real time."""

from __future__ import annotations

import asyncio

from mock_exchange.exchange import Exchange

TURN_S = 0.001
"""Real seconds between two turns of the market at least: events closer together share one."""


class Pacer:
    """Advances an exchange in real time, from `open_market` on and whether or not a client listens.

    Until then it waits, so that the seed fixes what the first client sees.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._opened = asyncio.Event()

    async def run(self) -> None:
        """Publish every event when it is due, without end."""
        await self._opened.wait()
        while True:
            self._exchange.advance()
            seconds = self._exchange.seconds_to_next()
            await asyncio.sleep(max(TURN_S, seconds) if seconds else 0)

    def open_market(self) -> None:
        """Open the market if it is not open, and have it go on by itself."""
        if not self._opened.is_set():
            self._exchange.advance()
            self._opened.set()

    async def wait_for_quotes(self) -> None:
        """Open the market, and wait until every stock has a quote."""
        self.open_market()
        while not self._exchange.is_quoted():
            await asyncio.sleep(self._exchange.seconds_to_next())
            self._exchange.advance()
