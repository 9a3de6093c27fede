"""What became of a command, in one sentence: the bot's answer to whoever gave it."""

from __future__ import annotations

from typing import NamedTuple

from actors.core import Core
from actors.messages import TradingState
from actors.risk import LOSS_LIMIT


class Standing(NamedTuple):
    """How the bot stands before or after a command."""

    state: TradingState
    reason: str
    open_positions: int


class Effect(NamedTuple):
    """Whether a command changed anything, and what."""

    changed: bool
    sentence: str
    wrong: bool = False  # there is no such thing as the command is about


def standing(core: Core) -> Standing:
    """Return how the bot stands now."""
    return Standing(core.risk.state, core.risk.state_reason, len(core.positions.open))


def restarted(core: Core, symbol: str) -> Effect:
    """Say what a wish to restart a symbol's strategy will do, before it is carried out."""
    lane = core.lanes.get(symbol)
    if lane is None:
        known = ", ".join(sorted(core.lanes))
        said = f"no {symbol or 'such symbol'} is traded here" + (f", only {known}" if known else "")
        return Effect(False, said, wrong=True)
    if lane.chain.runs:
        return Effect(False, f"the strategy of {symbol} runs already")
    return Effect(True, f"the strategy of {symbol} begins anew, and warms up")


def effect(command: str, before: Standing, after: Standing) -> Effect:
    """Say what a command did, given how the bot stood before and after it.

    >>> active = Standing(TradingState.ACTIVE, "", 1)
    >>> effect("flatten", active, Standing(TradingState.PAUSED, "flatten by terminal", 0)).sentence
    '1 position closed, trading is PAUSED now'
    """
    said = []
    if command in ("flatten", "halt") and before.open_positions:
        many = f"{before.open_positions} position{'' if before.open_positions == 1 else 's'}"
        said.append(f"{many} {'being closed' if after.open_positions else 'closed'}")
    if after.state is not before.state:
        said.append(f"trading is {after.state} now")
    else:
        said.append(_unchanged(command, after))
    return Effect(len(said) > 1 or after.state is not before.state, ", ".join(said))


def _unchanged(command: str, now: Standing) -> str:
    if now.state is TradingState.HALTED and now.reason == LOSS_LIMIT:
        until = "trading stays HALTED by the daily loss limit until the next trading day"
        return f"{until}: `resume` does not lift that" if command == "resume" else f"{until}, and then until `resume`"
    if now.state is TradingState.HALTED and command != "halt":
        return "trading stays HALTED: only `resume` lifts that"
    return f"trading was {now.state} already"
