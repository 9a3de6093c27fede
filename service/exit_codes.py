"""What the exit code of a command says; the table in docs/COMMANDS.md is for people."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; from NO_BOT to SILENT, and STRATEGY_FAILED, also how `microbot status` found the bot."""

    DONE = 0
    FAILED = 1  # something was found, or went wrong; a start lacked what the next one may have
    REFUSED = 2  # bad input, settings or surroundings: starting again changes nothing
    STRATEGY_FAILED = 3  # a run or a replay went on without a strategy; of `status`: no strategy runs any more
    NO_BOT = 4  # `status`: no bot runs
    HALTED = 5  # `status`: the bot runs and is HALTED
    FEED_DOWN = 6  # `status`: the bot runs, and its market data or its broker is not there
    SILENT = 7  # `status`: a bot holds the data folder and does not answer: it starts, or is stuck
    INTERRUPTED = 130  # Ctrl-C, of a command that does not end in order by it
