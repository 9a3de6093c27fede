"""Notices: what happened, in a line each for the list of events."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import msgspec

from actors.messages import (
    AccountOpened,
    BrokerChanged,
    ChainFailed,
    ChainRemoved,
    ChainRestarted,
    DayStarted,
    FeedChanged,
    StateChanged,
    StrategyHalted,
    StrategyRefused,
    StrategyReplaced,
    SymbolHalted,
    SymbolLocked,
    SymbolStale,
    SymbolUnlocked,
)
from actors.orders import OrderRejected
from actors.risk.symbol_locks import until_words
from web.messages import ChainLate


class Notice(msgspec.Struct, frozen=True):
    """A line of the list of events; `ts` 0: before the first tick."""

    kind: str
    ts: int
    text: str


def notice_of(message: Any, zone: str) -> Notice:
    """Return the line that a message makes, with times of that zone. Raises TypeError for one that makes none."""
    kind, text = _said(message, zone)
    return Notice(kind, message.ts, text)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


@singledispatch
def _said(message: Any, zone: str) -> tuple[str, str]:
    raise TypeError(f"a {type(message).__name__} makes no notice")


@_said.register
def _(message: StateChanged, zone: str) -> tuple[str, str]:
    return "state", f"{message.previous.value} to {message.state.value}{_because(message.reason)}"


@_said.register
def _(message: FeedChanged, zone: str) -> tuple[str, str]:
    return "feed", f"feed {message.state.value}{_because(message.reason)}"


@_said.register
def _(message: SymbolStale, zone: str) -> tuple[str, str]:
    if not message.stale:
        return "feed", f"{message.symbol} is heard again"
    return "feed", f"{message.symbol} is STALE, and enters nothing: {message.reason}"


@_said.register
def _(message: AccountOpened, zone: str) -> tuple[str, str]:
    return "broker", f"account {message.number} holds {message.cash:,.2f} in cash"


@_said.register
def _(message: BrokerChanged, zone: str) -> tuple[str, str]:
    return "broker", f"broker {message.state.value}{_because(message.reason)}"


@_said.register
def _(message: OrderRejected, zone: str) -> tuple[str, str]:
    return "order", f"an order of {message.symbol} was rejected: {message.reason}"


@_said.register
def _(message: StrategyHalted, zone: str) -> tuple[str, str]:
    return "state", f"the strategy {message.strategy} has lost its share of the day's loss limit"


@_said.register
def _(message: SymbolLocked, zone: str) -> tuple[str, str]:
    until = until_words(message.until, message.ts, zone)
    return "state", f"{message.symbol} is locked {until}: {message.reason}"


@_said.register
def _(message: SymbolUnlocked, zone: str) -> tuple[str, str]:
    return "state", f"{message.symbol} is unlocked{_because(message.reason)}"


@_said.register
def _(message: SymbolHalted, zone: str) -> tuple[str, str]:
    return "state", f"{message.symbol} is halted: {message.reason}"


@_said.register
def _(message: DayStarted, zone: str) -> tuple[str, str]:
    return "day", f"trading day {message.date} begins with {message.equity:,.2f}"


@_said.register
def _(message: ChainFailed, zone: str) -> tuple[str, str]:
    then = "restarts soon" if message.restart_ts else "trades no more"
    return "chain", f"the strategy of {message.symbol} failed and {then}: {message.error}"


@_said.register
def _(message: ChainRestarted, zone: str) -> tuple[str, str]:
    return "chain", f"the strategy of {message.symbol} restarts"


@_said.register
def _(message: ChainRemoved, zone: str) -> tuple[str, str]:
    return "chain", f"the strategy of {message.symbol} was removed: {message.reason}"


@_said.register
def _(message: ChainLate, zone: str) -> tuple[str, str]:
    return "chain", f"the strategy of {message.symbol} is slow: {message.reason}"


@_said.register
def _(message: StrategyReplaced, zone: str) -> tuple[str, str]:
    warm = f"warmed up with {message.warm_up:,} trades and quotes" if message.warm_up else "cold"
    return "chain", f"the strategy {message.strategy} ({message.sha256[:8]}) takes over, {warm}"


@_said.register
def _(message: StrategyRefused, zone: str) -> tuple[str, str]:
    said = f"the strategy {message.strategy} as it was saved is refused, the one before goes on: {message.error}"
    return "chain", "\n".join((said, *message.traceback))
