"""The gate: the only way out. Effects leave once the journal holds what led to them.

It is a thread of its own, so that it can refuse, cancel and report while an operator holds the loop.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from actors.book import Book
from actors.gateway.journal import Entry, Journal, Run
from actors.orders import OrderCommand, OrderRole, SubmitOrder

CHECK_S = 1.0
"""Real seconds between two checks of the journal's file."""

_IDLE_S = 0.25  # real seconds between two looks for a stuck loop while nothing waits, at most


class GateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[gate]: the bounds of what is on its way out."""

    queue_batches: Annotated[int, Meta(ge=1)] = 10_000  # inputs whose facts wait for the journal; beyond it: HALT
    stall_s: Annotated[float, Meta(gt=0)] = 1.0  # real seconds without a sign of life before the loop counts as stuck
    answer_s: Annotated[float, Meta(gt=0)] = 1.0  # real seconds that the core has to take a halt before the gate acts


class Batch(msgspec.Struct, frozen=True):
    """What one input led to."""

    number: int  # of the input; 0: not tied to one
    facts: Sequence[Entry]
    effects: Sequence[OrderCommand] = ()
    book: Book | None = None  # after it, if it changed
    run: Run | None = None  # the session that begins with it


class HandOver(msgspec.Struct, frozen=True):
    """Ends the take-over `epoch`: orders queued behind it are the core's again. A stale epoch is ignored."""

    epoch: int


class TroubleKind(StrEnum):
    """What the gate reports."""

    JOURNAL = "journal"  # it does not hold everything
    OVERFLOW = "overflow"  # more waits for it than the queue takes
    GATE = "gate"  # a fault of our own
    BROKER = "broker"  # it did not take an effect, or there is none
    STALL = "stall"  # the loop gives no sign of life
    RECOVERED = "recovered"  # it goes on


class Trouble(msgspec.Struct, frozen=True):
    """What the gate reports."""

    kind: TroubleKind
    detail: str
    halts: bool = False  # entries are refused because of it


class Broker(Protocol):
    """A broker behind the gate: takes an effect, answers by reports, never here."""

    def send(self, effect: OrderCommand) -> None:
        """Send one effect to the venue. Raises OSError if it was not taken; the gate reports that and goes on."""


class Waiting(Protocol):
    """Where batches wait until the gate works on them; it has no bound of its own."""

    def put(self, item: Batch | HandOver) -> None: ...

    def qsize(self) -> int: ...


_DEFAULT = GateSettings()


class _Halting:
    """Halts on whatever is raised within: a gate that dies silently is worse.

    It is entered four times a batch, which takes 7 us in memory; with a generator of `contextlib` it took 18.
    """

    def __init__(self, halt: Callable[[TroubleKind, str], None]) -> None:
        self._halt = halt

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if is_fault := isinstance(error, Exception):
            self._halt(TroubleKind.GATE, f"{type(error).__name__}: {error}")
        return is_fault


