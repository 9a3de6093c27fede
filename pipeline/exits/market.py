"""What the exits of a position may watch."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from reactivex import Observable, never

from pipeline.clock import SymbolClock
from pipeline.events import Candle, Quote, Trade
from pipeline.operators.frame import Frame


class Market(msgspec.Struct, frozen=True):
    """The position's symbol from its entry on: ticks, one-second candles and quotes; and the core's time.

    `frame()` is the newest frame of the strategy's own entries, with its readings; None before the first.
    """

    ticks: Observable[Trade]
    candles: Observable[Candle]
    clock: SymbolClock
    quotes: Observable[Quote] = never()
    frame: Callable[[], Frame | None] = lambda: None
