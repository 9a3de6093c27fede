"""The operators a signal is composed of: `from microbot import op` has them, and the exits."""

from pipeline.operators.condition import condition, running_condition
from pipeline.operators.indicator import Indicator, indicator, readings
from pipeline.operators.lift import Operator, lift, merge
from pipeline.operators.logic.combine import all_of, any_of, not_, score, vote
from pipeline.operators.logic.compare import above, below, between, crosses_above, crosses_below, falling, rising
from pipeline.operators.logic.confirm import confirm
from pipeline.operators.logic.once_per import once_per
from pipeline.operators.logic.require import require
from pipeline.operators.logic.rule import Rule
from pipeline.operators.logic.when import when
from pipeline.operators.metric import metric
from pipeline.operators.momentum.momentum import momentum
from pipeline.operators.momentum.rate_of_change import log_return, rate_of_change
from pipeline.operators.momentum.rsi import rsi
from pipeline.operators.momentum.stochastic import stochastic
from pipeline.operators.quotes.spread import imbalance, microprice, spread
from pipeline.operators.signals.bursts import bursts
from pipeline.operators.signals.cool_off import cool_off
from pipeline.operators.signals.external import external, external_age
from pipeline.operators.signals.signals import signals
from pipeline.operators.timing.before import before
from pipeline.operators.timing.candles import candles
from pipeline.operators.timing.on import on
from pipeline.operators.timing.rates import since_last, trade_rate
from pipeline.operators.timing.time_of_day import minutes_from, minutes_to, time_of_day
from pipeline.operators.trend.ema import ema
from pipeline.operators.trend.macd import macd
from pipeline.operators.trend.slope import slope
from pipeline.operators.trend.sma import sma
from pipeline.operators.volatility.atr import atr
from pipeline.operators.volatility.bollinger import bollinger
from pipeline.operators.volatility.donchian import donchian
from pipeline.operators.volatility.keltner import keltner
from pipeline.operators.volatility.opening_range import opening_range
from pipeline.operators.volatility.realized_volatility import realized_volatility
from pipeline.operators.volatility.volatility_guard import volatility_guard
from pipeline.operators.volatility.z_score import z_score
from pipeline.operators.volume.obv import obv
from pipeline.operators.volume.session_vwap import session_vwap
from pipeline.operators.volume.signed_volume import signed_volume
from pipeline.operators.volume.volume_ratio import volume_ratio
from pipeline.operators.volume.volume_spike import volume_spike
from pipeline.operators.volume.vwap import vwap
from pipeline.operators.window.window import window

__all__ = [
    "Indicator",
    "Operator",
    "Rule",
    "above",
    "all_of",
    "any_of",
    "atr",
    "before",
    "below",
    "between",
    "bollinger",
    "bursts",
    "candles",
    "condition",
    "confirm",
    "cool_off",
    "crosses_above",
    "crosses_below",
    "donchian",
    "ema",
    "external",
    "external_age",
    "falling",
    "imbalance",
    "indicator",
    "keltner",
    "lift",
    "log_return",
    "macd",
    "merge",
    "metric",
    "microprice",
    "minutes_from",
    "minutes_to",
    "momentum",
    "not_",
    "obv",
    "on",
    "once_per",
    "opening_range",
    "rate_of_change",
    "readings",
    "realized_volatility",
    "require",
    "rising",
    "rsi",
    "running_condition",
    "score",
    "session_vwap",
    "signals",
    "signed_volume",
    "since_last",
    "slope",
    "sma",
    "spread",
    "stochastic",
    "time_of_day",
    "trade_rate",
    "volatility_guard",
    "volume_ratio",
    "volume_spike",
    "vote",
    "vwap",
    "when",
    "window",
    "z_score",
]
