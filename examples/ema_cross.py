"""Go with the cross of two averages of one-second candles, unless the spread is wider than 0.04 %."""

from microbot import op, param


def strategy(ticks, quotes):
    fast, slow = op.ema(param("fast", 9, 2, 100)), op.ema(param("slow", 21, 5, 400))
    return ticks.pipe(
        op.candles(seconds=1),
        op.readings(fast=fast, slow=slow, spread=op.spread(quotes)),
        op.when(op.crosses_above("fast", "slow"), go="LONG"),
        op.when(op.crosses_below("fast", "slow"), go="SHORT"),
        op.require("spread", at_most=param("widest", 0.0004, 0, 1)),
        op.once_per("cross"),
    )
