"""Go with a burst only where the spread is at most 0.03 % and the best level of the book leans the same way by half."""

from microbot import op, param


def strategy(ticks, quotes):
    lean = param("lean", 0.5, -1, 1)
    return ticks.pipe(
        op.window(seconds=15),
        op.momentum(0.0005),
        op.readings(spread=op.spread(quotes), imbalance=op.imbalance(quotes)),
        op.require("spread", at_most=param("widest", 0.0003, 0, 1)),
        op.require("imbalance", at_least=lean, go="LONG"),
        op.require("imbalance", at_most=-lean, go="SHORT"),
        op.bursts(),
    )
