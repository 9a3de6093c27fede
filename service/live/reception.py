"""Where commands from the dashboard come in: what comes too late is refused, what comes again is not done again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from loguru import logger

from actors.gateway.kill_switch import HALT, Answer
from actors.messages import Command, RestartChain
from service.live.commands import CommandResult
from web.deadline import Moment, moment_of
from web.messages import Asked, SignalWish, SymbolWish, Wish

_KEPT_IDS = 200
"""Commands whose answers are remembered; a page asks again within seconds."""


def read_clocks() -> Moment:
    """Return what this machine's clocks show, for this process as for the web process."""
    return moment_of(time.monotonic_ns(), time.time_ns())


_PULLED = CommandResult(True, "the gate lets no entry out any more; the bot's loop has not answered yet")
"""What a halt is answered whose pull of the kill switch is not over."""


class Reception:
    """Takes in what is asked for, on the bot's loop, at the moment at which it would be carried out.

    The pipe and a loop that was stuck, or a process that was stopped, may have held a command up for any time. What is
    refused here never becomes an input, so a recording holds what was carried out, and its replay needs no clock.
    """

    def __init__(
        self,
        carry_out: Callable[[Wish], CommandResult],
        now: Callable[[], Moment] = read_clocks,
        pull: Callable[[str, str, str], Answer] | None = None,
    ) -> None:
        self._carry_out = carry_out
        self._now = now
        self._pull = pull  # the kill switch, from any thread but the loop's
        self._remembering = threading.Lock()
        self._answers: dict[str, CommandResult] = {}  # by id, the oldest first

    def take_past_loop(self, asked: Asked) -> CommandResult:
        """Carry a halt out by the kill switch, unless that was done; call it on a thread beside the loop.

        The loop, which may be stuck, finds the same halt later, and leaves it alone. Where it is stuck in that very
        halt, both act: to halt twice changes nothing. Raises what the pull raises; then the halt was not carried out.
        """
        command = asked.command
        if self._pull is None or not isinstance(command, Command) or command.name != HALT or not asked.id:
            return CommandResult(False, "only a halt goes past the loop", wrong=True)
        if (known := self._answers.get(asked.id)) is not None:
            return known
        self._remember(asked.id, _PULLED)
        try:
            answer = self._pull(HALT, command.reason or "halt from the dashboard", command.source)
        except BaseException:
            self._forget(asked.id)  # the next one that comes under this id is carried out
            raise
        return self._remember(asked.id, CommandResult(True, answer.sentence))

    def take(self, asked: Asked) -> CommandResult:
        """Carry a command out, unless it was carried out, or its time is over; return what became of it."""
        if (known := self._answers.get(asked.id)) is not None:
            return known
        if asked.deadline is not None and asked.deadline.is_past(now := self._now()):
            return _too_late(asked, asked.deadline, now)
        result = self._carry_out(asked.command)
        return self._remember(asked.id, result) if asked.id else result

    def _remember(self, command_id: str, result: CommandResult) -> CommandResult:
        with self._remembering:
            self._answers[command_id] = result
            if len(self._answers) > _KEPT_IDS:
                del self._answers[next(iter(self._answers))]
        return result

    def _forget(self, command_id: str) -> None:
        with self._remembering:
            self._answers.pop(command_id, None)


def _too_late(asked: Asked, deadline: Moment, now: Moment) -> CommandResult:
    by_ms = max(now.monotonic_ms - deadline.monotonic_ms, now.wall_ms - deadline.wall_ms)
    log = logger.bind(logger="microbot.service", event="command.too_late", late_s=by_ms / 1_000)
    log.warning("COMMAND {} came {:.1f} s too late, and was not carried out", _named(asked.command), by_ms / 1_000)
    return CommandResult(False, "it came too late, and was not carried out", late=True)


def _named(command: Wish) -> str:
    match command:
        case Command():
            return command.name
        case RestartChain():
            return f"restart {command.symbol}"
        case SymbolWish():
            return f"{command.command} {command.symbol}"
        case SignalWish():
            return f"the signal {command.id}"
