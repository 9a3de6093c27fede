"""The gate: the only way out. Effects leave once the journal holds what led to them.

It is a thread of its own, so that it can refuse, cancel and report while an operator holds the loop.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from actors.book import Book
from actors.journal import Entry, Journal, Run
from actors.orders import CancelOrder, LookUpOrder, SubmitOrder

Effect = SubmitOrder | CancelOrder | LookUpOrder

_LOOK_S = 0.25  # real seconds between two looks for a stuck loop, at most


class Broker(Protocol):
    """A broker behind the gate: takes an effect, answers by reports, never here."""

    def send(self, effect: Effect) -> None:
        """Send one effect to the venue. Raises OSError if that failed; the caller looks the order up later."""


class GateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[gate]: the bounds of what is on its way out."""

    queue_batches: Annotated[int, Meta(ge=1)] = 10_000  # inputs whose facts wait for the journal; beyond it: HALT
    stall_s: Annotated[float, Meta(gt=0)] = 1.0  # real seconds without a sign of life before the loop counts as stuck
    answer_s: Annotated[float, Meta(gt=0)] = 1.0  # real seconds that the core has to take a halt before the gate acts


_DEFAULT = GateSettings()
_LOOK_S = 1.0  # real seconds between two looks at the journal's file


class Batch(msgspec.Struct, frozen=True):
    """What one input led to."""

    number: int
    facts: Sequence[Entry]
    effects: Sequence[Effect] = ()
    book: Book | None = None  # after it, if it changed
    run: Run | None = None  # the session that begins with it


class _HandOver(msgspec.Struct, frozen=True):
    """Stands in the queue where the core begins to decide again, after being taken over for the `turn`-th time."""

    turn: int


class Trouble(msgspec.Struct, frozen=True):
    """Something that the gate has to report: `kind` is journal, overflow, gate, broker, stall or recovered."""

    kind: str
    detail: str


