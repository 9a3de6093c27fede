"""Stopping: what ends a run, a signal, the duration or a failure; and how its process ends where the loop is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from loguru import logger

from actors.feeds.feed import FeedFailed
from actors.gateway.gate import Gate
from actors.messages import ChainFailed, Fact
from actors.supervision.at_work import at_work
from actors.supervision.periodic import Periodic
from actors.supervision.supervisor import ChildSpec
from service import outlet
from service.errors import UserError
from service.exit_codes import ExitCode
from service.live.session import Session
from service.options import RunOptions
from service.recorded.recordings import Recordings

_ALWAYS = (signal.SIGINT, signal.SIGTERM)
_SIGNALS = [*_ALWAYS, *([signal.SIGHUP] if sys.platform != "win32" else [])]

STUCK_S = 5.0
"""Real seconds that the loop may take to hear of a signal, and to end after the second one."""

DURATION = 0
"""What is heard in place of a signal's number when the duration is over."""

_HEAR_S = 0.5  # real seconds that the loop may take to hear of the second signal, if it has not heard of the first
_LOOKS = 20
_WRITE_S = 2.0  # real seconds that gate, recording and log have for what waits

_log = logger.bind(logger="microbot.service")


@dataclass(eq=False)
class Stopping:
    """Has the loop hear that the session is to end, and ends the process where it does not.

    The loop hears of the first signal by `on_signal`, and of the second by `hurry`: then it is to end as soon as what
    is open is guarded. `leave`, which is called on a thread of its own with an exit code, ends the process. That is
    where the loop has not heard of the first within `patience_s`, or of the second soon, or has not ended within
    `patience_s` after that. Further signals change nothing. No stop waits for anything that is written.
    """

    loop: asyncio.AbstractEventLoop
    on_signal: Callable[[int], None]
    hurry: Callable[[], None]
    leave: Callable[[int], None]
    patience_s: float
    _asked: list[int] = field(default_factory=list, init=False)
    _heard: threading.Event = field(default_factory=threading.Event, init=False)
    _over: threading.Event = field(default_factory=threading.Event, init=False)
    _leaving: threading.Lock = field(default_factory=threading.Lock, init=False)

    def ask(self, number: int) -> None:
        """Ask for the end, from any thread, or from a signal's handler."""
        self._asked.append(number)
        if len(self._asked) == 1:
            self._tell(self._hear)
            threading.Thread(target=self._await_hearing, name="stop", daemon=True).start()
        elif len(self._asked) == 2:
            self._tell(self.hurry)
            threading.Thread(target=self._await_end, args=(number,), name="stop now", daemon=True).start()

    def end_after(self, seconds: float) -> threading.Timer:
        """Ask for the end after so many real seconds, on a thread: the loop may be stuck by then."""

        def end_by_itself() -> None:
            if not self._asked:  # while it ends already, this is no second signal
                self.ask(DURATION)

        timer = threading.Timer(seconds, end_by_itself)
        timer.daemon = True
        timer.start()
        return timer

    def is_over(self) -> None:
        """Hear that all is taken down."""
        self._over.set()

    def _tell(self, hear: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
            self.loop.call_soon_threadsafe(hear)

    def _hear(self) -> None:
        self._heard.set()
        self.on_signal(self._asked[0])

    def _await_hearing(self) -> None:
        if not _happens(self._heard, self.patience_s):
            self._end_process(ExitCode.FAILED)

    def _await_end(self, number: int) -> None:
        if not _happens(self._heard, _HEAR_S) or not _happens(self._over, self.patience_s):
            self._end_process(128 + number)

    def _end_process(self, code: int) -> None:
        if self._leaving.acquire(blocking=False) and not self._over.is_set():
            self.leave(code)


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


def watch_for_stuck(silent_s: Callable[[], float], limit_s: float, leave: Callable[[int], None]) -> Periodic:
    """Make the watch that ends the process where its loop is silent for longer than a limit: it is to be started again.

    A thread looks, so a library that keeps Python's lock to itself is not noticed: that only another process can.
    """

    def look() -> None:
        if silent_s() > limit_s:
            watch.end()
            leave(ExitCode.FAILED)

    watch = Periodic("watchdog", look, min(1.0, limit_s / 4))
    return watch


class Ending:
    """Decides that a run ends, and remembers why. All of it happens on the loop; `say` talks to the terminal."""

    def __init__(self, options: RunOptions, say: Callable[[str], None]) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()  # asked twice: end as soon as what is open is guarded
        self.failure = ""  # why the run failed; empty after an orderly end
        self.refused = False  # it failed by what it was told, and would again
        self.core_failed = False  # then it decides nothing any more, not even how to end
        self.over = False  # nothing that comes from now on belongs to a session
        self._options = options
        self._say = say

    def on_signal(self, number: int) -> None:
        """Stop because of a signal, or because the duration is over."""
        self.stop.set()  # before anything is said: no output matters to a stop
        if number != DURATION:
            self._say("")  # behind the ^C that the terminal shows
        _log.bind(event="session.stopping", signal=number).info("stopping")

    def on_feed_end(self) -> None:
        """Stop because the tape has been read."""
        _log.bind(event="feed.ended").info("the tape has ended")
        self.stop.set()

    def on_feed_error(self, error: Exception) -> None:
        """Fail: by what the feed says of itself, or by what its subscriber, the core, raised."""
        if isinstance(error, FeedFailed | UserError):
            self.fail(str(error))
        else:
            self.fail_core(error)

    def on_task_done(self, task: asyncio.Task[None]) -> None:
        """Fail if one of the run's own tasks ended by an exception."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail_core(error)

    def on_given_up(self, child: ChildSpec, reason: str) -> None:
        """Fail if a process that cannot be kept running is one that trading needs."""
        sentence = f"the {child.id} process could not be kept running ({reason})"
        if child.vital:
            self.fail(sentence)
        else:
            self._say(f"{sentence}; trading goes on without it")

    def check_fact(self, fact: Fact) -> None:
        """Stop at a strategy that failed, if that is wished."""
        if isinstance(fact, ChainFailed) and self._options.fail_fast and not self.stop.is_set():
            self._say(f"the strategy of {fact.symbol} failed, and --fail-fast ends the session")
            self.stop.set()

    def refuse(self, sentence: str) -> None:
        """Fail by what the bot was told: whatever is in the account, nothing more is done there."""
        self.over = self.refused = True
        self.fail(sentence)

    def fail_core(self, error: BaseException) -> None:
        """Fail because the core, or what feeds it, raised an exception."""
        self.core_failed = True
        self.fail(f"the core failed: {type(error).__name__}: {error}", error)

    def fail(self, sentence: str, error: BaseException | None = None) -> None:
        """Stop, and keep the first failure of a run that was not stopping already."""
        if not self.failure and not self.stop.is_set():
            self.failure = sentence
            _log.bind(event="session.failed").opt(exception=error).critical(sentence)
        self.stop.set()
