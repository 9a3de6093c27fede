"""sharing: many settings over one tape in memory, in ticks x settings a second of CPU time."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import numpy as np

from bench import tape as made_tape
from bench.results import Number, Options, Result, Target
from pipeline.strategy import StrategySettings
from research.engine.columns import Columns, columns_of
from research.engine.sharing import Result as Decided, SharedTape, decide_many
from service.recorded import tapes
from service.settings import Settings

ABOUT = (
    "1,000 settings that share window and exits (10 entry thresholds x 10 spikes x 10 ranges), and 1,000 with a "
    "threshold, conditions and exits of their own each, over a tape of one symbol at 25 ticks a second, calm and busy, "
    "and over the AAPL morning where it is at hand. Best of rounds; readings are computed in each, code is compiled "
    "before. CPU time of one core."
)
TICKS = (1_000_000, 20_000)
SETTINGS = (1_000, 27)
ROUNDS = (3, 1)
CALM, BUSY = 0.05, 0.2  # share of the ticks that move the price, by a cent of 100 dollars
GIGA = 1e9
AAPL = "AAPL_2012-06-21_34200000_46800000_1.zip"


def measure(options: Options) -> Result:
    """Measure both kinds of settings over each tape."""
    ticks = options.sized(*TICKS)
    numbers = []
    for name, columns in (("calm", walk(ticks, CALM)), ("busy", walk(ticks, BUSY)), ("aapl", _recorded(options))):
        if columns is None:
            continue
        began = time.process_time()
        tape = SharedTape(columns)
        numbers.append(
            Number(f"sharing.{name}.facts", len(columns) / (time.process_time() - began) / 1e6, "M events/s")
        )
        for kind, made, least in (("thresholds", thresholds, 1.0), ("random", at_random, 0.4)):
            choices = made(options.sized(*SETTINGS))
            seconds, found = _best(tape, choices, options.sized(*ROUNDS))
            trades = sum(len(each.trades) for each in found) / len(found)
            in_full = sum(each.in_full for each in found)
            note = f"{trades:,.0f} trades a setting, {in_full} settings in full"
            rate = tape.facts.ticks * len(choices) / seconds / GIGA
            target = Target(at_least=least) if name != "busy" else None
            numbers.append(Number(f"sharing.{name}.{kind}", rate, "G ticks x settings/s", target, note))
    return Result("sharing", ABOUT, numbers)


def _best(tape: SharedTape, choices: Sequence[Settings], rounds: int) -> tuple[float, list[Decided]]:
    """Return the least CPU seconds of some rounds, and what was decided."""
    found = decide_many(tape, choices[:3])  # compiles
    least = float("inf")
    for _ in range(rounds):
        tape.forget_readings()
        began = time.process_time()
        found = decide_many(tape, choices)
        least = min(least, time.process_time() - began)
    return least, found


def walk(ticks: int, moving: float) -> Columns:
    """Return a random walk in cents from 100 dollars, with a quote of two cents at each tick."""
    chance = np.random.default_rng(7)
    ts = made_tape.START + np.cumsum(chance.exponential(40e6, ticks)).astype(np.int64)
    cents = 10_000 + np.cumsum(chance.choice([-1, 0, 1], ticks, p=[moving / 2, 1 - moving, moving / 2]))
    size = np.ceil(chance.lognormal(4, 1, ticks))
    kind, symbol = np.zeros(ticks, np.int8), np.zeros(ticks, np.int32)
    return Columns(kind, symbol, ts, cents / 100, size, (cents - 1) / 100, (cents + 1) / 100, ("X",))


def _recorded(options: Options) -> Columns | None:
    path = options.fused.parents[1] / "data" / AAPL if options.fused is not None else None
    if path is None or not path.is_file():
        return None
    return columns_of([event for batch in tapes.read(path) for event in batch])


def thresholds(count: int) -> list[Settings]:
    """Return a grid of what is asked of an entry."""
    steps = round(count ** (1 / 3))
    return [
        Settings(
            strategy=StrategySettings(
                entry_threshold=float(threshold),
                volume_spike_multiplier=float(spike),
                volatility_guard_threshold=float(reach),
            )
        )
        for threshold in np.linspace(0.0003, 0.001, steps)
        for spike in np.linspace(1, 4, steps)
        for reach in np.linspace(0.0002, 0.0015, steps)
    ]


def at_random(count: int) -> list[Settings]:
    """Return settings whose entries and exits are drawn, all with the default window."""
    chance = random.Random(5)
    between = chance.uniform
    return [
        Settings(
            strategy=StrategySettings(
                entry_threshold=between(0.0003, 0.001),
                volume_spike_multiplier=between(1, 4),
                volatility_guard_threshold=between(0.0002, 0.0015),
                profit_target=between(0.0005, 0.003),
                stop_loss=between(0.0003, 0.002),
                time_stop_seconds=between(4, 60),
                flat_seconds=chance.randint(2, 6),
                flat_threshold=chance.choice([0.0, 0.00005, 0.0001]),
            ),
        )
        for _ in range(count)
    ]
