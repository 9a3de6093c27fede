"""Events written in seconds: what a test wants to say, without nanoseconds and without fields that do not matter."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from microbot.testing import START as START
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import SECOND, Clock, Gap, Quote, Trade


class Quoted:
    """An view with a price and a quote."""

    symbol = "AAPL"
    index = 0
    held_at_input = 0

    def __init__(self, price: float = 100.0, bid: float | None = 99.99, ask: float | None = 100.01) -> None:
        self.price = price
        self.bid = bid
        self.ask = ask
        self.clock = SymbolClock(InputClock())


def at(seconds: float) -> int:
    """Return the time `seconds` after START, in ns."""
    return START + round(seconds * SECOND)


def trade(
    seconds: float,
    price: float = 100.0,
    size: float = 10.0,
    *,
    symbol: str = "A",
    bid: float | None = None,
    ask: float | None = None,
    says: str | None = None,
) -> Trade:
    """Print a trade; `says` is LONG or SHORT where the strategy `on_demand` shall signal."""
    return Trade(symbol, at(seconds), price, size, bid, ask, says)


def quote(seconds: float, bid: float, ask: float, *, symbol: str = "A") -> Quote:
    return Quote(symbol, at(seconds), bid, ask)


def clock(seconds: float) -> Clock:
    return Clock(at(seconds))


def gap(seconds: float, symbol: str | None = None) -> Gap:
    return Gap(at(seconds), symbol, "a test")


def tape(events: Iterable[msgspec.Struct]) -> bytes:
    """Write events as a tape, one line of JSON each."""
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)
