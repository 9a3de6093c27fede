"""The mailbox of the bot's loop: what other threads have for the core is done there, in the order in which it came."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from actors.engine.core import Input
from actors.messages import Command
from service.live.commands import Effect


class Reader(NamedTuple):
    """Who reads the mailbox, on the loop."""

    feed: Callable[[Sequence[Input]], None]
    carry_out: Callable[[Command], Effect]


class Mailbox:
    """Takes inputs, commands and calls from any thread. Until it is opened, they wait.

    Code that posts knows the mailbox alone, so gate, broker and kill switch can be built before what they report to.
    Once the loop is closed, inputs are dropped: the next start reads the account again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader: Reader | None = None
        self._waiting: deque[Callable[[Reader], None]] = deque()  # on the loop alone

    def open(self, reader: Reader) -> None:
        """Deliver to `reader` from now on; call it on the loop."""
        self._reader = reader
        while self._waiting:
            self._waiting.popleft()(reader)

    def tell(self, inputs: Sequence[Input]) -> None:
        """Feed inputs to the core."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._post(lambda reader: reader.feed(inputs))

    def give(self, command: Command) -> Future[str]:
        """Carry out a command; the result says what it did."""
        return self._ask(lambda reader: reader.carry_out(command).sentence)

    def call(self, function: Callable[[], None]) -> Future[str]:
        """Call a function behind everything that was posted before it."""

        def work(_: Reader) -> str:
            function()
            return ""

        return self._ask(work)

    def _ask(self, work: Callable[[Reader], str]) -> Future[str]:
        future: Future[str] = Future()

        def answer(reader: Reader) -> None:
            try:
                future.set_result(work(reader))
            except BaseException as error:
                future.set_exception(RuntimeError(str(error)))
                raise

        try:
            self._post(answer)
        except RuntimeError as error:
            future.set_exception(error)
        return future

    def _post(self, message: Callable[[Reader], None]) -> None:
        self._loop.call_soon_threadsafe(self._deliver, message)

    def _deliver(self, message: Callable[[Reader], None]) -> None:
        if self._reader is None:
            self._waiting.append(message)
        else:
            message(self._reader)
