"""The input-driven scheduler: time moves only when an input brings it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Any

from reactivex import abc
from reactivex.disposable import Disposable
from reactivex.internal import noop
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from pipeline.checked import FAULTS
from pipeline.events import SECOND
from pipeline.externals import Externals
from pipeline.probe import Probe

# Timers due at the same instant fire by rank, then in the order in which their symbols were first seen.
RANK_DAY = 0
RANK_TIME_STOP = 1
RANK_CANDLE = 2
RANK_OTHER = 3

NEVER = 1 << 200  # later than any timestamp
MAX_TIMERS = 100_000


class TooManyTimers(RuntimeError):
    """More timers are waiting than a sane program would set: an operator sets them without end."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} timers are waiting: an operator sets timers faster than they fire")
        self.limit = limit


class Timer:
    """One action at one time. `cancel` is final; a cancelled timer is skipped when its time comes."""

    __slots__ = ("action", "due", "symbol_index")

    def __init__(self, due: int, action: Callable[[], None], symbol_index: int | None) -> None:
        self.due = due
        self.action = action
        self.symbol_index = symbol_index

    def cancel(self) -> None:
        self.action = noop


class InputClock:
    """The time of the core: `now`, in ns since the epoch, and the timers that wait for it.

    `advance(ts)` fires every timer that is due at or before `ts`, in the order of (due, rank, symbol, sequence),
    each with `now` at its own due time, and then sets `now` to `ts`; never back. After each timer `settle` is
    called, so that what it set off is finished before the next one.

    `at_work` is the index of the symbol whose strategy or exits run now, None if none do: another thread may look at
    it. The caller of an author's code sets it; here that is done for timers. `turn` is another number each time.
    """

    def __init__(self, settle: Callable[[], None] = noop) -> None:
        self.now = 0
        self.target = 0  # where the running `advance` goes
        self.next_due = NEVER  # when `advance` has to do more than to set `now`
        self.at_work: int | None = None
        self.turn = 0
        self._heap: list[tuple[int, int, int, int, Timer]] = []
        self._sequence = 0
        self._settle = settle

    def at(
        self,
        due: int,
        action: Callable[[], None],
        rank: int = RANK_OTHER,
        symbol_index: int | None = None,
        *,
        spare: int = 0,
    ) -> Timer:
        """Call `action` when `now` reaches `due` (ns); one that is past fires at the next `advance`.

        `symbol_index` says whose timer it is, None that it is the core's own. Raises TooManyTimers where fewer than
        `spare` others could be set after it.
        """
        if len(self._heap) >= MAX_TIMERS - spare:
            self._forget_cancelled(MAX_TIMERS - spare)
        timer = Timer(due, action, symbol_index)
        self._sequence += 1
        heappush(self._heap, (due, rank, symbol_index or 0, self._sequence, timer))
        self.next_due = self._heap[0][0]
        return timer

    def _forget_cancelled(self, limit: int) -> None:
        self._heap[:] = [entry for entry in self._heap if entry[4].action is not noop]
        heapify(self._heap)
        if len(self._heap) >= limit:
            raise TooManyTimers(limit)

    @property
    def waiting(self) -> int:
        """Timers that are kept, cancelled ones among them."""
        return len(self._heap)

    @property
    def earliest(self) -> int:
        """When the next of the timers that still wait is due; NEVER without one."""
        heap = self._heap
        while heap and heap[0][4].action is noop:
            heappop(heap)
        return heap[0][0] if heap else NEVER

    def advance(self, ts: int) -> None:
        """Move `now` to `ts`, firing on the way what is due."""
        heap = self._heap
        self.target = ts
        while heap and heap[0][0] <= ts:
            timer = heappop(heap)[4]
            if timer.action is not noop:
                if timer.due > self.now:
                    self.now = timer.due
                self.at_work = timer.symbol_index
                self.turn += 1
                timer.action()
                self.at_work = None
                self._settle()
        self.next_due = heap[0][0] if heap else NEVER
        if ts > self.now:
            self.now = ts

    @contextmanager
    def rehearsing(self, ts: int) -> Iterator[int]:
        """Go back to `ts` while the block runs, without the timers that wait; yield the time to come back to.

        The block has to advance as far as that. What it sets beyond waits with the others then; if the block raises,
        what it set is forgotten.
        """
        now, target, heap = self.now, self.target, self._heap
        self._heap = []
        self.now, self.next_due = min(ts, now), NEVER
        try:
            yield now
            for entry in self._heap:
                heappush(heap, entry)
        finally:
            self.now, self.target, self._heap = now, target, heap
            self.next_due = heap[0][0] if heap else NEVER

    @contextmanager
    def working_for(self, symbol_index: int | None) -> Iterator[None]:
        """Say whose strategy runs, for as long as the block does."""
        before, self.at_work = self.at_work, symbol_index
        self.turn += 1
        try:
            yield
        finally:
            self.at_work = before


