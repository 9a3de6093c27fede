"""Go with a second of three times the usual volume that moved the price the way the last three minutes slope."""

from microbot import op, param


def strategy(ticks):
    minutes = ticks.pipe(op.candles(seconds=60))
    return ticks.pipe(
        op.candles(seconds=1),
        op.readings(volume=op.volume_ratio(30), move=op.rate_of_change(1), trend=op.on(minutes, op.slope(3))),
        op.when(op.all_of(op.above("move", 0), op.above("trend", 0)), go="LONG"),
        op.when(op.all_of(op.below("move", 0), op.below("trend", 0)), go="SHORT"),
        op.require("volume", at_least=param("times", 3.0, 0, 100)),
        op.once_per("spike"),
    )
