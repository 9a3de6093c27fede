"""What signals carry in some runs: each a quantity, a limit, a time to live, exits, or none of these."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from reactivex import Observable, operators as rx

from pipeline.events import Signal, Trade
from pipeline.exits.listed import time_stop, trailing_stop
from pipeline.strategy import Strategy

_QUANTITIES = (1, 2, 3, 4)  # shares; risk allows 3
_AWAY = (-0.0002, 0.0, 0.0005)  # of the price: a limit that is waited for, one at the price, one that is met
_SECONDS = (0.01, 1.0, 8.0)


def carrying(strategy: Strategy, time_stop_s: float) -> Strategy:
    """Make a strategy's signals carry something; what, each one's symbol and time decide.

    Their exits keep the strategy's time stop, which is what the audit holds positions to.
    """
    exits = [trailing_stop(0.0005), time_stop(time_stop_s)]

    def carry(signal: Signal) -> Signal:
        random = Random(f"{signal.symbol}/{signal.ts}")
        limit = signal.price * (1 + signal.side.sign * random.choice(_AWAY))
        drawn = {"quantity": random.choice(_QUANTITIES), "limit": limit, "good_for": random.choice(_SECONDS)}
        carried: dict[str, Any] = drawn | {"exits": exits}
        return msgspec.structs.replace(signal, **{name: of for name, of in carried.items() if random.random() < 0.5})

    def entries(ticks: Observable[Trade]) -> Observable[Signal]:
        return strategy.entries(ticks).pipe(rx.map(carry))

    return msgspec.structs.replace(strategy, entries=entries)
