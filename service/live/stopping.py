"""Stopping: SIGINT, SIGTERM and SIGHUP end a session in order, and the process where its loop is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ALWAYS = (signal.SIGINT, signal.SIGTERM)
_SIGNALS = [*_ALWAYS, *([signal.SIGHUP] if sys.platform != "win32" else [])]

STUCK_S = 5.0
"""Real seconds that the loop may take to hear of a signal."""


@contextlib.contextmanager
def caught(
    loop: asyncio.AbstractEventLoop, on_signal: Callable[[int], None], leave: Callable[[], None], patience_s: float
) -> Iterator[None]:
    """Have the loop hear of the first such signal; the second ends the process at once. An ignored SIGHUP stays so.

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

    # Behind `nohup`, SIGHUP is ignored: a terminal that is closed does not concern this bot. A shell lets its
    # background jobs ignore SIGINT, too, but who sends that to one means it.
    wanted = [n for n in _SIGNALS if n in _ALWAYS or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
