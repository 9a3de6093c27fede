"""Dating: whose clock the time of an input is of, and so what it may do.

`now` is the market's: trades, quotes and clocks move it, and nothing else does. They come in by one door, where their
time is bounded by what the venue's clock shows (`pipeline/admission.py`; clocks of our own are read off that clock).
Whatever else is told, by a broker, a calendar, a person or one of our own threads, is of another clock: its time is
data, and never later than `now`, so that it can neither bring a timer about nor date a position into the future.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from actors.book import Book
from actors.messages import (
    BrokerChanged,
    Command,
    FeedChanged,
    GateOrder,
    MarketHours,
    RemoveChain,
    RestartChain,
    Rollover,
)
from actors.orders import (
    AccountReport,
    AssetReport,
    CancelRefused,
    Execution,
    OrderMissing,
    OrderRejected,
    OrderReport,
    SubmitUnanswered,
)
from pipeline.events import Clock, Gap, PriceBand, Quote, Refused, Trade, TradingStatus


class Dated(Enum):
    """What the time of an input may do."""

    MOVES_NOW = auto()  # market data, whose time was bounded where it came in
    AS_DATA = auto()  # told by another clock, or of another moment
    NOT_AT_ALL = auto()  # it has no time
    AS_NOW_WAS = auto()  # our own book: `now` goes on where it was written


DATED: Mapping[type, Dated] = {
    Trade: Dated.MOVES_NOW,
    Quote: Dated.MOVES_NOW,
    Clock: Dated.MOVES_NOW,
    Gap: Dated.AS_DATA,
    Refused: Dated.NOT_AT_ALL,
    TradingStatus: Dated.AS_DATA,
    PriceBand: Dated.AS_DATA,
    Command: Dated.AS_DATA,
    FeedChanged: Dated.AS_DATA,
    MarketHours: Dated.AS_DATA,
    RemoveChain: Dated.AS_DATA,
    RestartChain: Dated.AS_DATA,
    Rollover: Dated.AS_DATA,
    Execution: Dated.AS_DATA,
    OrderRejected: Dated.AS_DATA,
    OrderReport: Dated.AS_DATA,
    SubmitUnanswered: Dated.AS_DATA,
    OrderMissing: Dated.AS_DATA,
    CancelRefused: Dated.AS_DATA,
    BrokerChanged: Dated.AS_DATA,
    AccountReport: Dated.AS_DATA,
    AssetReport: Dated.AS_DATA,
    GateOrder: Dated.AS_DATA,
    Book: Dated.AS_NOW_WAS,
}
"""One rule for each class of input; a class that has none is refused by the core."""


def moves_now(event: object) -> bool:
    """Whether an input may move `now`."""
    return DATED[type(event)] is Dated.MOVES_NOW
