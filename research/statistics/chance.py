"""Markets and trades whose edge is known: what a report says of them shows whether it can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from pipeline.events import SECOND, Trade

START = 1_767_623_400 * SECOND  # 2026-01-05 09:30 in New York
_TICK = 0.01
_CALM, _WILD = 0.08, 0.6  # of the middle's moves, the share that are a cent


def random_walk(seed: int, ticks: int = 6_000, *, symbol: str = "WALK") -> Iterator[Trade]:
    """Yield a market without any edge: the middle of the quote goes a cent up or down by chance, never by its past.

    It is calm and wild in turns, so that there are bursts; trades come at either side of a quote of two cents, with
    sizes as they are (Pareto). Nothing of a trade tells of a later move: whatever is earned at the middle is luck.
    """
    chance = Random(seed)
    ts, middle, moves = START, 10_000, _CALM  # the middle in cents
    for _ in range(ticks):
        ts += round(chance.expovariate(4.0) * SECOND) + 1
        if chance.random() < 0.01:
            moves = _WILD if moves == _CALM else _CALM
        if chance.random() < moves:
            middle += chance.choice((-2, -1, 1, 2))
        bid, ask = round((middle - 1) * _TICK, 2), round((middle + 1) * _TICK, 2)
        price = ask if chance.random() < 0.5 else bid
        yield Trade(symbol, ts, price, float(round(chance.paretovariate(1.5) * 20)), bid, ask)


def trades_with_edge(
    seed: int, edge_bp: float, count: int = 400, *, target_bp: float = 15.0, stop_bp: float = 5.0
) -> tuple[list[int], list[float]]:
    """Return times (ns) and profits (bp) of trades of one morning whose true mean is `edge_bp`.

    15 % end a little beyond the target, 40 % a little beyond the stop, the others by chance in between, all of them
    wider or narrower by a volatility that lasts ten minutes: skewed, and alike where they are close in time.
    """
    chance = Random(seed)
    times = sorted(START + chance.randrange(3 * 3600) * SECOND for _ in range(count))
    minutes: dict[int, float] = {}
    values = []
    for ts in times:
        scale = minutes.setdefault(ts // (600 * SECOND), chance.uniform(0.6, 1.4))
        drawn = chance.random()
        if drawn < 0.15:
            value = target_bp + chance.expovariate(1.0)
        elif drawn < 0.55:
            value = -stop_bp - chance.expovariate(1.0)
        else:
            value = chance.gauss(0.0, stop_bp / 2)
        values.append((value - _mean(target_bp, stop_bp)) * scale + edge_bp)
    return times, values


def _mean(target_bp: float, stop_bp: float) -> float:
    """Return the mean of what is drawn before it is moved to the edge."""
    return 0.15 * (target_bp + 1.0) - 0.40 * (stop_bp + 1.0)
