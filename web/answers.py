"""The requests that wait for the bot's answer to a command."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from web.messages import Answered


class NoAnswer(Exception):
    """No answer will come any more, and why."""


class Answers:
    """The commands that are under way, by their tickets: as many as requests wait for one."""

    def __init__(self) -> None:
        self._tickets = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answered]] = {}

    @contextmanager
    def awaited(self) -> Iterator[tuple[int, asyncio.Future[Answered]]]:
        """Hand out a ticket and the future of its answer, for as long as the caller waits."""
        ticket = next(self._tickets)
        answer = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = answer
        try:
            yield ticket, answer
        finally:
            del self._waiting[ticket]

    def give_up(self, reason: str) -> None:
        """Tell every caller who waits that no answer will come."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(NoAnswer(reason))

    def take(self, answered: Answered) -> None:
        """Give an answer to the caller who waits for it, if there still is one."""
        answer = self._waiting.get(answered.ticket)
        if answer is not None and not answer.done():
            answer.set_result(answered)