class SymbolClock(PeriodicScheduler):
    """A symbol's view of the clock, and the scheduler that its operators are subscribed with.

    It hands its probe, and what is said of the symbol from outside, to every operator that is subscribed with it: the
    scheduler is all that RxPY passes on from an operator to the one before it, plain ones included. RxPY's own time
    operators (`ops.debounce`, `ops.delay`, ...) run on it in virtual time. `on_fault` is called with what its timers
    raise; without it, they raise where the time is moved.
    """

    def __init__(
        self,
        clock: InputClock,
        symbol_index: int = 0,
        on_fault: Callable[[BaseException], None] | None = None,
        probe: Probe | None = None,
        externals: Externals | None = None,
    ) -> None:
        super().__init__()
        self.clock = clock
        self.symbol_index = symbol_index
        self._trampoline: deque[tuple[Disposable, Any, Any]] = deque()  # actions to run now, the running one first
        self.probe = probe or Probe()
        self.externals = externals or Externals()
        self._on_fault = on_fault

    def at(self, due: int, action: Callable[[], None], rank: int = RANK_OTHER) -> Timer:
        """Call `action` when `now` reaches `due` (ns). What it raises goes to `on_fault`.

        However many timers an author's operators set, the core's own have room beside them.
        """
        return self.clock.at(due, lambda: self.guarded(action), rank, self.symbol_index, spare=MAX_TIMERS // 10)

    def guarded(self, action: Callable[[], None]) -> None:
        """Run what an author may have written: its fault goes to `on_fault`, and stops no other timer."""
        try:
            action()
        except FAULTS as fault:
            if self._on_fault is None:
                raise
            self._on_fault(fault)

    @property
    def now(self) -> datetime:
        """The time of the core, to the microsecond; `clock.now` has the nanoseconds."""
        return datetime.fromtimestamp(self.clock.now // 1000 / 1e6, UTC)

    def schedule(self, action: Any, state: Any = None) -> abc.DisposableBase:
        """Run `action` now; one that is scheduled by a running action, right after it."""
        if len(self._trampoline) >= MAX_TIMERS:
            raise TooManyTimers(MAX_TIMERS)
        cancelled = Disposable()
        self._trampoline.append((cancelled, action, state))
        if len(self._trampoline) == 1:
            try:
                while self._trampoline:
                    disposable, action, state = self._trampoline[0]
                    if not disposable.is_disposed:
                        self.invoke_action(action, state)
                    self._trampoline.popleft()
            finally:
                self._trampoline.clear()
        return cancelled

    def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> abc.DisposableBase:
        """Run `action` after `duetime` (seconds, or a timedelta)."""
        seconds = duetime.total_seconds() if isinstance(duetime, timedelta) else float(duetime)
        return self._schedule_at(self.clock.now + max(0, round(seconds * SECOND)), action, state)

    def schedule_absolute(self, duetime: Any, action: Any, state: Any = None) -> abc.DisposableBase:
        """Run `action` at `duetime` (a datetime, or seconds since the epoch)."""
        seconds = duetime.timestamp() if isinstance(duetime, datetime) else float(duetime)
        return self._schedule_at(round(seconds * SECOND), action, state)

    def _schedule_at(self, due: int, action: Any, state: Any) -> abc.DisposableBase:
        timer = self.at(due, lambda: self._invoke(action, state))
        return Disposable(timer.cancel)

    def _invoke(self, action: Any, state: Any) -> None:
        self.invoke_action(action, state)
