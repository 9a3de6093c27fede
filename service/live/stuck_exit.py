"""The way out where the loop is stuck: what waits is written, and the process ends, on another thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from loguru import logger

from actors.gateway.gate import Gate
from actors.supervision.at_work import at_work
from service import outlet
from service.live.session import Session
from service.recorded.recordings import Recordings

_WRITE_S = 2.0  # real seconds that gate, recording and log have for what waits


class Guarded(NamedTuple):
    """What is written before the process ends."""

    session: Session
    gate: Gate
    recordings: Recordings | None
    at_broker: bool


class StuckExit:
    """Ends the process of the thread that makes this, whose loop does not end any more.

    Before `guard` there is no session yet, and nothing to be written.
    """

    def __init__(self) -> None:
        self._main_thread = threading.get_ident()
        self._guarded: Guarded | None = None

    def guard(self, guarded: Guarded) -> None:
        """Write this before the process ends."""
        self._guarded = guarded

    def leave(self, code: int) -> None:
        """Write what waits, say where the loop is stuck, and end the process; call it on another thread."""
        work: list[Callable[[], object]] = [self._say]  # a log that takes no line any more must not keep the process
        if (guarded := self._guarded) is not None:
            work = [partial(guarded.gate.stop, _WRITE_S), *work]
            if guarded.recordings is not None:
                work = [partial(guarded.recordings.cut_off, guarded.session.unfed()), *work]
        threads = [threading.Thread(target=each, daemon=True) for each in work]
        for thread in threads:
            thread.start()
        until = time.monotonic() + _WRITE_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        os._exit(code)

    def _say(self) -> None:
        logger.bind(logger="microbot.service", event="session.stuck").critical(self._sentence())
        outlet.drain()

    def _sentence(self) -> str:
        guarded = self._guarded
        busy = at_work(guarded.session.core, self._main_thread, str(Path.cwd())) if guarded is not None else None
        where = f" in {busy.place}, of {busy.symbol}'s chain" if busy is not None else ""
        stops = ", and stops rest at the venue" if guarded is not None and guarded.at_broker else ""
        kept = f"what is open stays in the book for the next start{stops}"
        return f"the loop is stuck{where}, and cannot stop in order: the process ends; {kept}"
