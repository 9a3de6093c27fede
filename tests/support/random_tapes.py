"""Settings and tapes made by chance, so that bursts, trades, ties and halts are frequent."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import strategies as st

from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import CoreSettings, Input
from actors.risk.risk import RiskSettings
from microbot.testing.hypothesis import tapes
from pipeline.events import SECOND, Clock, Trade
from pipeline.strategy import StrategySettings
from tests.support.market import START

__all__ = ["QUICK", "SYMBOLS", "core_settings", "lifelike", "seeded_tape", "tapes"]

SYMBOLS = ("A", "B", "C")

QUICK = StrategySettings(
    window_size=2.0,
    entry_threshold=0.0005,
    volume_spike_multiplier=1.0,
    volatility_guard_threshold=0.0005,
    min_ticks=2,
    profit_target=0.001,
    stop_loss=0.001,
    time_stop_seconds=2.5,
    flat_seconds=2,
    flat_threshold=0.0005,
)
"""A strategy that finds something in a dozen ticks."""


def core_settings() -> st.SearchStrategy[CoreSettings]:
    """Draw settings around the quick ones, with every loss limit from none to tight."""
    return st.builds(
        CoreSettings,
        st.builds(
            StrategySettings,
            window_size=st.sampled_from([1.0, 2.0, 2.5]),
            entry_threshold=st.sampled_from([0.0005, 0.001]),
            volume_spike_multiplier=st.sampled_from([0.0, 1.0, 2.0]),
            volatility_guard_threshold=st.sampled_from([0.0, 0.0005, 0.0015]),
            min_ticks=st.integers(1, 4),
            profit_target=st.sampled_from([0.0005, 0.001, 0.01]),
            stop_loss=st.sampled_from([0.0005, 0.001, 0.01]),
            time_stop_seconds=st.sampled_from([1.0, 2.5, 100.0]),
            flat_seconds=st.integers(1, 3),
            flat_threshold=st.sampled_from([0.0, 0.0005]),
        ),
        st.builds(
            RiskSettings,
            daily_loss_limit=st.sampled_from([-0.05, -0.0005, -0.0002]),
            cooldown_trades_after_loss=st.integers(0, 2),
            position_size=st.sampled_from([1.0, 0.5, 2.0]),
            starting_equity=st.sampled_from([200.0, 1000.0]),
            timezone=st.sampled_from(["America/New_York", "UTC", "Asia/Tokyo"]),
        ),
        st.builds(
            ExecutionSettings,
            fill=st.sampled_from(["quote", "last"]),
            slippage_bps=st.sampled_from([0.0, 2.0]),
            fee_per_share=st.sampled_from([0.0, 0.01]),
        ),
    )


def lifelike() -> st.SearchStrategy[ExecutionSettings]:
    """Draw executions that take time, slip by chance, and wait for others to trade."""
    return st.builds(
        ExecutionSettings,
        fill=st.sampled_from(["quote", "last"]),
        slippage_bps=st.sampled_from([0.0, 2.0, 9_000.0]),
        slippage_model=st.sampled_from(["fixed", "random"]),
        latency_ms=st.sampled_from([0.0, 50.0, 1_500.0]),
        latency_jitter_ms=st.sampled_from([0.0, 20.0, 1_000.0]),
        liquidity=st.sampled_from(["unlimited", "displayed"]),
        participation=st.sampled_from([0.01, 0.1, 1.0]),
        patience_s=st.sampled_from([0.5, 3.0]),
        impact_bps=st.sampled_from([0.0, 5.0]),
        seed=st.integers(0, 3),
    )


def seeded_tape(seed: int, ticks: int = 3000) -> Iterator[Input]:
    """Yield a tape that drifts in bursts, the same one for a seed: a fallback where no recorded one is at hand."""
    chance = random.Random(seed)
    ts = START
    price = dict.fromkeys(SYMBOLS, 100.0)
    drift = dict.fromkeys(SYMBOLS, 0.0)
    for _ in range(ticks):
        ts += round(chance.expovariate(4.0) * SECOND)
        symbol = chance.choice(SYMBOLS)
        if chance.random() < 0.08:
            drift[symbol] = chance.choice([-0.04, -0.01, 0.0, 0.0, 0.01, 0.04, -2 * drift[symbol]])
        price[symbol] = round(price[symbol] + drift[symbol] + chance.choice([-0.02, -0.01, 0.0, 0.01, 0.02]), 2)
        size = round(chance.paretovariate(1.5) * (30 if drift[symbol] else 10))
        yield Trade(symbol, ts, price[symbol], size, round(price[symbol] - 0.01, 2), round(price[symbol] + 0.01, 2))
        if chance.random() < 0.02:
            ts += 12 * SECOND
            yield Clock(ts)
