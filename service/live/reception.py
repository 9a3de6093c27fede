"""Where commands from the dashboard come in: what comes too late is refused, what comes again is carried out once."""

from __future__ import annotations

import time
from collections.abc import Callable

from loguru import logger

from actors.messages import Command, RestartChain
from service.live.commands import CommandResult
from web.deadline import Moment, moment_of
from web.messages import Asked, SymbolWish

_KEPT_IDS = 200
"""Commands whose answers are remembered; a page asks again within seconds."""


def read_clocks() -> Moment:
    """Return what this machine's clocks show, for this process as for the web process."""
    return moment_of(time.monotonic_ns(), time.time_ns())


class Reception:
    """Takes in what is asked for, on the bot's loop, at the moment at which it would be carried out.

    The pipe and a loop that was stuck, or a process that was stopped, may have held a command up for any time. What is
    refused here never becomes an input, so a recording holds what was carried out, and its replay needs no clock.
    """

    def __init__(
        self,
        carry_out: Callable[[Command | RestartChain | SymbolWish], CommandResult],
        now: Callable[[], Moment] = read_clocks,
    ) -> None:
        self._carry_out = carry_out
        self._now = now
        self._answers: dict[str, CommandResult] = {}  # by id, the oldest first

    def take(self, asked: Asked) -> CommandResult:
        """Carry a command out, unless its time is over, or it was carried out; return what became of it."""
        if asked.id in self._answers:
            return self._answers[asked.id]
        if asked.deadline is not None and asked.deadline.is_past(now := self._now()):
            return _too_late(asked, asked.deadline, now)
        result = self._carry_out(asked.command)
        if asked.id:
            self._answers[asked.id] = result
            if len(self._answers) > _KEPT_IDS:
                del self._answers[next(iter(self._answers))]
        return result


def _too_late(asked: Asked, deadline: Moment, now: Moment) -> CommandResult:
    by_ms = max(now.monotonic_ms - deadline.monotonic_ms, now.wall_ms - deadline.wall_ms)
    log = logger.bind(logger="microbot.service", event="command.too_late", late_s=by_ms / 1_000)
    log.warning("COMMAND {} came {:.1f} s too late, and was not carried out", _named(asked.command), by_ms / 1_000)
    return CommandResult(False, "it came too late, and was not carried out", late=True)


def _named(command: Command | RestartChain | SymbolWish) -> str:
    match command:
        case Command():
            return command.name
        case RestartChain():
            return f"restart {command.symbol}"
        case SymbolWish():
            return f"{command.command} {command.symbol}"
