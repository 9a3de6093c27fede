"""Stopping: SIGINT and SIGTERM end a session in order, and the process where its loop is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

STUCK_S = 5.0
"""Real seconds that the loop may take to hear of a signal."""


@contextlib.contextmanager
def caught(
    loop: asyncio.AbstractEventLoop, on_signal: Callable[[int], None], leave: Callable[[], None], patience_s: float
) -> Iterator[None]:
    """Have the loop hear of the first SIGINT or SIGTERM. The second ends the process at once.

    If the loop has not heard of it within `patience_s`, `leave` is called, on a thread of its own. The handlers are
    Python's, which run between two steps of whatever the main thread does: also of an operator that never returns.
    """
    heard = threading.Event()
    asked = threading.Event()

    def hear(number: int) -> None:
        heard.set()
        on_signal(number)

    def wait() -> None:
        if not heard.wait(patience_s):
            leave()

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            os._exit(128 + number)  # asked twice: whoever asks wants out now
        asked.set()
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
            loop.call_soon_threadsafe(hear, number)
        threading.Thread(target=wait, name="stop", daemon=True).start()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
