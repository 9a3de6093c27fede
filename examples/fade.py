"""Go against a price 3 standard deviations from its mean of a minute; leave where it is back within half of one."""

from microbot import op, param


def strategy(ticks):
    far = param("far", 3.0, 0, 10)
    return ticks.pipe(
        op.readings(z=op.z_score(seconds=60)),
        op.when(op.below("z", -far), go="LONG"),
        op.when(op.above("z", far), go="SHORT"),
        op.once_per("stretch"),
    )


exits = [op.exit_when(op.between("z", -0.5, 0.5), "MEAN"), op.stop_loss(0.002), op.time_stop(seconds=120)]
