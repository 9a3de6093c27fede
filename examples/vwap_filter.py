"""A condition of your own: do not chase a price that has run away from the window's average.

microbot run --strategy examples/vwap_filter.py:strategy
"""

from __future__ import annotations

from reactivex import Observable

from microbot import Frame, Operator, Signal, Trade, op


def vwap_gap(maximum: float) -> Operator[Frame, Frame]:
    """Price no further than `maximum` (a fraction) from the window's volume-weighted average."""
    return op.condition("vwap_gap", lambda frame: abs(frame.price / frame.window.vwap - 1), at_most=maximum)


def strategy(ticks: Observable[Trade]) -> Observable[Signal]:
    return ticks.pipe(
        op.window(seconds=15),
        op.momentum(0.0005),
        op.volume_spike(1.5),
        op.volatility_guard(0.001),
        vwap_gap(0.002),
        op.bursts(),
    )
