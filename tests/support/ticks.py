"""Hypothesis strategies for the ticks of one symbol."""

from __future__ import annotations

from hypothesis import strategies as st

from pipeline.events import SECOND, Trade
from tests.support.market import START

GAPS = (0, 0, 1, SECOND // 10, SECOND // 4, SECOND // 4, SECOND, SECOND, 2 * SECOND, 7 * SECOND)
PRICES = (99.9, 99.95, 100.0, 100.05, 100.1, 100.2)
SIZES = (0.0, 0.0, 0.001, 0.1, 0.3, 1.0, 1.0, 7.0, 100.0, 1e12)


def ticks(max_size: int = 60) -> st.SearchStrategy[list[Trade]]:
    """Draw ticks in order: equal times, gaps, zero sizes, fractions, and blocks that dwarf all else."""
    one = st.tuples(st.sampled_from(GAPS), st.sampled_from(PRICES), st.sampled_from(SIZES))
    return st.lists(one, max_size=max_size).map(_in_order)


def _in_order(drawn: list[tuple[int, float, float]]) -> list[Trade]:
    ts = START
    made = []
    for step, price, size in drawn:
        ts += step
        made.append(Trade("A", ts, price, size))
    return made
