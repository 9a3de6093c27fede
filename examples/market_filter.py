"""Go with a burst only where SPY has gone the same way over the last minute, by 0.01 % at least."""

from microbot import op, param


def strategy(ticks, market):
    least = param("least", 0.0001, -1, 1)
    return ticks.pipe(
        op.window(seconds=15),
        op.momentum(0.0005),
        op.readings(spy=op.on(market("SPY").ticks, op.rate_of_change(seconds=60))),
        op.require("spy", at_least=least, go="LONG"),
        op.require("spy", at_most=-least, go="SHORT"),
        op.bursts(),
    )
