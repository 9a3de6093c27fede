"""Processes: starts the other processes under supervision, and waits until each listens."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from random import Random

from actors.feeds.backoff import BackOff
from actors.supervisor import ChildSpec, Dependant, SupervisionSettings, Supervisor
from service.live.children import ExchangeProcess, WebProcess

_START_S = 60.0  # real seconds that another process may take until it listens


class Stopped(Exception):
    """Asked to stop while still starting."""


class Processes:
    """The processes of one session; they end with the stack that they are put on."""

    def __init__(
        self,
        stack: contextlib.AsyncExitStack,
        stop: asyncio.Event,
        random: Random,
        settings: SupervisionSettings,
        on_given_up: Callable[[ChildSpec, str], None],
    ) -> None:
        self._stack = stack
        self._stop = stop
        self._random = random
        self._settings = settings
        self._supervisors: dict[str, Supervisor] = {}
        self._on_given_up = on_given_up

    async def start(self, name: str, child: ExchangeProcess | WebProcess, *, vital: bool) -> None:
        """Start a child under supervision, and wait until it listens or says why it cannot.

        Without a `vital` one, once it is given up, the session ends.

        Raises Stopped if the session is to stop meanwhile.
        """

        async def run() -> str:
            reason = await child.run()
            if child.refused:
                await self._stop.wait()  # it never listened, and never will: starting fails with its own words
            return reason

        settings = self._settings
        back_off = BackOff(settings.first_delay_s, settings.most_delay_s, self._random)
        spec = ChildSpec(
            name, run, settings.restarts, settings.within_s, vital=vital, ready=lambda: child.listening.wait()
        )
        supervisor = self._supervisors[name] = Supervisor(spec, back_off, time.monotonic, self._on_given_up)
        supervisor.start()
        self._stack.push_async_callback(supervisor.stop)
        waits = [asyncio.ensure_future(event.wait()) for event in (child.listening, self._stop)]
        done, _ = await asyncio.wait(waits, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._stop.is_set():
            raise Stopped
        if not done:
            child.refused = "it did not start"

    def depend(self, name: str, dependant: Dependant) -> None:
        """Let an edge share the fate of a process, if we started that one."""
        if name in self._supervisors:
            self._supervisors[name].depend(dependant)
