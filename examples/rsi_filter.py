"""Go with a burst, but not LONG where the RSI of the seconds is above 70, nor SHORT where it is below 30."""

from microbot import op, param


def strategy(ticks):
    seconds = ticks.pipe(op.candles(seconds=1))
    return ticks.pipe(
        op.window(seconds=15),
        op.momentum(0.0005),
        op.readings(rsi=op.on(seconds, op.rsi(14))),
        op.require("rsi", at_most=param("overbought", 70, 50, 100), go="LONG"),
        op.require("rsi", at_least=param("oversold", 30, 0, 50), go="SHORT"),
        op.bursts(),
    )
