"""Processes: starts the other processes under supervision, and waits until each listens."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from random import Random

from actors.feeds.backoff import BackOff
from actors.supervisor import ChildSpec, Supervisor
from service.children import ExchangeProcess, WebProcess

_START_S = 15.0  # real seconds that another process may take until it listens


class Stopped(Exception):
    """Asked to stop while still starting."""


class Processes:
    """The processes of one session; they end with the stack that they are put on."""

    def __init__(
        self,
        stack: contextlib.AsyncExitStack,
        stop: asyncio.Event,
        random: Random,
        on_given_up: Callable[[str, str], None],
    ) -> None:
        self._stack = stack
        self._stop = stop
        self._random = random
        self._on_given_up = on_given_up

    async def start(self, name: str, child: ExchangeProcess | WebProcess) -> None:
        """Start a child under supervision, and wait until it listens or says why it cannot.

        Raises Stopped if the session is to stop meanwhile.
        """

        async def run() -> str:
            reason = await child.run()
            if child.refused:
                await self._stop.wait()  # it never listened, and never will: starting fails with its own words
            return reason

        back_off = BackOff(0.2, 5.0, self._random)
        supervisor = Supervisor(ChildSpec(name, run), back_off, time.monotonic, self._on_given_up)
        supervisor.start()
        self._stack.push_async_callback(supervisor.stop)
        waits = [asyncio.ensure_future(event.wait()) for event in (child.listening, self._stop)]
        await asyncio.wait(waits, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._stop.is_set():
            raise Stopped
        if not child.listening.is_set():
            child.refused = "it did not start"
