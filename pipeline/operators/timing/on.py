"""on: an indicator of another stream, such as longer candles, or another symbol's."""

from __future__ import annotations

from typing import Any

from reactivex import Observable

from pipeline.operators.indicator import Begin, Indicator, Measure


def on(stream: Observable[Any], indicator: Indicator) -> Indicator:
    """Return an indicator of `stream`, as it stands when an item of the pipe's own comes.

    `op.readings(trend=op.on(ticks.pipe(op.candles(seconds=60)), op.ema(20)))` is the trend of the minutes, on each
    tick: of those that have closed, never of the one that runs.

    Raises TypeError for what is no stream or no indicator.
    """
    if not isinstance(stream, Observable):
        raise TypeError(f"op.on takes a stream, such as ticks.pipe(op.candles(seconds=60)), not {stream!r}")
    if not isinstance(indicator, Indicator):
        raise TypeError(f"op.on takes an indicator, such as op.ema(20), not {indicator!r}")

    def begin(start: Begin) -> Measure:
        measure = indicator.begin(start)
        last: float | None = None

        def follow(item: Any) -> None:
            nonlocal last
            last = measure(item)

        start.subscriptions.add(stream.subscribe(follow, scheduler=start.scheduler))
        return lambda _: last

    return Indicator(f"{indicator.name} on another stream", begin)
