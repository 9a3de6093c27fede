"""A session: inputs come in here, in one order, on their way to the log, the core and the readers of facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from actors.book import Book, moved_back
from actors.brokers.outbox import Outbox
from actors.engine.core import Core, Input
from actors.gateway.gate import Batch, Gate
from actors.gateway.journal import Entry, Run
from actors.messages import (
    NOT_OUTLIVED,
    AccountOpened,
    Command,
    DayStarted,
    EquityRestated,
    ExitDecided,
    Fact,
    OrderChanged,
    OrderFilled,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    PositionSplit,
    ProfitCorrected,
    Rollover,
    SignalRaised,
    StateChanged,
    SymbolCommand,
    SymbolHalted,
    SymbolLocked,
    SymbolUnlocked,
)
from actors.orders import OrderRejected
from service.live.timekeeping import MARKET_DATA, Timekeeper

_CHANGES = (
    SignalRaised,
    OrderSubmitted,
    OrderFilled,
    OrderRejected,
    OrderChanged,
    PositionOpened,
    ExitDecided,
    PositionClosed,
    PositionSplit,
    ProfitCorrected,
    AccountOpened,
    EquityRestated,
    StateChanged,
    DayStarted,
    SymbolLocked,
    SymbolUnlocked,
    SymbolHalted,
)
"""Facts after which the book is another one."""


_AS_IT_IS = MARKET_DATA | {Book}
"""What meets a core whose time is that of the last such input: it brings its own."""


class Records(Protocol):
    """Takes down the inputs that are about to be fed."""

    def write(self, inputs: Sequence[Input]) -> None: ...

    def take_back(self, count: int) -> None: ...


@dataclass(eq=False)
class Session:
    """Feeds the core: every input is recorded first, and what it led to goes through the gate.

    `take` is the tick path. Readers of facts are called after the inputs that stated them, on the same thread, and
    must not block.
    """

    core: Core
    facts: list[Fact]  # where the core's facts land
    gate: Gate
    recorder: Records | None
    gather: Callable[[Sequence[Input]], None]
    readers: Sequence[Callable[[Fact], None]]
    outbox: Outbox | None = None
    interject: Callable[[], Sequence[Input]] = tuple
    timekeeper: Timekeeper | None = None
    _batch: Sequence[Input] = field(default=(), init=False)  # the one that runs
    _before: int = field(default=0, init=False)  # inputs before it
    _run: Run | None = field(default=None, init=False)  # the session that the next batch begins

    def take(self, inputs: Sequence[Input]) -> None:
        """Record inputs, run them to their end, and pass on what they led to.

        What is told from anywhere but the market meets a core that has the venue's time of now.
        """
        keeper = self.timekeeper
        if keeper is not None and inputs:
            kind = inputs[0].__class__
            if kind not in _AS_IT_IS or (keeper.paused and kind is not Book):
                time = keeper.beat(self.core.now)
                if time:
                    self._feed(time)
        self._feed(inputs)

    def _feed(self, inputs: Sequence[Input]) -> None:
        if self.recorder is not None:
            self.recorder.write(inputs)
        before = self.core.input
        # A command, which comes alone, may change what is remembered although nothing shows of it: `halt` while a
        # day's halt is on.
        commanded = len(inputs) == 1 and inputs[0].__class__ in (Command, SymbolCommand)
        self._before = before
        self._batch = inputs
        try:
            self.core.run(inputs)
        finally:  # also what was stated before a fault is told
            self._batch = ()
            done = self.core.input - before
            self.gather(inputs if done == len(inputs) else inputs[:done])
            if commanded or self.facts or (self.outbox is not None and self.outbox.effects):
                self._pass_on(commanded)
        if done < len(inputs):
            self._go_on(inputs[done:])

    def cut(self) -> None:
        """End the batch that runs after the input that runs, for `interject` to have its say before the rest of it.

        From any thread; without a batch, nothing happens. One that ends meanwhile leaves the next to be cut.
        """
        if self._batch:
            self.core.interrupt()

    def unfed(self) -> int:
        """Return how many inputs were recorded, but not fed; from another thread, where the loop is stuck in one."""
        return max(0, len(self._batch) - (self.core.input - self._before)) if self._batch else 0

    def _go_on(self, rest: Sequence[Input]) -> None:
        """Take what `interject` gives, then the rest of a batch that was cut short."""
        if self.recorder is not None:
            self.recorder.take_back(len(rest))
        for inputs in (self.interject(), rest):
            if inputs:
                self.take(inputs)

    def write(self, entry: Entry) -> None:
        """Have the journal keep something that no input led to."""
        self.gate.submit(Batch(self.core.input, (entry,)))

    def roll_over(
        self,
        rollover: Rollover,
        begin: Callable[[Callable[[Fact], None]], Core],
        recorder: Records | None,
        run: Run,
        to: int | None = None,
    ) -> None:
        """End the session, and begin the next as a start-up does: with the book, and with what holds.

        The old recording ends with `rollover`; `begin` makes the new core, and `recorder` and `run` are the new
        session's. What its head states goes to the journal, but not to the readers, who know it already; but for the
        orders that ended with the old session, of which the new one has not heard. `to` is an
        earlier time that the next session begins at, ns: since `now` never goes back, it takes a session of its own.
        """
        old = self.core
        self._feed([rollover])
        old.finish()  # first, since an author's operator may signal at its end: what that leads to is in the book then
        self._pass_on(False)
        head: list[Input] = [old.book() if to is None else moved_back(old.book(), to), *old.standing()]
        self.core = begin(self.facts.append)
        self.recorder = recorder
        self._run = run
        if recorder is not None:
            recorder.write(head)
        self.core.run(head)
        ended = [fact for fact in self.facts if isinstance(fact, OrderChanged) and fact.reason == NOT_OUTLIVED]
        readers, self.readers = self.readers, ()
        self._pass_on(True)
        self.readers = readers
        for read in readers:
            for fact in ended:
                read(fact)

    def _pass_on(self, commanded: bool) -> None:
        facts = self.facts.copy()
        self.facts.clear()
        effects = self.outbox.take() if self.outbox is not None else ()
        changed = commanded or any(isinstance(fact, _CHANGES) for fact in facts)
        self.gate.submit(Batch(self.core.input, facts, effects, self.core.book() if changed else None, self._run))
        self._run = None
        for read in self.readers:
            for fact in facts:
                read(fact)
