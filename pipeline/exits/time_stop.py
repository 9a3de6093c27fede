"""time_stop: leave after a time, also where no tick arrives."""

from __future__ import annotations

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from pipeline.clock import RANK_TIME_STOP, SymbolClock
from pipeline.events import SECOND
from pipeline.exits.held import ExitSignal, Held
from pipeline.operators.lift import Callbacks, Direct, Scheduler
from pipeline.probe import Probe


def time_stop(held: Held, seconds: float, clock: SymbolClock) -> Observable[ExitSignal]:
    """Exit (TIME) `seconds` after the entry, with or without a tick arriving."""
    due = held.entry_ts + round(seconds * SECOND)
    return _At(due, ExitSignal(held.symbol, "TIME"), clock)


class _At(Direct[ExitSignal]):
    """One value at one time of the core's clock."""

    def __init__(self, due: int, value: ExitSignal, clock: SymbolClock) -> None:
        super().__init__()
        self._due = due
        self._value = value
        self._clock = clock

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        deadlines, due = Probe.of(scheduler).deadlines, self._due

        def fire() -> None:
            deadlines.remove(due)
            observer.on_next(self._value)

        def cancel() -> None:
            timer.cancel()
            if due in deadlines:
                deadlines.remove(due)

        deadlines.append(due)
        timer = self._clock.at(due, fire, RANK_TIME_STOP)
        return Disposable(cancel)
