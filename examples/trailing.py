"""Go with a burst; leave 0.1 % off the best price since, at the entry's price once 0.08 % ahead, or after a minute."""

from microbot import op, param


def strategy(ticks):
    return ticks.pipe(op.window(seconds=15), op.momentum(param("burst", 0.0005, 0, 1)), op.bursts())


exits = [op.trailing_stop(0.001), op.break_even(after=0.0008), op.time_stop(seconds=60)]
