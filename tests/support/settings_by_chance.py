"""Tapes and settings by chance: where two engines have to decide alike, ties, gaps and bad quotes included."""

from __future__ import annotations

import random

from actors.engine.core import Input
from pipeline.events import SECOND, Clock, Prints, Quote, Refused, Trade
from service import settings as settings_
from service.settings import Settings

NOON = 1_700_000_000 * SECOND
_GAPS = (20 * SECOND, 3_600 * SECOND, 86_400 * SECOND, 3 * 86_400 * SECOND)
_MOVES = (0.0, 0.0, 0.0005, -0.0005, 0.001, -0.001)

_CHOICES: dict[str, tuple[object, ...]] = {
    "strategy.window_size": (0.5, 1, 3, 15, 7.3),
    "strategy.entry_threshold": (0.0001, 0.0003, 0.0005, 0.001),
    "strategy.volume_spike_multiplier": (0, 0.5, 1.5),
    "strategy.volatility_guard_threshold": (0, 0.0005, 0.001),
    "strategy.min_ticks": (1, 2, 3),
    "strategy.profit_target": (0.0005, 0.0015, 0.01, 1e-12),
    "strategy.stop_loss": (0.0005, 0.001, 0.01, 1e-12),
    "strategy.time_stop_seconds": (1, 2.5, 8, 60, 1e-10),
    "strategy.flat_seconds": (1, 2, 3),
    "strategy.flat_threshold": (0, 5e-5, 5e-4),
    "risk.daily_loss_limit": (-0.05, -0.001, -0.0001, -1e-6),
    "risk.cooldown_trades_after_loss": (0, 1, 2),
    "risk.position_size": (1, 0.5, 10, 1000, 1e6),
    "risk.starting_equity": (200, 1000, 10_000),
    "risk.timezone": ("America/New_York", "UTC", "Asia/Tokyo", "Europe/Berlin"),
    "execution.fill": ("quote", "last"),
    "execution.slippage_bps": (0, 0, 0.5, 1, 7.25, 3.141592653589793),
    "execution.fee_per_share": (0, 0, 0.005, 0.0035),
    "execution.fee_bps": (0, 0, 1.5),
    "execution.fees": ("none", "none", "none", "none", "none", "alpaca"),
}
"""What each setting may be; of what is worth trying, only what all engines have."""


def chosen_settings(seed: int) -> Settings:
    """Return settings by chance."""
    draw = random.Random(seed)
    return settings_.load(given={path: draw.choice(found) for path, found in _CHOICES.items()}, environment={})


def chosen_events(seed: int) -> list[Input]:
    """Return a small tape by chance: ties, gaps of days, late trades, crossed quotes, up to four symbols.

    Prices are cents, or, on one tape in three, floats of any number of digits.
    """
    draw = random.Random(seed)
    symbols = draw.sample(["A", "B", "C", "D"], draw.choice([1, 1, 2, 4]))
    price = {symbol: draw.choice([1.0, 10.0, 100.0, 585.33, 1000 / 3]) for symbol in symbols}
    cents = draw.random() < 0.7
    step = draw.choice([SECOND // 100, SECOND // 10, SECOND])
    now = NOON + draw.choice([0, draw.randrange(86_400) * SECOND])
    events: list[Input] = []
    for _ in range(draw.choice([30, 120, 400])):
        now = _later(draw, now, step)
        symbol = draw.choice(symbols)
        price[symbol] *= 1 + draw.choice([*_MOVES, draw.gauss(0, 0.001)])
        ts = now - draw.randrange(2 * SECOND) if draw.random() < 0.1 else now
        events.append(_event(draw, symbol, ts, price[symbol], cents))
    return events


def _later(draw: random.Random, now: int, step: int) -> int:
    chance = draw.random()
    if chance < 0.1:
        return now
    if chance < 0.15:
        return now + (draw.choice(_GAPS) if draw.random() < 0.2 else SECOND)
    if chance < 0.2:
        return (now // SECOND + 1) * SECOND
    return now + draw.randrange(step)


def _event(draw: random.Random, symbol: str, ts: int, price: float, cents: bool) -> Input:
    places = 2 if cents else 17
    last = max(round(price, places), 0.01)
    bid = ask = None
    if draw.random() < 0.5:
        bid = round(last - draw.choice([0, 0.01, 0.02]), places)
        ask = round(last + draw.choice([0, 0.01, 0.02, -0.05]), places)
    kind = draw.random()
    if kind < 0.6:
        size = draw.choice([0.0, 1.0, 10.0, 100.0, 500.0, draw.random() * 100])
        return Trade(symbol, ts, last, size, bid, ask)
    if kind < 0.85:
        return Quote(symbol, ts, bid or 0.0, ask or 0.0)
    if kind < 0.93:
        return Clock(ts)
    return Refused("bad trade", draw.randrange(3)) if kind < 0.96 else Prints("VOLUME", 1, 3.0)