class Gate:
    """Journals facts and lets effects out, in the order of their inputs.

    `submit` never blocks. If the journal fails, or so much waits that its queue is full, the gate halts: it refuses
    entries from then on (cancels and exits still go out, under their deterministic ids) and says so through
    `on_trouble`, which is called on the gate's thread. The loop calls `beat` as a sign of life; the thread reports
    when it stops coming.

    The kill switch (`actors/kill_switch.py`) bars entries here, and takes over while the core decides nothing: until
    `hand_over`, no order of the core's leaves. `watch` is called with each batch before its effects leave, `refuse`
    with each order that does not, and why; both on the gate's thread. So is `look`, every second and at the end: it
    says what has become of the journal's file, and what it says halts as a journal that fails does. `on_gap` is told
    why the journal does not hold everything, once, whatever halted before; it must not raise.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker | None = None,
        on_trouble: Callable[[Trouble], None] = lambda _: None,
        settings: GateSettings = _DEFAULT,
        running_s: Callable[[], float] = time.monotonic,
        *,
        watch: Callable[[Batch], None] = lambda _: None,
        refuse: Callable[[SubmitOrder, str], None] = lambda _, __: None,
        look: Callable[[], str] = lambda: "",
        on_gap: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.barred = ""  # why a person's kill switch refuses entries; empty while it does not
        self.taken_over = False  # by the kill switch: the core's orders are refused
        self._turn = 0  # how often that happened
        self._late_turn = 0  # one that ends when the queue is empty
        self.halted = ""  # why entries are refused; empty while they are not
        self.unwritten = ""  # why the journal does not hold everything; empty while it does
        self.durable = 0  # input number up to which the journal is durable
        self.refused = 0  # entries that were not let out
        self.limit = settings.queue_batches
        self.overflowed = 0  # batches that found the queue full
        self._journal = journal
        self._broker = broker
        self._on_trouble = on_trouble
        self._settings = settings
        self._running_s = running_s  # seconds in which this process ran: a stopped one is not stuck
        self._watch_batch = watch
        self._refuse = refuse
        self._look = look
        self._on_gap = on_gap
        self._look_at = 0.0  # when the next one is due
        self._sending = threading.Lock()  # whoever bars entries knows that none leaves after that
        self._queue: queue.Queue[Batch | _HandOver | None] = queue.Queue(settings.queue_batches)
        self._beat_at: float | None = None  # the loop's last sign of life; before the first there is nothing to miss
        self._stalled = False
        self._urgent: deque[Effect] = deque()  # exits and cancels of batches that found the queue full
        self._spilled: deque[Batch] = deque()  # what else of them has to be written, behind all that is in the queue
        self._beginning: Run | None = None  # a session that the journal could not note yet
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def beat(self) -> None:
        """Say that the loop is alive."""
        self._beat_at = self._running_s()

    @property
    def depth(self) -> int:
        """Batches waiting."""
        return self._queue.qsize()

    def submit(self, batch: Batch) -> None:
        """Hand over what one input led to; returns at once."""
        if not self._spilled:  # else it would overtake what came before it
            try:
                self._queue.put_nowait(batch)
                return
            except queue.Full:
                pass
        self._spill(batch)

    def _spill(self, batch: Batch) -> None:
        """Halt, for so much waits: what may still leave leaves at once, and what changed the book is not lost."""
        self.overflowed += 1
        exits = [effect for effect in batch.effects if not _is_entry(effect)]
        if exits or (len(self._spilled) < self.limit and (batch.book is not None or batch.run is not None)):
            self._spilled.append(msgspec.structs.replace(batch, effects=()))
        self._urgent.extend(exits)
        self._halt("overflow", f"more than {self.limit} inputs wait for the journal")

    def bar(self, reason: str) -> None:
        """Refuse entries until `unbar`: none leaves after this returns."""
        with self._sending:
            self.barred = reason

    def unbar(self) -> None:
        """Let entries out again, unless the gate has halted."""
        self.barred = ""

    def take_over(self) -> int:
        """Refuse every order of the core's until `hand_over`: none leaves after this returns. Returns the turn."""
        with self._sending:
            self.taken_over = True
            self._turn += 1
            return self._turn

    def hand_over(self, turn: int) -> None:
        """Let the core decide again, from what it submits after this on, unless it was taken over anew meanwhile."""
        try:
            self._queue.put_nowait(_HandOver(turn))
        except queue.Full:
            self._late_turn = turn  # it ends once everything that waits has left

    def _end_turn(self, turn: int) -> None:
        if turn == self._turn:
            self.taken_over = False

    @property
    def silent_s(self) -> float:
        """How long ago the loop's last sign of life was, in seconds in which we ran; 0 before the first."""
        return 0.0 if self._beat_at is None else self._running_s() - self._beat_at

    def stop(self, timeout_s: float = 3.0) -> bool:
        """Let out what waits, close the journal and end the thread; False if that took too long."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # ------------------------------------------------------------------------------------- the gate's thread

    def _run(self) -> None:
        while True:
            try:
                batch = self._queue.get(timeout=min(self._settings.stall_s / 4, _LOOK_S))
            except queue.Empty:
                self._catch_up()
                if self._late_turn:
                    self._end_turn(self._late_turn)
                    self._late_turn = 0
                self._watch()
                continue
            if batch is None:
                self._catch_up()
                self._look_at = 0.0
                self._look_at_journal()
                self._journal.close()
                return
            if isinstance(batch, _HandOver):
                self._send_urgent()  # it was decided before
                self._end_turn(batch.turn)
            else:
                self._take(batch)
            if self._queue.empty():
                self._catch_up()
            self._watch()

    def _take(self, batch: Batch) -> None:
        try:
            self._let_out(batch)
        except Exception as error:  # whatever it is, a gate that dies silently is worse
            self._halt("gate", f"{type(error).__name__}: {error}")
        self._send_urgent()

    def _send_urgent(self) -> None:
        """Send what does not wait for the queue; who looks on sees it now, and what led to it in its turn."""
        while self._urgent:
            effect = self._urgent.popleft()
            self._show(Batch(0, (), (effect,)))
            self._send(effect)

    def _catch_up(self) -> None:
        """Write what found the queue full, now that it is empty."""
        self._send_urgent()
        while self._spilled:
            self._take(self._spilled[0])
            self._spilled.popleft()  # only now: what comes meanwhile comes after it

    def _let_out(self, batch: Batch) -> None:
        try:
            self._beginning = batch.run or self._beginning
            if self._beginning is not None:
                self._journal.begin(self._beginning)
                self._beginning = None
                self.durable = 0  # its inputs are counted anew
            self._journal.append(batch.number, batch.facts, batch.book)
            if not self.halted:  # what is after a gap in the journal is not durable
                self.durable = max(self.durable, batch.number)
        except Exception as error:
            self._fail_journal(str(error))
        self._show(batch)
        for effect in batch.effects:
            self._send(effect)

    def _show(self, batch: Batch) -> None:
        """Let the kill switch look at what is about to leave."""
        try:
            self._watch_batch(batch)
        except Exception as error:  # whoever looks on: what is to leave, leaves
            self._halt("gate", f"{type(error).__name__}: {error}")

    def _send(self, effect: Effect) -> None:
        with self._sending:
            refusal = self._refusal(effect)
            if not refusal:
                self._send_now(effect)
        if refusal and isinstance(effect, SubmitOrder):
            self.refused += _is_entry(effect)
            self._refuse(effect, refusal)

    def _refusal(self, effect: Effect) -> str:
        """Return why an effect must not leave; empty if it may."""
        if not isinstance(effect, SubmitOrder) or effect.leg == "gate":
            return ""
        if self.taken_over:
            return "the kill switch has taken over"
        return self.halted or self.barred if _is_entry(effect) else ""

    def _send_now(self, effect: Effect) -> None:
        if self._broker is None:
            self._halt("broker", "an order was to leave, but there is no broker behind the gate")
        else:
            try:
                self._broker.send(effect)
            except OSError as error:
                self._on_trouble(Trouble("broker", f"{effect.id}: {error}"))

    def _look_at_journal(self) -> None:
        now = self._running_s()
        if self.unwritten or now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        if wrong := self._look():
            self._fail_journal(wrong)

    def _fail_journal(self, why: str) -> None:
        if not self.unwritten:
            self.unwritten = why
            self._on_gap(why)
        self._halt("journal", why)

    def _halt(self, kind: str, detail: str) -> None:
        if not self.halted:
            self.halted = f"{kind}: {detail}"
            self._on_trouble(Trouble(kind, detail))

    def _watch(self) -> None:
        self._look_at_journal()
        silent = self.silent_s
        if silent > self._settings.stall_s and not self._stalled:
            self._stalled = True
            self._on_trouble(Trouble("stall", f"the loop has been stuck for {silent:.1f} s"))
        elif self._stalled and silent <= self._settings.stall_s:
            self._stalled = False
            self._on_trouble(Trouble("recovered", "the loop goes on"))


def _is_entry(effect: Effect) -> bool:
    return isinstance(effect, SubmitOrder) and effect.leg == "entry"
