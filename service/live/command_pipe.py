"""A pipe from the web process that a thread reads: a halt comes through it while the bot's loop is stuck."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

from loguru import logger

from service.live.commands import CommandResult
from web.messages import Answered, Asked
from web.pipe import FrameTooLarge, from_web

_READ_SIZE = 4_096


class CommandPipe:
    """Takes what comes, one after the other, and answers it; it ends with the process at the other end."""

    def __init__(self, take: Callable[[Asked], CommandResult], answer: Callable[[Answered], object]) -> None:
        self._take = take
        self._answer = answer

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
        """Open the pipe for a child that is started meanwhile: yields its arguments, and what it is to inherit."""
        if sys.platform == "win32":  # a child inherits none there: commands wait for the loop
            yield (), ()
            return
        reader, writer = os.pipe()
        try:
            yield ("--urgent", str(writer)), (writer,)
        finally:
            os.close(writer)  # the child has its own; without one the thread reads the end at once
            threading.Thread(target=self._read, args=(reader,), name="urgent commands", daemon=True).start()

    def _read(self, fd: int) -> None:
        frames = from_web()
        with os.fdopen(fd, "rb", buffering=0) as pipe, contextlib.suppress(FrameTooLarge):
            while data := pipe.read(_READ_SIZE):
                frames.feed(data)
                for message in frames.messages(lambda problem: None):
                    if isinstance(message, Asked):
                        self._carry_out(message)

    def _carry_out(self, asked: Asked) -> None:
        try:
            self._answer(Answered(asked.ticket, *self._take(asked)))
        except Exception as error:  # of any kind: the thread has to be there for the next one
            log = logger.bind(logger="microbot.gate", event="gate.fault")
            log.warning("a halt past the loop failed: {}: {}", type(error).__name__, error)
