"""What a tape says whatever the settings are, against what the core knows at each tick."""

from __future__ import annotations

import numpy as np

from actors.engine.core import Input
from pipeline.events import Clock, Quote, Refused, Trade
from research.engine.columns import columns_of
from research.engine.facts import facts_of


def test_facts_are_what_the_core_knows_at_each_tick() -> None:
    events: list[Input] = [
        Trade("A", 10, 1.0, 1.0),
        Quote("B", 30, 2.0, 3.0),
        Refused("bad trade"),
        Trade("B", 20, 5.0, 1.0),  # accepted, and handled at 30
        Quote("A", 5, 7.0, 6.0),  # crossed
        Clock(40),
        Trade("B", 19, 5.0, 1.0, 1.0, 2.0),  # late, and its quote with it
        Trade("A", 50, 1.5, 2.0, 1.0, 2.0),
    ]

    found = facts_of(columns_of(events))

    assert (found.names, found.ticks, found.late, found.last) == (("A", "B"), 3, 1, 50)
    apple, other = found.symbols
    assert (apple.row.tolist(), other.row.tolist()) == ([0, 7], [3])
    assert (apple.course.ticks["now"].tolist(), other.course.ticks["now"].tolist()) == ([10, 50], [30])
    assert (apple.course.ticks["quote"].tolist(), other.course.ticks["quote"].tolist()) == ([-1, 0], [0])
    assert np.array_equal([apple.bid, apple.ask], [[1.0], [2.0]])
    assert np.array_equal([other.bid, other.ask], [[2.0], [3.0]])
