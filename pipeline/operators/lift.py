"""How a step function becomes an operator: without locks, without a wrapper around each observer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.internal import default_error, noop

from pipeline.probe import Probe

In = TypeVar("In")
Out = TypeVar("Out")

Operator = Callable[[Observable[In]], Observable[Out]]
Scheduler = abc.SchedulerBase | None


class Callbacks(NamedTuple):
    """What a subscriber wants to be called with, whichever way it said so."""

    on_next: Callable[[Any], None]
    on_error: Callable[[Exception], None]
    on_completed: Callable[[], None]

    @classmethod
    def of(cls, on_next: Any, on_error: Any, on_completed: Any) -> Callbacks:
        """Accept an observer or three optional callables, as `Observable.subscribe` does."""
        if hasattr(on_next, "on_next"):
            return cls(on_next.on_next, on_next.on_error, on_next.on_completed)
        return cls(on_next or noop, on_error or default_error, on_completed or noop)


class Direct(Observable[Out]):
    """An Observable whose observers are called as they are.

    RxPY wraps each observer to guard against calls after the end. Our streams are synchronous and keep the Rx contract
    themselves, so this skips the wrapper: one call saved per operator and tick. Plain RxPY operators add their own.
    """

    gives = ""
    """What its values are and who gives them, in words ("frames, those of op.window"), where they cannot be signals."""

    windowed: bool | None = None
    """Whether its frames look back over a window; None where it gives no frames, or that is not known."""

    directed: bool | None = None
    """Whether its frames say which way their tick points; None where that is known only once they come."""

    readings: frozenset[str] | None = None
    """The names of the readings that its values have, or that the frames had of which they are the signals; None where
    that is known only once they come."""

    exits_ask: frozenset[str] = frozenset()
    """The names of the readings that the exits of its signals ask for."""

    signals = False
    """Whether its values are signals for certain."""

    def subscribe(
        self,
        on_next: Any = None,
        on_error: Any = None,
        on_completed: Any = None,
        *,
        scheduler: Scheduler = None,
    ) -> abc.DisposableBase:
        """Subscribe like any Observable."""
        return self.attach(Callbacks.of(on_next, on_error, on_completed), scheduler)

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        """Subscribe an observer; the state of a subscription is born here."""
        raise NotImplementedError


class Step(NamedTuple):
    """One subscription's state: what it does with a value, where it emits then, at the end, and what it lets go of."""

    on_next: Callable[[Any], None]
    on_completed: Callable[[], None] = noop
    dispose: Callable[[], None] = noop


MakeStep = Callable[[Callable[[Any], None], Scheduler], Step]


