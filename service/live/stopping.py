"""Stopping: a signal, or the duration, ends a session in order, and the process where its loop is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ALWAYS = (signal.SIGINT, signal.SIGTERM)
_SIGNALS = [*_ALWAYS, *([signal.SIGHUP] if sys.platform != "win32" else [])]

STUCK_S = 5.0
"""Real seconds that the loop may take to hear of a signal, and to end after the second one."""

DURATION = 0
"""What is heard in place of a signal's number when the duration is over."""

_HEAR_S = 0.5  # real seconds that the loop may take to hear of the second signal, if it has not heard of the first
_LOOKS = 20


class Stopping:
    """Has the loop hear that the session is to end, and ends the process where it does not.

    The loop hears of the first signal by `on_signal`, and of the second by `hurry`: then it is to end as soon as what
    is open is guarded. `leave`, which is called on a thread of its own with an exit code, ends the process. That is
    where the loop has not heard of the first within `patience_s`, or of the second soon, or has not ended within
    `patience_s` after that. Further signals change nothing. No stop waits for anything that is written.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_signal: Callable[[int], None],
        hurry: Callable[[], None],
        leave: Callable[[int], None],
        patience_s: float,
    ) -> None:
        self._loop = loop
        self._on_signal = on_signal
        self._hurry = hurry
        self._leave = leave
        self._patience_s = patience_s
        self._asked: list[int] = []
        self._heard = threading.Event()
        self._over = threading.Event()
        self._leaving = threading.Lock()

    def ask(self, number: int) -> None:
        """Ask for the end, from any thread, or from a signal's handler."""
        self._asked.append(number)
        if len(self._asked) == 1:
            self._tell(self._hear)
            threading.Thread(target=self._await_hearing, name="stop", daemon=True).start()
        elif len(self._asked) == 2:
            self._tell(self._hurry)
            threading.Thread(target=self._await_end, args=(number,), name="stop now", daemon=True).start()

    def end_by_itself(self) -> None:
        """Ask for the end because the duration is over; while it ends already, that is no second signal."""
        if not self._asked:
            self.ask(DURATION)

    def is_over(self) -> None:
        """Hear that all is taken down."""
        self._over.set()

    def _tell(self, hear: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
            self._loop.call_soon_threadsafe(hear)

    def _hear(self) -> None:
        self._heard.set()
        self._on_signal(self._asked[0])

    def _await_hearing(self) -> None:
        if not _happens(self._heard, self._patience_s):
            self._end_process(1)

    def _await_end(self, number: int) -> None:
        if not _happens(self._heard, _HEAR_S) or not _happens(self._over, self._patience_s):
            self._end_process(128 + number)

    def _end_process(self, code: int) -> None:
        if self._leaving.acquire(blocking=False) and not self._over.is_set():
            self._leave(code)


def _happens(event: threading.Event, within_s: float) -> bool:
    """Wait for an event, in steps: a stop of this process (Ctrl-Z, SIGSTOP) uses up no more than one of them."""
    return any(event.wait(within_s / _LOOKS) for _ in range(_LOOKS))


@contextlib.contextmanager
def caught(stopping: Stopping) -> Iterator[None]:
    """Catch what asks for the end. An ignored SIGHUP stays so.

    The handlers are Python's, which run between two steps of whatever the main thread does: also of an operator that
    never returns.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        stopping.ask(number)

    # Behind `nohup`, SIGHUP is ignored: a terminal that is closed does not concern this bot. A shell lets its
    # background jobs ignore SIGINT, too, but who sends that to one means it.
    wanted = [n for n in _SIGNALS if n in _ALWAYS or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        stopping.is_over()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def duration(stopping: Stopping, seconds: float | None) -> Iterator[None]:
    """Ask for the end after so many real seconds; on a thread, since the loop may be stuck by then."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, stopping.end_by_itself)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
