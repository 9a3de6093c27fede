"""The default strategy: enter on a burst of momentum, leave by the first of four exits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta
from reactivex import Observable

from pipeline import operators as op
from pipeline.clock import SymbolClock
from pipeline.events import Candle, Signal, Trade
from pipeline.exits import ExitSignal, Held, flat_market, profit_target, stop_loss, time_stop

Fraction = Annotated[float, Meta(ge=0)]


class StrategySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[strategy]: what the default strategy looks for. Thresholds are fractions: 0.001 is 0.1 %."""

    window_size: Annotated[float, Meta(gt=0, le=86_400)] = 15.0  # s that the window looks back
    entry_threshold: Annotated[float, Meta(gt=0)] = 0.0005  # momentum that starts a burst
    volume_spike_multiplier: Fraction = 1.5  # size over the mean of the others in the window
    volatility_guard_threshold: Fraction = 0.001  # least range of the window
    min_ticks: Annotated[int, Meta(ge=1)] = 3  # fewer in the window: not ready
    profit_target: Annotated[float, Meta(gt=0)] = 0.0015
    stop_loss: Annotated[float, Meta(gt=0)] = 0.0005
    time_stop_seconds: Annotated[float, Meta(gt=0)] = 8.0
    flat_seconds: Annotated[int, Meta(ge=1)] = 2  # flat one-second candles in a row
    flat_threshold: Fraction = 0.00005


class Market(msgspec.Struct, frozen=True):
    """What the exits of a position may watch."""

    ticks: Observable[Trade]
    candles: Observable[Candle]
    clock: SymbolClock


Entries = Callable[[Observable[Trade]], Observable[Signal]]
Exits = Callable[[Held, Market], Observable[ExitSignal]]


class Strategy(msgspec.Struct, frozen=True):
    """How to enter (ticks -> signals, subscribed once a symbol) and how to leave (once a position)."""

    name: str
    entries: Entries
    exits: Exits
    reads: frozenset[str] = frozenset()  # the keys of [strategy] that it was made from


def momentum_burst(s: StrategySettings) -> Strategy:
    """Compose the default strategy."""

    def entries(ticks: Observable[Trade]) -> Observable[Signal]:
        return ticks.pipe(
            op.window(s.window_size, s.min_ticks),
            op.momentum(s.entry_threshold),
            op.volume_spike(s.volume_spike_multiplier),
            op.volatility_guard(s.volatility_guard_threshold),
            op.bursts(),
        )

    return Strategy("momentum_burst", entries, default_exits(s), frozenset(s.__struct_fields__))


EXIT_KEYS = frozenset(("profit_target", "stop_loss", "time_stop_seconds", "flat_seconds", "flat_threshold"))
"""The keys of [strategy] that the default exits read."""


def default_exits(s: StrategySettings) -> Exits:
    """Compose the default exits; where two are due at once, the first in the list wins."""

    def exits(held: Held, market: Market) -> Observable[ExitSignal]:
        return op.merge(
            market.ticks.pipe(profit_target(held, s.profit_target)),
            market.ticks.pipe(stop_loss(held, s.stop_loss)),
            time_stop(held, s.time_stop_seconds, market.clock),
            market.candles.pipe(flat_market(held, s.flat_seconds, s.flat_threshold)),
        )

    return exits
