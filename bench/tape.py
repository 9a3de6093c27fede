"""Tapes to measure with: a seed fixes every byte of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

import msgspec

from pipeline.events import SECOND, Trade

START = 1_767_623_400 * SECOND
"""2026-01-05 09:30 in New York."""

_LINES_AT_ONCE = 10_000


class TapeTrade(Trade, frozen=True, omit_defaults=True, tag="trade", tag_field="type"):
    """A trade as tapes write it: what is not known is left out."""


def trades(seed: int, per_second: float, symbol: str = "BENCH", start: int = START) -> Iterator[Trade]:
    """Print trades without end: a quiet walk in cents around 100, and about once a minute a burst.

    In a burst of some three seconds the price runs one way and the sizes are larger; so the default strategy finds
    signals of both sides, and trades that end by every exit. Four trades in five come with a quote.
    """
    random = Random(seed).random
    step_chance = min(1.0, 2.0 / per_second)  # the price moves as far in a second, however many trades there are
    burst_chance = 1.0 / (60 * per_second)
    mean_gap = SECOND / per_second
    ts = start
    cents = 10_000
    burst_until = direction = 0
    while True:
        ts += int(mean_gap * (0.2 + 1.6 * random()))
        if ts < burst_until:
            if random() < 5 * step_chance:
                cents += direction
            size = 100 + int(900 * random())
        else:
            if random() < step_chance:
                pull = 0.5 + (cents - 10_000) / 2_000
                cents += -1 if random() < pull else 1
            size = 1 + int(200 * random())
            if random() < burst_chance:
                burst_until = ts + int((1 + 4 * random()) * SECOND)
                direction = 1 if random() < 0.5 + (10_000 - cents) / 2_000 else -1
        price = cents / 100
        quote = ((cents - 1) / 100, (cents + 1) / 100) if random() < 0.8 else ()
        yield Trade(symbol, ts, price, size, *quote)


def write(path: Path, events: Iterable[Trade]) -> Path:
    """Write trades as a tape in JSON Lines."""
    encode = msgspec.json.Encoder().encode_lines
    lines = (TapeTrade(*msgspec.structs.astuple(trade)) for trade in events)
    with path.open("wb") as file:
        while some := list(islice(lines, _LINES_AT_ONCE)):
            file.write(encode(some))
    return path
