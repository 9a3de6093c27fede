"""What each operator of a strategy does, while it trades: how often it passes something on, what, and at what cost.

Nothing is added to a tick for it. Once a second every link between two operators, which is a variable in the closure
of the upper one's step, is given a meter in place of the lower one's function; a meter that has seen a few values puts
the function back by itself. So the cost is bounded by links and seconds, whatever the rate of ticks: with twelve
operators, a few hundredths of a percent of a core. A meter passes on what it is given and raises what it hears, so that
nothing is decided otherwise; what it measures goes to the dashboard and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from actors.engine.core import Core
from actors.engine.symbol_context import SymbolContext
from pipeline.events import Candle, Signal, Trade
from pipeline.operators.frame import Frame
from pipeline.probe import Wired
from web.messages import OperatorSeen, OperatorsSeen

PERIOD_S = 1.0
SAMPLES = 8  # values that a link is measured at in each period
_NEW = 0.2  # how much a period counts in what is shown, against those before it
_DEEPEST = 2  # objects between a step and what it calls
_NS = 1e9

Put = Callable[[Callable[[Any], None]], None]


class Operators:
    """Measures the operators of every symbol of a core, in `timer`'s nanoseconds."""

    def __init__(self, timer: Callable[[], int]) -> None:
        self._timer = timer
        self._due = timer()
        self._followed: dict[str, _Pipe] = {}
        self._overhead = _overhead(timer)

    def messages(self, core: Core) -> Iterator[OperatorsSeen]:
        """Yield what the last period came to and begin the next, if it is over."""
        now = self._timer()
        if now < self._due:
            return
        self._due = now + round(PERIOD_S * _NS)
        for symbol, context in core.contexts.items():
            pipe = self._followed.get(symbol)
            if pipe is None or not pipe.is_of(context):
                pipe = self._followed[symbol] = _Pipe(context, self._timer, self._overhead)
            else:
                yield OperatorsSeen(symbol, tuple(pipe.seen(context)))
            pipe.begin(self._timer())


class _Operator:
    """One operator's figures; None as long as they are not known."""

    def __init__(self, name: str, wired: Wired) -> None:
        self.name = name
        self.wired = wired
        self.out: _Link | None = None  # where it passes on what it gives
        self.spent = self.samples = 0  # of this period: ns, without what it calls, and items
        self.rate: float | None = None  # items a second that it passes on
        self.us: float | None = None  # an item that it is given


class _Link:
    """Where values are handed on to `target`; `put` puts another function in its place."""

    def __init__(self, pipe: _Pipe, target: Callable[[Any], None], put: Put) -> None:
        self.operator: _Operator | None = None  # the one that it leads to
        self.armed = False
        self.hits = 0
        self.last: Any = None
        self.since = self.until = 0
        self._pipe = pipe
        self._target = target
        self._put = put
        self._meter = self._measure

    def arm(self, now: int) -> None:
        """Measure the next few values."""
        self.hits = 0
        self.since, self.until = now, 0
        if not self.armed:
            self.armed = True
            self._put(self._meter)

    def rate(self, now: int) -> float:
        """Return how many values a second came by since it was armed."""
        return self.hits / max(1, (self.until or now) - self.since) * _NS

    def _measure(self, value: Any) -> None:
        pipe, operator = self._pipe, self.operator
        outer, pipe.nested = pipe.nested, 0
        counted = operator is not None and (operator.out is None or operator.out.armed)
        self.last = value
        began = pipe.timer()
        try:
            self._target(value)
        finally:
            ended = pipe.timer()
            if operator is not None and counted:  # else it would be charged with what it calls
                operator.spent += max(0, ended - began - pipe.nested)
                operator.samples += 1
            pipe.nested = outer + ended - began + pipe.overhead
            self.hits += 1
            if self.hits >= SAMPLES:
                self.until = ended
                self.armed = False
                self._put(self._target)


