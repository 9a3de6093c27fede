"""Notices: what happened, in a line each for the list of events."""

from __future__ import annotations

from typing import Any

import msgspec

from actors import messages
from actors.orders import OrderRejected
from actors.risk.symbol_locks import until_words
from web.messages import ChainLate, DiskSeen, ExecutionParted


class Notice(msgspec.Struct, frozen=True):
    """A line of the list of events; `ts` 0: before the first tick."""

    kind: str
    ts: int
    text: str


def notice_of(message: Any, zone: str) -> Notice:
    """Return the line that a message makes, with times of that zone. Raises TypeError for one that makes none."""
    kind, text = _said(message, zone)
    return Notice(kind, message.ts, text)


def _said(message: Any, zone: str) -> tuple[str, str]:
    match message:
        case messages.StateChanged():
            return "state", f"{message.previous.value} to {message.state.value}{_because(message.reason)}"
        case messages.SymbolLocked():
            until = until_words(message.until, message.ts, zone)
            return "state", f"{message.symbol} is locked {until}: {message.reason}"
        case messages.SymbolUnlocked():
            return "state", f"{message.symbol} is unlocked{_because(message.reason)}"
        case messages.SymbolHalted():
            return "state", f"{message.symbol} is halted: {message.reason}"
        case messages.StrategyHalted():
            return "state", f"the strategy {message.strategy} has lost its share of the day's loss limit"
        case messages.DayStarted():
            return "day", f"trading day {message.date} begins with {message.equity:,.2f}"
        case OrderRejected():
            return "order", f"an order of {message.symbol} was rejected: {message.reason}"
        case messages.FeedChanged():
            return "feed", f"feed {message.state.value}{_because(message.reason)}"
        case messages.SymbolStale(stale=True):
            return "feed", f"{message.symbol} is STALE, and enters nothing: {message.reason}"
        case messages.SymbolStale():
            return "feed", f"{message.symbol} is heard again"
        case messages.BrokerChanged():
            return "broker", f"broker {message.state.value}{_because(message.reason)}"
        case messages.AccountOpened():
            return "broker", f"account {message.number} holds {message.cash:,.2f} in cash"
        case messages.ChainFailed():
            then = "restarts soon" if message.restart_ts else "trades no more"
            return "chain", f"the strategy of {message.symbol} failed and {then}: {message.error}"
        case messages.ChainRestarted():
            return "chain", f"the strategy of {message.symbol} restarts"
        case messages.ChainRemoved():
            return "chain", f"the strategy of {message.symbol} was removed: {message.reason}"
        case ChainLate():
            return "chain", f"the strategy of {message.symbol} is slow: {message.reason}"
        case DiskSeen():
            return "disk", message.sentence
        case ExecutionParted():
            return "order", f"{message.symbol}: {message.reason}"
        case messages.StrategyReplaced():
            warm = f"warmed up with {message.warm_up:,} trades and quotes" if message.warm_up else "cold"
            return "chain", f"the strategy {message.strategy} ({message.sha256[:8]}) takes over, {warm}"
        case messages.StrategyRefused():
            said = f"the strategy {message.strategy} as it was saved is refused, the one before goes on"
            return "chain", "\n".join((f"{said}: {message.error}", *message.traceback))
    raise TypeError(f"a {type(message).__name__} makes no notice")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
