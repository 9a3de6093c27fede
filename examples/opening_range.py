"""Go with the price as a minute closes outside the range of the first half hour, but not in the day's last hour."""

from microbot import op, param


def strategy(ticks):
    return ticks.pipe(
        op.candles(seconds=60),
        op.readings(high=op.opening_range("upper", 30), low=op.opening_range("lower", 30), left=op.minutes_to("16:00")),
        op.when(op.crosses_above("price", "high"), go="LONG"),
        op.when(op.crosses_below("price", "low"), go="SHORT"),
        op.require("left", at_least=param("last_minutes", 60, 0, 390)),
        op.once_per("break-out"),
    )


exits = [op.stop_loss(0.003), op.profit_target(0.006), op.time_stop(seconds=300)]