class _Pipe:
    """The operators of one subscription, and the links between them."""

    def __init__(self, context: SymbolContext, timer: Callable[[], int], overhead: int) -> None:
        self.timer = timer
        self.overhead = overhead  # ns that a meter takes beside what it measures
        self.nested = 0  # ns within the value that is measured now that other meters measured
        self._wired = context.probe.wired
        self._count = len(self._wired)
        self._operators = [_Operator(name, wired) for name, wired in context.probe.operators.items()]
        self._links = list(self._linked(context))

    def is_of(self, context: SymbolContext) -> bool:
        """Whether this is still what is subscribed."""
        return context.probe.wired is self._wired and len(self._wired) == self._count

    def _linked(self, context: SymbolContext) -> Iterator[_Link]:
        ticks = context.ticks
        for operator in self._operators:
            emit, on_next = operator.wired.emit, operator.wired.on_next
            if (put := place_of(emit, on_next)) is not None:
                operator.out = _Link(self, emit, put)
                operator.out.operator = next((o for o in self._operators if o.wired.on_next is emit), None)
                yield operator.out
            if ticks.on_next is on_next:
                head = _Link(self, on_next, partial(setattr, ticks, "on_next"))
                head.operator = operator
                yield head

    def begin(self, now: int) -> None:
        """Begin a period at `now`, ns."""
        for operator in self._operators:
            operator.spent = operator.samples = 0
        for link in self._links:
            link.arm(now)

    def seen(self, context: SymbolContext) -> Iterator[OperatorSeen]:
        """Yield each operator's figures, this period among them."""
        now = self.timer()
        for operator in self._operators:
            last = ""
            if operator.out is not None:
                operator.rate = _smoothed(operator.rate, operator.out.rate(now))
                last = in_words(operator.out.last)
            if operator.samples:
                operator.us = _smoothed(operator.us, operator.spent / operator.samples / 1e3)
            errors = context.probe.errors[operator.name]
            yield OperatorSeen(operator.name, operator.rate, last, operator.us, errors)


def _smoothed(before: float | None, now: float) -> float:
    return now if before is None else before + _NEW * (now - before)


def _overhead(timer: Callable[[], int]) -> int:
    """Return how many ns a meter takes beside what it measures: the least of a few."""
    pipe = _Pipe.__new__(_Pipe)
    pipe.timer, pipe.overhead, pipe.nested = timer, 0, 0
    link = _Link(pipe, lambda _: None, lambda _: None)
    best = 1_000_000
    for _ in range(SAMPLES):
        link.arm(0)
        pipe.nested = 0
        began = timer()
        link._measure(None)
        best = min(best, timer() - began - pipe.nested)
    return max(0, best)


def place_of(emit: Callable[[Any], None], step: Callable[[Any], None]) -> Put | None:
    """Return what puts another function where a step keeps `emit`: in its closure, or in an object of ours in there.

    None where it keeps it elsewhere: what that operator passes on is not measured.
    """
    level: list[Any] = [step]
    for _ in range(_DEEPEST + 1):
        below: list[Any] = []
        for holder in level:
            for held, put in _held(holder):
                if held is emit:
                    return put
                below.append(held)
        level = below
    return None


def _held(holder: Any) -> Iterator[tuple[Any, Put]]:
    """Yield what a function's closure, or an object of ours, holds, with what puts something else there."""
    if isinstance(holder, MethodType):
        holder = holder.__self__
    if isinstance(holder, FunctionType):
        for cell in holder.__closure__ or ():
            try:
                yield cell.cell_contents, partial(setattr, cell, "cell_contents")
            except ValueError:  # it is empty
                continue
    elif type(holder).__module__.startswith("pipeline."):
        names = (*getattr(type(holder), "__slots__", ()), *getattr(holder, "__dict__", ()))
        for name in names:
            if hasattr(holder, name):
                yield getattr(holder, name), partial(setattr, holder, name)


def in_words(value: Any) -> str:
    """Return a value in few words; nothing before there was one."""
    if isinstance(value, Frame):
        numbers = [f"{name} {found:.6g}" for name, found in value.values.items()]
        return ", ".join((f"{value.price:g}", *numbers, *(() if value.ready else ("not ready",))))[:80]
    if isinstance(value, Signal):
        return f"{value.side} at {value.price:g}"
    if isinstance(value, Candle):
        return f"{value.open:g} {value.high:g} {value.low:g} {value.close:g}"
    if isinstance(value, Trade):
        return f"{value.price:g} x {value.size:g}"
    if isinstance(value, int | float):
        return f"{value:.6g}"
    return "" if value is None else type(value).__name__
