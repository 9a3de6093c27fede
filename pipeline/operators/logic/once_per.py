"""once_per: at most one signal each time that something happens."""

from __future__ import annotations

from typing import Any

from reactivex import Observable

from pipeline.checked import text
from pipeline.events import Signal
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Lifted, Operator, check_no_signals, directed
from pipeline.operators.signals.bursts import burst_steps

NOTHING_POINTS = (
    "op.once_per({!r}) signals frames that point LONG or SHORT, and nothing before it says where one points: "
    'put op.when(..., go="LONG") before it in the pipe'
)


def once_per(what: str) -> Operator[Frame, Signal]:
    """Signal the first frame of each run of frames that point the same way at which everything required holds.

    `what` is what a run is to you, for the log: a cross, a touch, a break-out. It is what `op.bursts()` does for
    momentum; a run ends with the first ready frame that points elsewhere, or nowhere.

    Raises ValueError, as the pipe is built, where nothing before it gives a direction.
    """
    named = text("op.once_per: what happens is", what)

    def operator(source: Observable[Any]) -> Observable[Signal]:
        check_no_signals(f"op.once_per({named!r})", source)
        if directed(source) is False:
            raise ValueError(NOTHING_POINTS.format(named))
        return Lifted(source, burst_steps, name=f"once_per {named}").keeping(signals=True)

    return operator
