"""Processes: starts the other processes under supervision, and waits until each listens."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from random import Random

from actors.feeds.backoff import BackOff
from actors.supervision.supervisor import ChildSpec, Dependant, SupervisionSettings, Supervisor
from service.errors import Stopped
from service.live.children import ExchangeProcess, WebProcess

_START_S = 60.0  # real seconds that another process may take until it listens


class Processes:
    """The other processes of a run, under supervision."""

    def __init__(
        self,
        stop: asyncio.Event,
        random: Random,
        settings: SupervisionSettings,
        on_given_up: Callable[[ChildSpec, str], None],
    ) -> None:
        self._stop = stop
        self._random = random
        self._settings = settings
        self._supervisors: dict[str, Supervisor] = {}
        self._on_given_up = on_given_up

    async def start(
        self, stack: contextlib.AsyncExitStack, name: str, child: ExchangeProcess | WebProcess, *, vital: bool
    ) -> None:
        """Start a child under supervision, wait until it listens or says why it cannot, and end it with the stack.

        Once a `vital` one is given up, the session ends. Raises Stopped if the session is to stop meanwhile.
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
        stack.push_async_callback(supervisor.stop)
        waits = [asyncio.ensure_future(event.wait()) for event in (child.listening, self._stop)]
        done, _ = await asyncio.wait(waits, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._stop.is_set():
            raise Stopped
        if not done:
            child.refused = "it did not start"

    def depend(self, name: str, dependant: Dependant) -> None:
        """Stop and start an edge with a process, if we started that one."""
        if name in self._supervisors:
            self._supervisors[name].depend(dependant)
