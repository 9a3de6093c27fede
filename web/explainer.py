"""Asks for the story of a decision: a program of the bot's reads the journal, beside this process and the bot's.

Why a program of its own: the bot's loop may not read files while it trades, and this process has no business in the
bot's folder. One runs at a time, at the lowest priority, for a bounded time; what it says is passed on as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence

MOST_WAITING = 8
"""Requests that wait for their turn; one more is answered with 503."""

_MOST_BYTES = 8 << 20  # of what it says
_DECISION = re.compile(r"(\d{1,17}/)?[\w:.]([\w:.-]{0,119})")
_LOWEST_PRIORITY = 19


class NoStory(Exception):
    """There is none to tell: why, in one sentence, and the status of the answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Explainer:
    """Runs `command` and a decision for `most_s` seconds at most; without a command there is nothing to ask."""

    def __init__(self, command: Sequence[str], most_s: float) -> None:
        self._command = tuple(command)
        self._most_s = most_s
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def explain(self, decision: str, *, at_exit: bool = False) -> bytes:
        """Return the story as JSON. Raises NoStory."""
        if not _DECISION.fullmatch(decision):
            raise NoStory(400, "That is no decision's id.")
        if not self._command:
            raise NoStory(404, "This bot keeps no journal: there is nothing to tell beyond the list.")
        if self._waiting >= MOST_WAITING:
            raise NoStory(503, "Too many ask at once; try again in a moment.")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return await self._ask(decision, at_exit=at_exit)
        finally:
            self._waiting -= 1

    async def _ask(self, decision: str, *, at_exit: bool) -> bytes:
        flags = ("--at-exit",) if at_exit else ()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, *flags, "--", decision, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=_MOST_BYTES
            )
        except OSError as error:
            raise NoStory(500, f"The journal cannot be read: {error}.") from None
        try:
            if hasattr(os, "setpriority"):
                with contextlib.suppress(OSError):  # it has ended already
                    os.setpriority(os.PRIO_PROCESS, process.pid, _LOWEST_PRIORITY)
            async with asyncio.timeout(self._most_s):
                said = await _all_of(process.stdout)
                complaint = await _all_of(process.stderr)  # which is kept as it comes, up to the limit above
                await process.wait()
        except TimeoutError:
            raise NoStory(504, self._too_long(decision, at_exit=at_exit)) from None
        finally:
            await _end(process)
        if process.returncode:
            raise NoStory(404, _sentence(complaint) or f"The journal could not be read (exit {process.returncode}).")
        return said

    def _too_long(self, decision: str, *, at_exit: bool) -> str:
        flag = "--at-exit " if at_exit else ""
        return (
            f"That takes more than {self._most_s:g} s; `microbot explain {flag}{decision}` in a terminal has the time."
        )


async def _all_of(stream: asyncio.StreamReader | None) -> bytes:
    """Read a program's output to its end. Raises NoStory if it is too long."""
    assert stream is not None
    try:
        await stream.readexactly(_MOST_BYTES + 1)
    except asyncio.IncompleteReadError as whole:
        return whole.partial
    raise NoStory(500, f"The story is longer than {_MOST_BYTES >> 20} MiB.")


async def _end(process: Process) -> None:
    """See to it that no program is left."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()  # it counts as ended once its pipes are read to their ends


def _sentence(complaint: bytes) -> str:
    """Return the last line that a program said, without its name."""
    lines = complaint.decode(errors="replace").strip().splitlines()
    last = lines[-1].removeprefix("microbot: ").strip() if lines else ""
    return f"{last[:1].upper()}{last[1:500]}"
