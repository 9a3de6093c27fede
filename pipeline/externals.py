"""What programs outside say of a symbol: the newest word of each name, for the operators that listen."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from reactivex import abc

from pipeline.events import ExternalSignal


class Listener(msgspec.Struct, frozen=True, eq=False):
    """An operator that listens to a name, and how long what it hears is fresh to it (ns)."""

    name: str
    within: int
    stop: Callable[[], None]


class Externals:
    """The newest external signal of each name, of one symbol. The core writes it; operators and the core read it.

    What nobody listens to is not kept.
    """

    def __init__(self) -> None:
        self._newest: dict[str, ExternalSignal] = {}
        self._listeners: list[Listener] = []

    @property
    def names(self) -> list[str]:
        """What is listened to, sorted."""
        return sorted({listener.name for listener in self._listeners})

    def listen(self, name: str, within: int) -> Listener:
        """Listen to a name, until `stop` is called."""
        listener = Listener(name, within, lambda: self._listeners.remove(listener))
        self._listeners.append(listener)
        return listener

    def hear(self, signal: ExternalSignal) -> None:
        """Take in a signal that was just told, if an operator listens to its name."""
        if any(listener.name == signal.name for listener in self._listeners):
            self._newest[signal.name] = signal

    def newest(self, name: str, now: int) -> ExternalSignal | None:
        """Return what was said last under a name up to `now` (ns), however long ago."""
        signal = self._newest.get(name)
        return signal if signal is not None and signal.ts <= now else None  # a rehearsal is in the past

    def fresh(self, listener: Listener, now: int) -> ExternalSignal | None:
        """Return what was said last, if it is still good, and fresh to who listens."""
        signal = self.newest(listener.name, now)
        if signal is None or now - signal.ts > listener.within or 0 < signal.until <= now:
            return None
        return signal

    def in_force(self, now: int) -> tuple[ExternalSignal, ...]:
        """Return what is fresh to any operator that listens, by name."""
        if not self._newest:
            return ()
        found = (self.fresh(listener, now) for listener in self._listeners)
        by_name = {signal.name: signal for signal in found if signal is not None}
        return tuple(by_name[name] for name in sorted(by_name))

    @classmethod
    def of(cls, scheduler: abc.SchedulerBase | None) -> tuple[Externals, Callable[[], int]]:
        """Return those that a subscription's scheduler carries, and its clock; without one, some that hear nothing."""
        externals, clock = getattr(scheduler, "externals", None), getattr(scheduler, "clock", None)
        if not isinstance(externals, cls) or clock is None:
            return cls(), lambda: 0
        return externals, lambda: int(clock.now)
