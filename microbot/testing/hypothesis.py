"""Strategies of hypothesis for tapes: few symbols and prices, so that bursts, trades, ties and gaps are frequent."""

from __future__ import annotations

import random
from collections.abc import Iterator

from actors.engine.core import Input
from microbot.testing.tapes import START
from pipeline.events import NEW_LEVEL, SECOND, Clock, Gap, Quote, Refused, Trade
from service.extras import missing

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(str(missing("microbot.testing.hypothesis needs hypothesis", "testing"))) from error

__all__ = ["tapes", "ticks"]

_SIZES = (0.0, 0.5, 1.0, 1.0, 1.0, 2.0, 10.0)
_STEPS = (0, 1, *(SECOND // 10,) * 4, *(SECOND // 4,) * 6, *(SECOND // 2,) * 4, SECOND, SECOND, 3 * SECOND)
_LATE_EVENING = START + 14 * 3600 * SECOND + 1790 * SECOND  # ten seconds before midnight in New York

_TICK_STEPS = (0, 0, 1, SECOND // 10, SECOND // 4, SECOND // 4, SECOND, SECOND, 2 * SECOND, 7 * SECOND)
_TICK_PRICES = (99.9, 99.95, 100.0, 100.05, 100.1, 100.2)
_TICK_SIZES = (0.0, 0.0, 0.001, 0.1, 0.3, 1.0, 1.0, 7.0, 100.0, 1e12)


def tapes(*, symbols: tuple[str, ...] = ("A", "B", "C"), most: int = 400) -> st.SearchStrategy[list[Input]]:
    """Draw a tape of trades, quotes and clocks, with late and refused trades and gaps among them.

    A tape is a seed and a length: dense in decisions, and a failing one still shrinks to its shortest beginning.

    Args:
        symbols: What is traded.
        most: Events, at most.
    """
    return st.builds(
        lambda seed, length: list(_events(random.Random(seed), symbols, length)),
        st.integers(0, 2**32),
        st.integers(30, most),
    )


def ticks(max_size: int = 60, *, symbol: str = "A") -> st.SearchStrategy[list[Trade]]:
    """Draw trades of one symbol in order: equal times, gaps, zero sizes, fractions, and blocks that dwarf all else."""
    one = st.tuples(st.sampled_from(_TICK_STEPS), st.sampled_from(_TICK_PRICES), st.sampled_from(_TICK_SIZES))
    return st.lists(one, max_size=max_size).map(lambda drawn: _in_order(symbol, drawn))


def _events(chance: random.Random, symbols: tuple[str, ...], length: int) -> Iterator[Input]:
    ts = chance.choice([START, _LATE_EVENING])
    steps = dict.fromkeys(symbols, 0)
    for _ in range(length):
        ts += chance.choice(_STEPS)
        symbol = chance.choice(symbols)
        steps[symbol] = max(-8, min(8, steps[symbol] + chance.choice([-2, -1, -1, 0, 1, 1, 2])))
        price = round(100 + 0.05 * steps[symbol], 2)
        half = chance.choice([0.0, 0.02, 0.05, -0.01])
        before = ts - chance.choice([0, 0, 0, 0, 0, 0, SECOND])
        match chance.choice("tttttttttttttttttttttttqqqcrg"):
            case "t" if chance.random() < 0.5:
                yield Trade(symbol, before, price, chance.choice(_SIZES))
            case "t":
                yield Trade(symbol, before, price, chance.choice(_SIZES), price - half, price + half)
            case "q":
                yield Quote(symbol, before, price - half, price + half)
            case "c":
                yield Clock(ts)
            case "r":
                yield Refused("bad trade")
            case _ if chance.random() < 0.3:
                yield Gap(ts, chance.choice([None, symbol]), chance.choice(["chance", NEW_LEVEL]))


def _in_order(symbol: str, drawn: list[tuple[int, float, float]]) -> list[Trade]:
    ts = START
    made = []
    for step, price, size in drawn:
        ts += step
        made.append(Trade(symbol, ts, price, size))
    return made