class Gate:
    """Decides what becomes of each batch: it is written down, then shown, and then its effects leave or are refused.

    If the journal fails or the queue is full, the gate halts: entries are refused until the process is restarted. Exits
    and cancels still leave. When the queue is full they overtake it; the changes to the book are journaled later, in
    order. The kill switch (`kill_switch.py`) blocks entries, and takes over while the core decides nothing: until it
    hands over, no order of the core's leaves.

    `submit` never blocks. Trouble is reported through `on_trouble`, on the thread that noticed it: the gate's, or that
    of `submit`. The loop calls `beat` as a sign of life; the thread reports when it stops coming.
    `on_batch` is called with each batch before its effects leave, `on_refused` with each order that does not, and why;
    both on the gate's thread. So is `check_journal_file`, every second and at the end: it says what has become of the
    file, and what it says halts as a journal that fails does. `on_gap` is told why the journal does not hold
    everything, once, whatever halted before; it must not raise. `waiting` is for a driver other than the thread: it
    takes what waits, and has the gate `work` on each.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker | None = None,
        on_trouble: Callable[[Trouble], None] = lambda _: None,
        settings: GateSettings = _DEFAULT,
        running_s: Callable[[], float] = time.monotonic,
        *,
        on_batch: Callable[[Batch], None] = lambda _: None,
        on_refused: Callable[[SubmitOrder, str], None] = lambda _, __: None,
        check_journal_file: Callable[[], str] = lambda: "",
        on_gap: Callable[[str], None] = lambda _: None,
        waiting: Waiting | None = None,
    ) -> None:
        self.limit = settings.queue_batches
        self.entries_blocked: str | None = None  # why a person's kill switch refuses entries; None while it does not
        self.taken_over = False  # by the kill switch: the core's orders are refused
        self.halted: str | None = None  # why entries are refused; None while they are not
        self.unwritten: str | None = None  # why the journal does not hold everything; None while it does
        self.refused = 0  # entries that were not let out
        self.overflowed = 0  # batches that found the queue full
        self._journal = journal
        self._broker = broker
        self._on_trouble = on_trouble
        self._stall_s = settings.stall_s
        self._running_s = running_s  # seconds in which this process ran: a stopped one is not stuck
        self._on_batch = on_batch
        self._on_refused = on_refused
        self._journal_file_trouble = check_journal_file
        self._on_gap = on_gap
        self._epoch = 0  # how often the core was taken over
        self._urgent: deque[OrderCommand] = deque()  # exits and cancels of batches that found the queue full
        self._spilled: deque[Batch] = deque()  # what has to be written behind all that is in the queue
        self._beginning: Run | None = None  # a session that the journal could not note yet
        self._check_file_at = 0.0  # when the journal's file is checked next
        self._stalled = False
        self._beat_at: float | None = None  # the loop's last sign of life; before the first there is nothing to miss
        self._halting = _Halting(self._halt)
        self._ended = False  # nothing takes what is submitted from here on
        self._noting = threading.Lock()  # of two threads that find the same, one reports it
        self._sending = threading.Lock()  # a caller that blocks entries knows that none leaves after that
        self._queue: queue.SimpleQueue[Batch | HandOver | None] = queue.SimpleQueue()  # of the thread; None ends it
        self._waiting: Waiting = self._queue if waiting is None else waiting
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)

    # ------------------------------------------------------------------------------------- from other threads

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> bool:
        """Process what waits, close the journal and end the thread; return False if that took too long."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def beat(self) -> None:
        """Say that the loop is alive."""
        self._beat_at = self._running_s()

    @property
    def silent_s(self) -> float:
        """How long ago the loop's last sign of life was, in seconds in which we ran; 0 before the first."""
        return 0.0 if self._beat_at is None else self._running_s() - self._beat_at

    @property
    def depth(self) -> int:
        """Batches waiting."""
        return self._waiting.qsize()

    def submit(self, batch: Batch) -> None:
        """Hand over what one input led to; returns at once."""
        if self._spilled or self.depth >= self.limit:  # it must not overtake what came before it
            self._spill(batch)
        else:
            self._waiting.put(batch)
        if self._ended:  # looked at last: what was put before that is still taken
            self._note_gap(f"what input {batch.number} led to came after the end")

    def _spill(self, batch: Batch) -> None:
        """Take a batch for which the queue has no room, and halt: what may leave or changed the book is not lost."""
        self.overflowed += 1
        exits = [effect for effect in batch.effects if not _is_entry(effect)]
        if exits or (len(self._spilled) < self.limit and (batch.book is not None or batch.run is not None)):
            self._spilled.append(msgspec.structs.replace(batch, effects=()))
        self._urgent.extend(exits)
        self._halt(TroubleKind.OVERFLOW, f"more than {self.limit} inputs wait for the journal")

    def _halt(self, kind: TroubleKind, detail: str) -> None:
        """Refuse entries from here on."""
        with self._noting:
            is_first = self.halted is None
            if is_first:
                self.halted = f"{kind}: {detail}"
        if is_first:
            self._on_trouble(Trouble(kind, detail, halts=True))

    def block_entries(self, reason: str | None) -> None:
        """Refuse entries, for a reason: none leaves after this returns. None allows them, unless we halted."""
        with self._sending:
            self.entries_blocked = reason

    def take_over(self) -> int:
        """Refuse every order of the core's until `hand_over`: none leaves after this returns. Returns the epoch."""
        with self._sending:
            self.taken_over = True
            self._epoch += 1
            return self._epoch

    def hand_over(self, epoch: int) -> None:
        """Accept the core's orders again, if submitted after this, unless it was taken over again meanwhile."""
        self._waiting.put(HandOver(epoch))

    # ------------------------------------------------------------------------------------- the gate's thread

    def _run(self) -> None:
        patience_s = min(self._stall_s / 4, _IDLE_S)
        while True:
            try:
                item = self._queue.get(timeout=patience_s)
            except queue.Empty:
                self.idle()
                continue
            if item is None:
                self._end()
                return
            self.work(item)

    def _end(self) -> None:
        self._ended = True
        while not self._queue.empty():  # it came behind the end, and before anyone could know of it
            if (item := self._queue.get()) is not None:
                self.work(item)
        self._drain_overflow()
        self._check_file_at = 0.0
        self._check_journal_file()
        try:
            self._journal.close()
        except Exception as error:
            self._note_gap(f"it could not be closed: {_named(error)}")

    def work(self, item: Batch | HandOver) -> None:
        """Do what waits next, and all that can be done behind it."""
        with self._halting:
            if isinstance(item, Batch):
                self._process(item)
            if self._urgent:  # it was decided before the core decides again
                self._send_urgent()
            if isinstance(item, HandOver) and item.epoch == self._epoch:  # else it was taken over once more meanwhile
                self.taken_over = False
        if not self.depth:
            self._drain_overflow()
        self._check()

    def idle(self) -> None:
        """Do what is to be done while nothing waits."""
        self._drain_overflow()
        self._check()

    def _drain_overflow(self) -> None:
        """Do what found the queue full, now that it is empty."""
        with self._halting:
            self._send_urgent()
            while self._spilled:
                self._process(self._spilled[0])
                self._send_urgent()
                self._spilled.popleft()  # only now: what comes meanwhile comes after it

    def _check(self) -> None:
        self._check_journal_file()
        self._check_heartbeat()

    def _check_journal_file(self) -> None:
        """Learn now and then what has become of the journal's file."""
        with self._halting:
            if (now_s := self._running_s()) >= self._check_file_at:
                self._check_file_at = now_s + CHECK_S
                if self.unwritten is None and (wrong := self._journal_file_trouble()):
                    self._note_gap(wrong)

    def _check_heartbeat(self) -> None:
        """Report when the loop is silent for too long, and its return."""
        with self._halting:
            silent_s = self.silent_s
            if (stalled := silent_s > self._stall_s) is not self._stalled:
                self._stalled = stalled
                if stalled:
                    self._on_trouble(Trouble(TroubleKind.STALL, f"the loop has been stuck for {silent_s:.1f} s"))
                else:
                    self._on_trouble(Trouble(TroubleKind.RECOVERED, "the loop goes on"))

    def _process(self, batch: Batch) -> None:
        try:
            self._beginning = batch.run or self._beginning
            if self._beginning is not None:
                self._journal.begin(self._beginning)
                self._beginning = None
            self._journal.append(batch.number, batch.facts, batch.book)
        except Exception as error:  # of any kind: exits go out all the same
            self._note_gap(_named(error))
        self._release(batch)

    def _note_gap(self, why: str) -> None:
        """Know that the journal lacks something."""
        with self._noting:
            is_first = self.unwritten is None
            if is_first:
                self.unwritten = why
        if is_first:
            self._on_gap(why)
        self._halt(TroubleKind.JOURNAL, why)

    def _release(self, batch: Batch) -> None:
        with self._halting:  # what fails is the observer's fault: what is to leave, leaves
            self._on_batch(batch)
        for effect in batch.effects:
            with self._halting:  # one that fails costs no other
                self._send_or_refuse(effect)

    def _send_urgent(self) -> None:
        """Send what does not wait for the queue; the observer sees it now, and what led to it in its turn."""
        while self._urgent:
            self._release(Batch(0, (), (self._urgent.popleft(),)))

    def _send_or_refuse(self, effect: OrderCommand) -> None:
        """Send an effect, or refuse it."""
        try:
            with self._sending:
                refusal = self._refusal(effect)
                if refusal is None and self._broker is not None:
                    self._broker.send(effect)
        except OSError as error:
            self._on_trouble(Trouble(TroubleKind.BROKER, f"{effect.id}: {error}"))
            return
        if refusal is not None and isinstance(effect, SubmitOrder):
            self.refused += _is_entry(effect)
            self._on_refused(effect, refusal)
        elif self._broker is None:
            self._halt(TroubleKind.BROKER, "an order was to leave, but there is no broker behind the gate")

    def _refusal(self, effect: OrderCommand) -> str | None:
        """Return why an effect must not leave; None if it may."""
        if not isinstance(effect, SubmitOrder) or effect.role == OrderRole.GATE:
            return None
        if self.taken_over:
            return "the kill switch has taken over"
        if not _is_entry(effect):
            return None
        return self.entries_blocked if self.halted is None else self.halted


def _named(error: Exception) -> str:
    return str(error) or type(error).__name__


def _is_entry(effect: OrderCommand) -> bool:
    return isinstance(effect, SubmitOrder) and effect.role == OrderRole.ENTRY
