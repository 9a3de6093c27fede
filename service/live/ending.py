"""The end of a run: what asks for it, and whether that was a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from loguru import logger

from actors.feeds.feed import FeedFailed
from actors.messages import AccountOpened, ChainFailed, Fact
from actors.supervision.supervisor import ChildSpec
from service.errors import UserError
from service.live.stopping import DURATION
from service.options import RunOptions

_log = logger.bind(logger="microbot.service")


class Ending:
    """Decides that a run ends, and remembers why. All of it happens on the loop; `say` talks to the terminal."""

    def __init__(self, options: RunOptions, say: Callable[[str], None]) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()  # asked twice: end as soon as what is open is guarded
        self.failure = ""  # why the run failed; empty after an orderly end
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
        """Stop at a strategy that failed, if that is wished, and at an account that was not meant."""
        options = self._options
        if isinstance(fact, ChainFailed) and options.fail_fast and not self.stop.is_set():
            self._say(f"the strategy of {fact.symbol} failed, and --fail-fast ends the session")
            self.stop.set()
        if isinstance(fact, AccountOpened) and options.live and fact.number != options.account:
            self.over = True  # whatever is in that account: hands off
            self.fail(f"the keys are of the account {fact.number}, not of {options.account}: nothing is traded")

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