class Lifted(Direct[Out]):
    """An operator made of a step, which is born with the subscription."""

    def __init__(
        self,
        source: Observable[Any],
        make: MakeStep,
        gives: str = "",
        directed: bool | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        self._name = name
        self.source = source
        self.make = make
        self.gives = gives
        self.directed = directed
        self.windowed = getattr(source, "windowed", None)

    def keeping(self, *, signals: bool = False) -> Lifted[Out]:
        """Note that it passes on frames as they are, or makes signals of them, and return it."""
        self.readings, self.exits_ask = readings_of(self.source), asked_by_exits(self.source)
        self.signals = signals
        return self

    @property
    def name(self) -> str:
        """What it is called where operators are listed: where it was given no name, as what made its step."""
        return self._name or getattr(self.make, "__qualname__", "operator").split(".")[0].strip("_")

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        step = self.make(observer.on_next, scheduler)
        Probe.note(scheduler, self, step.on_next, observer.on_next)
        completed = observer.on_completed
        if step.on_completed is not noop:

            def completed() -> None:
                step.on_completed()
                observer.on_completed()

        subscription = self.source.subscribe(step.on_next, observer.on_error, completed, scheduler=scheduler)
        if step.dispose is noop:
            return subscription
        return CompositeDisposable(subscription, Disposable(step.dispose))


def lift(make: MakeStep, *, gives: str = "") -> Operator[Any, Any]:
    """Make an operator from a step.

    `make(emit, scheduler)` is called once a subscription and returns its `Step`, whose `on_next(value)` calls
    `emit(result)` as often as it has a result. `scheduler` is the one handed to `subscribe`: time and
    timers come from nowhere else. `gives` says what comes out and of whom, where that can be no signals.

    >>> from reactivex import of
    >>> def changes(emit, scheduler):
    ...     last = None
    ...     def on_next(value):
    ...         nonlocal last
    ...         if value != last:
    ...             last = value
    ...             emit(value)
    ...     return Step(on_next)
    >>> of(1, 1, 2, 2, 1).pipe(lift(changes)).subscribe(print).dispose()
    1
    2
    1
    """
    return lambda source: Lifted(source, make, gives)


def given_by(stream: Observable[Any]) -> str:
    """Return what a stream gives, and by whom, where it is known to give no signals; else nothing."""
    return str(getattr(stream, "gives", ""))


def directed(stream: Observable[Any]) -> bool | None:
    """Return whether a stream's frames say which way their tick points; None where that is not known yet."""
    return getattr(stream, "directed", None)


def readings_of(stream: Observable[Any]) -> frozenset[str] | None:
    """Return the names of the readings that a stream's values have; None where that is not known yet."""
    found: frozenset[str] | None = getattr(stream, "readings", None)
    return found


def asked_by_exits(stream: Observable[Any]) -> frozenset[str]:
    """Return the names of the readings that the exits of a stream's signals ask for, as far as they are known."""
    found: frozenset[str] = getattr(stream, "exits_ask", frozenset())
    return found


def check_no_signals(who: str, source: Observable[Any]) -> None:
    """Raise ValueError for a stream that is one of signals already."""
    if getattr(source, "signals", False):
        raise ValueError(
            f"{who} makes signals of frames, and what stands before it has made them: leave one of them out"
        )


class Merged(Direct[Out]):
    """The values of several synchronous sources as they come, and therefore without locks."""

    def __init__(self, sources: tuple[Observable[Any], ...]) -> None:
        super().__init__()
        self._sources = sources
        self.gives = next(filter(None, map(given_by, sources)), "")
        known = [found for found in map(readings_of, sources) if found is not None]
        self.readings = frozenset().union(*known) if len(known) == len(sources) else None
        self.exits_ask = frozenset().union(*map(asked_by_exits, sources))

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        """Subscribe to each source in turn: of two values at the same instant, the first source's comes first."""
        running = len(self._sources)
        has_failed = False
        subscriptions: list[abc.DisposableBase] = []

        def dispose() -> None:
            for subscription in subscriptions:
                subscription.dispose()

        def failed(error: Exception) -> None:
            nonlocal has_failed
            has_failed = True
            dispose()  # the first error ends them all
            observer.on_error(error)

        def completed() -> None:
            nonlocal running
            running -= 1
            if not running:
                observer.on_completed()

        for source in self._sources:
            # One by one: a source may fail at once, and then those before it must be known, and no other is wanted.
            if has_failed:
                break
            subscriptions += [source.subscribe(observer.on_next, failed, completed, scheduler=scheduler)]
        return Disposable(dispose)


def merge(*sources: Observable[Out]) -> Observable[Out]:
    """Merge synchronous streams; `rx.merge` does the same for any, at ten times the cost of a subscription."""
    return Merged(sources)


class Source(Direct[Out]):
    """A hot source without locks: what is pushed into `on_next` goes straight to its observers, in order.

    Look `on_next` up at each push: it is replaced whenever an observer comes or goes.
    """

    gives = "ticks, as they came"
    readings: frozenset[str] | None = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self._observers: tuple[Callbacks, ...] = ()
        self.on_next: Callable[[Any], None] = noop

    @property
    def is_observed(self) -> bool:
        return bool(self._observers)

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        """Add an observer, which is called with what is pushed from now on."""
        self._set((*self._observers, observer))
        return Disposable(lambda: self._set(tuple(o for o in self._observers if o is not observer)))

    def on_completed(self) -> None:
        """Complete every observer, and forget them."""
        observers = self._observers
        self._set(())
        for observer in observers:
            observer.on_completed()

    def set_aside(self) -> tuple[Callbacks, ...]:
        """Forget every observer for a while, and return them."""
        aside = self._observers
        self._set(())
        return aside

    def take_back(self, observers: tuple[Callbacks, ...]) -> None:
        """Have observers again that were set aside: before those that came meanwhile."""
        self._set((*observers, *self._observers))

    def _set(self, observers: tuple[Callbacks, ...]) -> None:
        self._observers = observers
        # One observer, by far the most common case, is called without a loop between.
        self.on_next = observers[0].on_next if len(observers) == 1 else self._to_all if observers else noop

    def _to_all(self, value: Any) -> None:
        for observer in self._observers:
            observer.on_next(value)
