"""cool_off: silence after a signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable

from pipeline.checked import number
from pipeline.events import SECOND, Signal
from pipeline.operators.lift import Lifted, Operator, Scheduler, Step, given_by


def cool_off(seconds: float) -> Operator[Signal, Signal]:
    """Drop the signals of the next `seconds` after one that was passed on; stands at the end of a pipe.

    ```
    signals   --a-b-----c-d--
              cool_off(4)
    out       --a-------c----
    ```

    Raises ValueError for seconds not above 0, and, as the pipe is built, where it would get frames.
    """
    if not number("op.cool_off: seconds is", seconds) > 0:
        raise ValueError(f"op.cool_off: seconds must be more than 0, not {seconds}")
    span = round(seconds * SECOND)

    def make(emit: Callable[[Signal], None], scheduler: Scheduler) -> Step:
        until = 0

        def on_next(signal: Signal) -> None:
            nonlocal until
            if signal.ts >= until:
                until = signal.ts + span
                emit(signal)

        return Step(on_next)

    def operator(source: Observable[Any]) -> Observable[Signal]:
        if given := given_by(source):
            raise ValueError(
                f"op.cool_off drops signals, and gets {given}: put it behind op.once_per(...) or op.bursts()"
            )
        return Lifted(source, make).keeping(signals=bool(getattr(source, "signals", False)))

    return operator
